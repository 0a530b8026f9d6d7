"""PO files as gettext's own tools read them, without losing a byte: each part of an entry keeps its place in the file.

Outside strings, a line break is a space that also ends comments and the effect of `#~` and `#|`. Only `\\n` breaks a
line, unless a backslash precedes it.
"""

import codecs
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from nmt.errors import NmtError

_FIRST = {"comment", "#|msgctxt", "#|msgid", "msgctxt", "msgid", "domain", "end"}
_NEXT = {  # what must follow these keywords; others complete an entry
    "#|msgctxt": {"#|msgid"},
    "#|msgid": {"#|msgid_plural", "msgctxt", "msgid"},
    "#|msgid_plural": {"msgctxt", "msgid"},
    "msgctxt": {"msgid"},
    "msgid": {"msgid_plural", "msgstr"},
    "msgid_plural": {"msgstr[0]"},
}
_ESCAPES = dict(zip(b'abfnrtv"\\\n', (b"\a", b"\b", b"\f", b"\n", b"\r", b"\t", b"\v", b'"', b"\\", b""), strict=True))
_CHARSET = re.compile(rb"charset=([-\w.:]+)")
_ASCII = b'xn--a. msgid "%d"'  # means something else in UTF-16 and IDNA


class Entry(NamedTuple):
    """A message, which begins with its comments at offset `start` of the file, on `line`.

    `texts` has the keys msgctxt, msgid, msgid_plural, and msgstr or msgstr[0] and so on; #|msgid is the previous msgid.
    `offsets` has those of each keyword, and of the begin and end of the strings after it.
    """

    line: int
    start: int
    obsolete: bool
    flags: list[bytes]
    offsets: dict[str, list[int]]
    texts: dict[str, str]

    @property
    def is_header(self) -> bool:
        """Whether this is the header of the file, with a value on each line of its translation."""
        return not (self.texts["msgid"] or self.obsolete or "msgctxt" in self.texts)

    @property
    def translations(self) -> list[str]:
        """The translation, or its plural forms in order."""
        return [text for key, text in self.texts.items() if key.startswith("msgstr")]


class PoFile:
    """The entries of a PO file, decoded by the charset of its header.

    Iterating raises NmtError, with the line, for what msgfmt refuses, but not for duplicate messages.
    """

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.charset, self._patterns = data, path, "UTF-8", _patterns("")

    def __iter__(self) -> Iterator[Entry]:
        self.charset, self._patterns = "UTF-8", _patterns("")
        offsets, flags, last, last_mark = dict[str, list[int]](), list[bytes](), "", b""
        first, line, counted = -1, 1, 0
        for key, start, token, mark in self._tokens():
            if key == "strings" and last and mark == last_mark:
                offsets[last] += token.span(key)
                continue
            is_complete = last not in _NEXT and key in _FIRST
            is_next_form = last[-1:] == "]" and key == f"msgstr[{int(last[7:-1]) + 1}]"
            has_string = not last or len(offsets[last]) > 1
            is_mixed = not is_complete and (b"~" in mark) != (b"~" in last_mark)
            if is_mixed or not has_string or not (is_next_form or key in _NEXT.get(last, _FIRST)):
                unexpected = self.data[start : start + 40].partition(b"\n")[0].decode("ascii", "backslashreplace")
                raise self._error(start, f"not a readable PO file: unexpected {unexpected or 'end of file'!r}")
            if is_complete and last:
                if last != "domain":
                    yield self._entry(Entry(line, first, b"~" in last_mark, flags, offsets, {}))
                offsets, flags, last, first = {}, [], "", -1
            if first < 0:
                line, counted, first = line + self.data.count(b"\n", counted, start), start, start
            if key == "comment":
                flags += _flags_of(token[key])
            else:
                last, last_mark = key, mark
                offsets[key] = [start, *(token.span("quoted") if token["quoted"] else ())]

    def _tokens(self) -> Iterator[tuple[str, int, re.Match[bytes], bytes]]:
        """Yield the keyword or kind of each token, its offset, and the characters of #~, #| or #~| before it."""
        position, mark, key = len(codecs.BOM_UTF8) * self.data.startswith(codecs.BOM_UTF8), b"", ""
        while key != "end" and (token := self._patterns[bool(mark)].match(self.data, position)):
            key = token.lastgroup or ""
            start = token.start(key)
            if mark and re.search(rb"(?<!\\)\n", self.data[position:start]):
                mark = b""
            position = token.end()
            if key == "mark":
                mark = bytes(sorted({*mark, *token[key]}))
                continue
            if key == "field":
                index = f"[{int(token['index'])}]" if token["index"] else ""
                key = "#|" * (b"|" in mark) + token["name"].decode() + index
            yield key, start, token, mark
            if key == "comment" and (again := self._patterns[0].match(self.data, start)):
                position = again.end()  # by the charset that its header has declared by now

    def _entry(self, entry: Entry) -> Entry:
        """Add the texts of an entry."""
        for key, (_, first, *_, end) in entry.offsets.items():
            text = self.data[first + 1 : end - 1]
            if b'"' in text or b"\\" in text or b"\0" in text:
                _, _, string, escape = self._patterns
                strings = (escape.sub(_unescape, string) for string in string.findall(b'"%b"' % text))
                text = b"".join(string.partition(b"\0")[0] for string in strings)  # as in C, NUL ends a string
            if b"\4" in text:
                raise self._error(first, "not a readable PO file: U+0004, which separates contexts, in a string")
            if key.startswith("msgstr") and entry.is_header and (declared := _CHARSET.search(text)):
                self._declare(declared[1].decode())
            try:
                entry.texts[key] = text.decode(self.charset)
            except UnicodeDecodeError as error:
                invalid = self.data.find(error.object[error.start : error.end], first, end)
                raise self._error(max(invalid, first), f"invalid {self.charset}") from None
        return entry

    def _declare(self, charset: str) -> None:
        self.charset = "UTF-8" if charset == "CHARSET" else charset  # as templates have it
        try:
            self._patterns = _patterns(codecs.lookup(self.charset).name)
            known = _ASCII.decode(self.charset) == _ASCII.decode()
        except (LookupError, UnicodeError):
            known = False
        if not known:
            raise NmtError(f"{self.path}: declares the unknown charset {charset}", "convert it to UTF-8")

    def _error(self, offset: int, problem: str) -> NmtError:
        line = self.data.count(b"\n", 0, offset) + 1
        return NmtError(f"{self.path}, line {line}: {problem}", "check it with msgfmt --check")


def _flags_of(comment: bytes) -> list[bytes]:
    """Flags such as fuzzy and c-format; `#!` is newer than `#,`."""
    return comment[2:].replace(b"\\\n", b"").replace(b",", b" ").split() if comment[1:2] in (b",", b"!") else []


def _unescape(character: re.Match[bytes]) -> bytes:
    """The byte of an escape; a double-byte character as it is."""
    escape = character[0]
    if not escape.startswith(b"\\"):
        return escape
    code = int(escape[2:], 16) if escape[1:2] == b"x" else int(escape[1:], 8) if escape[1:].isdigit() else -1
    return _ESCAPES[escape[1]] if code < 0 else bytes([code % 256])


@cache
def _patterns(codec: str) -> tuple[re.Pattern[bytes], ...]:
    """Patterns of a token, of one after #~ or #|, of a string, and of what to unescape in it.

    Without a codec, before the header, each string is a token: what follows it is read by the charset that it declares.
    """
    leads = rb"\x81-\xfe" if re.match("big5|cp950|gb[k1]|johab", codec) else b""
    leads = rb"\x81-\x9f\xe0-\xfc" if re.match("cp932|shift", codec) else leads
    pair = rb"[%b][\x30-\xff]?|" % leads if leads else b""  # the second byte may look like a backslash
    escape = pair + rb'\\(?:[abfnrtv"\\\n]|[0-7]{1,3}|x[0-9A-Fa-f]+)'
    inner = rb'(?:[^%b"\\\n]++|%b)*+' % (leads, escape)
    comment = rb"#(?![~|])(?:[^%b\n\\]++|%b\\\n?)*+" % (leads, pair)
    never = rb"(?!)"
    space = rb"[ \t\r\f\v\n]*+(?:\\\n[ \t\r\f\v\n]*+)*+"
    index = rb"(?:%b\[%b(?P<index>\d{1,9})%b\])?" % (space, space, space)

    def token(gap: bytes) -> bytes:
        string = b'"' + inner + b'"'
        strings = rb"%b(?:%b%b)*+" % (string, gap, string)
        field = rb"(?P<name>[A-Za-z_$][\w$]*)%b(?:%b(?P<quoted>%b))?" % (index, gap, strings)
        kinds = rb"(?P<strings>%b)|(?P<comment>%b)|(?P<field>%b)|(?P<mark>#~?\|?)|(?P<end>\Z)|(?P<junk>.)"
        return space + b"(?:" + kinds % (strings, comment, field) + b")"

    return tuple(
        re.compile(pattern) for pattern in (token(space if codec else never), token(never), rb'"(%b)"' % inner, escape)
    )
