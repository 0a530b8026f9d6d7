"""PO files filled in place: strings that are empty become translations, and their entries fuzzy."""

import gettext
import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from nmt.text.accelerators import take_accelerator
from nmt.text.formats.filling import Edit, Slot
from nmt.text.formats.po import Entry, PoFile
from nmt.text.inline_codes import placeholders

_PLURAL_FORMS = re.compile(r"^Plural-Forms:\s*nplurals\s*=\s*(\d+)\s*;\s*plural\s*=\s*([^;\n]+)", re.MULTILINE)
_COUNTS = 1000  # numbers for which a plural form is looked up: no language has rules beyond
_ESCAPES = str.maketrans(
    {**{f"{c}": f"\\{c}" for c in '\\"'}, **dict(zip("\a\b\f\n\r\t\v", map("\\{}".format, "abfnrtv"), strict=True))}
)
_WRAPPED = re.compile(rb'(?<!["])(?<!\\n)"[ \t]*\r?\n[ \t]*"')
_WORD = re.compile(r".*?(?: *\n|(?<=[^\[({ ]) +(?![.,:;!?)}\]])|[-/.,:;?!|‐](?=[^\W\d_])|$)", re.DOTALL)
"""Text up to where gettext may break a line, in most scripts."""

_WIDTH = 79  # columns of a line, as gettext has it


class PoFilling:
    """The slots of a PO file: its untranslated entries, or with `retranslate` all but obsolete ones."""

    def __init__(self, data: bytes, path: Path, *, retranslate: bool = False, fuzzy: bool = True) -> None:
        self.file, self.data, self.retranslate, self.fuzzy = PoFile(data, path), data, retranslate, fuzzy
        self.end_of_line = "\r\n" if b"\r\n" in data else "\n"
        self.width = _WIDTH if _WRAPPED.search(data) else 1 << 30
        self.forms, self.form_of = 0, _forms_of_numbers("n != 1")

    def __iter__(self) -> Iterator[Slot]:
        """Raises NmtError as PoFile does."""
        for entry in self.file:
            if entry.is_header:
                self._read_plural_forms(entry.translations[0])
            elif (
                not entry.obsolete
                and entry.texts["msgid"].strip()
                and (self.retranslate or not any(entry.translations))
            ):
                yield self._slot(entry)

    def _read_plural_forms(self, header: str) -> None:
        if declared := _PLURAL_FORMS.search(header):
            with suppress(ValueError, ZeroDivisionError):  # of a template, or damaged
                self.form_of, self.forms = _forms_of_numbers(declared[2].strip()), int(declared[1])

    def _slot(self, entry: Entry) -> Slot:
        message, plural = entry.texts["msgid"], entry.texts.get("msgid_plural")
        singular, others = ["msgstr"], list[str]()
        if plural is not None:
            keys = [f"msgstr[{form}]" for form in range(self.forms or len(entry.translations))]
            singular = [key for form, key in enumerate(keys) if self._is_singular(form, message, plural)]
            others = [key for key in keys if key not in singular]
        keys_of = [(text, keys) for text, keys in ((message, singular), (plural or message, others)) if keys]
        texts, marks = zip(*(take_accelerator(text) for text, _ in keys_of), strict=True)

        def fill(translations: Sequence[str]) -> list[Edit]:
            forms = zip(keys_of, marks, translations, strict=True)
            strings = {key: mark(text) for (_, keys), mark, text in forms for key in keys}
            return self._edits(entry, strings)

        return Slot(entry.line, list(texts), fill)

    def _is_singular(self, form: int, message: str, plural: str) -> bool:
        """Whether a form is that of 1, and of no other number, unless both messages have the same placeholders."""
        if form != self.form_of[1] or self.forms == 1:
            return False
        return self.form_of.count(form) == 1 or placeholders(message) == placeholders(plural)

    def _edits(self, entry: Entry, strings: dict[str, str]) -> list[Edit]:
        edits, new = list[Edit](), ""
        for key, text in sorted(strings.items(), key=lambda item: (len(item[0]), item[0])):
            if offsets := entry.offsets.get(key):
                edits.append((offsets[1], offsets[-1], self._quoted(text, len(key) + 1).encode(self.file.charset)))
            else:
                new += f"{self.end_of_line}{key} {self._quoted(text, len(key) + 1)}"
        end = max(offsets[-1] for offsets in entry.offsets.values())
        if new and (at_end := [edit for edit in edits if edit[1] == end]):
            edits[edits.index(at_end[0])] = (*at_end[0][:2], at_end[0][2] + new.encode(self.file.charset))
        return [*edits, *self._fuzzy_edit(entry)] if self.fuzzy and b"fuzzy" not in entry.flags else edits

    def _fuzzy_edit(self, entry: Entry) -> list[Edit]:
        """Add the flag to those of an entry, or a line of flags before its keywords."""
        first = min(start for start, *_ in entry.offsets.values())
        if flags := re.search(rb"(?m)^[ \t]*#,", self.data[entry.start : first]):
            place = entry.start + flags.end()
            return [(place, place, b" fuzzy,")]
        before = self.data.rfind(b"\n", 0, first) + 1
        is_first = self.data[before:first].strip() in (b"", b"#|")
        place, lead = (before, "") if is_first else (first, self.end_of_line)
        return [(place, place, f"{lead}#, fuzzy{self.end_of_line}".encode())]

    def _quoted(self, text: str, indent: int) -> str:
        """A text in quotation marks, as gettext writes it: a line for each of its own, and wrapped if the file is."""
        lines = [
            piece for line in re.findall(r"[^\n]*\n|[^\n]+", text) for piece in self._wrapped(line, self.width - 2)
        ]
        if len(lines) > 1 or (lines and indent + 2 + _columns(lines[0]) > self.width):
            lines = ["", *lines]
        return self.end_of_line.join(f'"{line}"' for line in lines or [""])

    def _wrapped(self, line: str, width: int) -> Iterator[str]:
        current = ""
        for word in filter(None, _WORD.findall(line)):
            escaped = word.translate(_ESCAPES)
            if current and _columns(current + escaped) > width:
                yield current
                current = ""
            current += escaped
        if current:
            yield current


def _forms_of_numbers(expression: str) -> list[int]:
    """The plural form of each number by an expression of a header; ValueError for an invalid one."""
    return list(map(gettext.c2py(expression), range(_COUNTS)))


def _columns(text: str) -> int:
    """The width of a text in a terminal's columns."""
    return sum(
        1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
        if unicodedata.category(character) not in ("Cc", "Mn", "Me", "Cf")
    )
