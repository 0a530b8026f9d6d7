"""Inline codes: placeholders, tags, URLs and escapes in text, which a translation must have, each exactly once.

Some stand for words, such as `%s`, and stay in the text that is translated. Tags are taken out, and placed in the
translation by word alignment. What breaks a line divides the text: its parts are translated on their own.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Literal, NamedTuple

Kind = Literal["word", "open", "close", "point", "break"]

PLACEHOLDER = re.compile(
    r"""\{[\w.:!]*\}            # {0}, {name}
    | (?<![A-Za-z0-9_%])(?<!\d\s)%(?:\d+\$)?[-+0#]?[\d.*]*(?:hh|h|ll|l|z)?[sdifuxXcgeEp@]  # %s, %1$d; not 50%s, 50 %s
    | %\(\w+\)[sdf] | \$\{\w+\}  # %(name)s, ${name}
    | </?(?:a|b|big|br|code|div|em|font|h[1-6]|hr|i|img|kbd|li|ol|p|pre|s|small|span|strong|su[bp]|t[adhrt]|table|u|ul)
      (?:\s+[\w:-]+=[^<>]*)?\s*/?>  # <b>, </b>, <br/>, <a href="x">; not <file>, which is translated
    | <[A-Za-z][\w:-]*/>""",
    re.VERBOSE,
)
"""What is certainly a placeholder or a tag, whose loss makes a pair of training useless."""

URL_START = re.compile(r"https?://(?:www\.)?|www\.")

_VARIABLE = re.compile(r"(?<=\{)[A-Za-z_][\w.:!]*|(?<=\{\d)[:!][^}]*|(?<=%)\d+\$|(?<=\w)\s[^<>]*(?=>)|\s*/(?=>)")

PRIVATE = "[\U000f0000-\U000ffffd]"
"""Private characters, by which readers of documents represent tags: three for each tag or pair of tags."""

_FIRST = 0xF0000
_ROLES: tuple[Kind, ...] = ("open", "close", "point")


def private_character(number: int, kind: Kind) -> str:
    """The character that represents a tag: it opens or closes a pair with a number, or does neither.

    >>> [(code.kind, code.name) for code in find_codes(private_character(7, "close"))]
    [('close', '7')]
    """
    return chr(_FIRST + len(_ROLES) * number + _ROLES.index(kind))


_VOID = {"img", "wbr"}
_INLINE = re.compile(
    "[abiusq]|em|tt|big|su[bp]|del|ins|kbd|var|bd[io]|code|span|font|cite|mark|samp|abbr|small|strong|\\d+"
)
"""Tags of HTML, and numbers of pairs in documents: where nothing closes one in a line, it is closed in another."""

_BLOCK = "br|p|div|li|[uod]l|d[td]|t[dhr]|table|tbody|hr|h[1-6]|pre|blockquote|center|section|article"
_CODE = re.compile(
    rf"""(?P<break>(?<![ \t\r])[ \t\r]*\n\s*|(?<!\s)\s*</?(?i:{_BLOCK})(?:\s[^<>]*)?/?>\s*)
    | (?P<url><(?:https?|ftp|mailto):[!-;=?-~]+>|(?i:(?:https?|ftp|file)://|www\.)(?:(?![<>"{{}}])[!-~])*(?![<>"{{}}.,;:!?)\]'])[!-~])
    | (?P<email>(?<![\w.+-])(?:mailto:)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+)
    | (?P<tag><(?P<end>/?)(?P<name>[A-Za-z][\w:.-]*|\d{{1,2}})
        (?:\s+[\w:.-]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>=`]+))?)*\s*(?P<empty>/?)>)
    | (?P<escaped>&lt;(?P<escaped_end>/?)(?P<escaped_name>[A-Za-z][\w:-]*)(?:\s[^&<>]*)?/?&gt;)
    | (?P<phrase>\{{(?P<phrase_name>\w+)>|<(?P<phrase_end>\w+)\}})  # of Phrase
    | (?P<private>{PRIVATE})
    | (?P<icu>\{{\s*[\w.]+\s*,\s*(?:plural|select|selectordinal|choice)\s*,)
    | %% | %\d+% | %\|[^|\s]*\| | %[<>](?!\w+>) | %\d+:[a-z]
    | (?<!\d)%(?:L?\d{{1,2}}(?!\w|%|\$|\.\d) | [A-Z]{{3,}}\b)  # %1, %PRODUCTNAME
    | %(?:\d+\$)?(?:[-+0\#]|'(?:.(?=\d))?)*(?:\d+|\*)?(?:\.(?:\d+|\*)?)?(?:hh|ll|l|L|z|v|I64)?[a-zA-Z@](?![A-Za-z])
    | (?<!\d)%(?:\d+\$)?[sdu@]           # %sMB
    | %\(\w+\)[-+0\#]?[\d.]*[a-zA-Z] | %[{{<]\w+[}}>]s?    # %(name)s, %{{name}}
    | [\$\#]\{{[^{{}}\s]*\}} | \$\(\w+\) | \$\[\w+\] | (?<!\w)\$[A-Za-z_]\w*
    | \{{\{{.{{0,200}}?\}}\}}
    | \{{%.{{0,200}}?%\}} | <!--.{{0,500}}?--> | <\?.{{0,500}}?\?> | <%.{{0,200}}?%>
    | \{{[\w.$@-]*(?:\[\w*\])*(?:![a-z])?(?::(?:[^{{}}]|\{{[^{{}}]*\}})*)?\}}
    | \{{[^{{}}\s]+\}} | \{{\s*\w+\s*[,:!][^{{}}]*\}}
    | @\w+@
    | \b(?:Ctrl|Strg|Alt|Shift|Cmd|Meta)\+(?:\w+\+)*\w+  # a shortcut
    | (?<![\w-])--[a-z][\w-]*\b  # --option
    | && | &(?:[a-zA-Z]\w*|\#\d+|\#x[0-9a-fA-F]+);
    | \\(?:[abfnrtv0'"\\]|u[0-9a-fA-F]{{4}}|x[0-9a-fA-F]{{2}}) | \\+
    | \x1b\[[\d;]*[a-zA-Z] | [\a\b\f\v\x1b]""",
    re.VERBOSE | re.ASCII,  # other scripts may follow without a space
)
_MAY_HAVE_CODES = re.compile(r"[%{<$#\\&@+\n\a\b\f\v\x1b]|--|://|www\.|" + PRIVATE, re.IGNORECASE)
_LINE_BEFORE = re.compile(rf"[\w,)\"](?:</?\w[^<>]*>|{PRIVATE})*$")  # of a sentence that goes on
_BRACE, _LONGEST = re.compile("[{}]"), 5_000  # characters between two that belong together
_NEAR = 200  # characters before the end of a line that may be tags
_LINE_AFTER = re.compile(rf"(?:</?\w[^<>]*>|{PRIVATE})*(\w)")
_CLOSING = tuple(".,;:!?)]")
_IN_ORDER = re.compile(r"%(?!%|\d+\$|L?\d+$|[A-Z]{3}|[({<])")
"""Placeholders that are filled in their order, which must stay."""


class Code(NamedTuple):
    """An inline code and its place in a text."""

    start: int
    end: int
    kind: Kind
    name: str = ""  # of a tag


def placeholders(text: str) -> Counter[str]:
    """Count the placeholders and tags of a text.

    Names in braces are ignored, as {FILE} may be translated, and so are positions as in %2$s, formats as in {0:d}, and
    the attributes of tags.

    >>> dict(placeholders("{0} of %2$s, 100 % done, 50%s, <b>bold</b> if {a} < b > c"))
    {'{0}': 1, '%s': 1, '<b>': 1, '</b>': 1, '{}': 1}
    """
    return Counter(_VARIABLE.sub("", placeholder) for placeholder in PLACEHOLDER.findall(text))


def find_codes(text: str) -> list[Code]:
    """The inline codes of a text, in order. A tag such as `<file>` that nothing closes stands for a word.

    >>> [text[code.start : code.end] for text in ["Use <b>%s</b> at 50 % or {0}"] for code in find_codes(text)]
    ['<b>', '%s', '</b>', '{0}']
    """
    codes, position = list[Code](), 0
    if not _MAY_HAVE_CODES.search(text):
        return codes
    while match := _CODE.search(text, position):
        position = match.end()
        kind: Kind = "word"
        name = (match["name"] or match["escaped_name"] or match["phrase_name"] or match["phrase_end"] or "").lower()
        if match["break"]:
            kind = "point" if _is_soft(text, match) else "break"
        elif match["private"]:
            number, role = divmod(ord(match[0]) - _FIRST, len(_ROLES))
            kind, name = _ROLES[role], str(number)
        elif match["tag"]:
            kind = "close" if match["end"] else "point" if match["empty"] or name in _VOID else "open"
        elif match["escaped"]:
            kind = "close" if match["escaped_end"] else "open"
        elif match["phrase"]:
            kind = "open" if match["phrase_name"] else "close"
        elif match["icu"]:
            position = _closing_brace(text, match.start())
            if not position:
                position = match.start() + 1
                continue
        codes.append(Code(match.start(), position, kind, name))
    closed = {code.name for code in codes if code.kind == "close"}
    return [
        code._replace(kind="word")
        if code.kind == "open" and code.name not in closed and not _INLINE.fullmatch(code.name)
        else code
        for code in codes
    ]


def _is_soft(text: str, line_break: re.Match[str]) -> bool:
    """Whether a line break only wraps a sentence, which goes on in lower case."""
    before, after = (
        _LINE_BEFORE.search(text, max(0, line_break.start() - _NEAR), line_break.start()),
        _LINE_AFTER.match(text, line_break.end()),
    )
    return bool(line_break[0].count("\n") == 1 and before and after and after[1].islower())


def _closing_brace(text: str, start: int) -> int:
    """The end of what a brace opens; 0 if nothing closes it."""
    depth = 0
    for brace in _BRACE.finditer(text, start, start + _LONGEST):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.end()
    return 0


def pairs_of(codes: Sequence[Code]) -> dict[int, int]:
    """The indices of opening and closing tags that belong together, as far as they are nested."""
    pairs, opened = dict[int, int](), list[int]()
    for index, code in enumerate(codes):
        if code.kind == "open":
            opened.append(index)
        elif code.kind == "close" and opened and codes[opened[-1]].name == code.name:
            pairs[opened.pop()] = index
    return pairs


def is_nested(codes: Sequence[Code]) -> bool:
    """Whether all opening and closing tags belong together."""
    return 2 * len(pairs_of(codes)) == sum(code.kind in ("open", "close") for code in codes)


def separate_edges(text: str) -> tuple[str, str, str]:
    """Split a text into the tags at its start, what a model is to translate, and the tags at its end.

    >>> separate_edges("<p><b>Note:</b> one</p>"), separate_edges("<x/> %d: <y/>")
    (('<p>', '<b>Note:</b> one', '</p>'), ('<x/> %d: <y/>', '', ''))
    """
    tags = [code for code in find_codes(text) if code.kind != "word"]
    pairs, first, last = pairs_of(tags), 0, len(tags)
    closing = {second: opening for opening, second in pairs.items()}
    start, end = 0, len(text)
    while first < last:
        at_start, at_end = not text[start : tags[first].start].strip(), not text[tags[last - 1].end : end].strip()
        if at_start and at_end and pairs.get(first) == last - 1:
            start, end = tags[first].end, tags[last - 1].start
            first, last = first + 1, last - 1
        elif at_start and first not in pairs:
            start, first = tags[first].end, first + 1
        elif at_end and last - 1 not in closing:
            end, last = tags[last - 1].start, last - 1
        else:
            break
    return (text[:start], text[start:end], text[end:]) if has_words(text) else (text, "", "")


def has_words(text: str) -> bool:
    """Whether there are letters beside the codes of a text.

    >>> has_words("%d: %s"), has_words("%d km")
    (False, True)
    """
    inside = places_in_codes(text)
    return any(character.isalpha() and place not in inside for place, character in enumerate(text))


def places_in_codes(text: str) -> set[int]:
    """The places of a text that belong to its codes."""
    return {place for code in find_codes(text) for place in range(code.start, code.end)}


class Tag(NamedTuple):
    """A tag, or a pair of tags, at its place in the text without tags; a pair holds the tags within it."""

    start: int
    end: int  # -1: not a pair
    codes: tuple[str, str]
    spaces: tuple[bool, bool]  # whether white space is before and after it
    tags: "list[Tag]"


class CodedText:
    """A text with inline codes, none of which breaks a line."""

    def __init__(self, text: str, codes: Sequence[Code], is_known: Callable[[str], bool]) -> None:
        """`is_known` says whether a model can read a tag: if it can read all, they stay in the text."""
        self.text = text
        self.codes, self._order = _counted(text, codes), _in_order(text, codes)
        tags = [code for code in codes if code.kind != "word"]
        self.is_nested = is_nested(tags)
        known = all(is_known(text[code.start : code.end]) for code in tags)
        self._tags = tags if not known else []
        self.plain, self._offsets = _without(text, self._tags)

    @cached_property
    def tags(self) -> list[Tag]:
        """The tags that are taken out, those within others with these."""
        pairs = pairs_of(self._tags)
        stack: list[list[Tag]] = [[]]
        last = -1  # the end of the last tag, if it is not one of a pair
        for index, code in enumerate(self._tags):
            start, raw = self._offsets[index], self.text[code.start : code.end]
            if code.kind == "close":
                stack.pop()
            elif code.kind == "point" and code.start == last:  # one with the tag before it
                before = stack[-1].pop()
                stack[-1].append(Tag(start, -1, (before.codes[0] + raw, ""), self._spaces(before.spaces[0], code), []))
            else:
                closing = self._tags[pairs[index]] if index in pairs else None
                codes = raw, self.text[closing.start : closing.end] if closing else ""
                spaces = self._spaces(self.text[: code.start][-1:].isspace(), closing or code)
                stack[-1].append(Tag(start, self._offsets[pairs[index]] if closing else -1, codes, spaces, []))
                if closing:
                    stack.append(stack[-1][-1].tags)
            last = code.end if code.kind == "point" else -1
        return stack[0]

    def _spaces(self, before: bool, last: Code) -> tuple[bool, bool]:
        return before, self.text[last.end :][:1].isspace()

    def is_whole(self, parts: Sequence[str]) -> bool:
        """Whether parts of the text divide no code, and no pair of tags."""
        coded = [(part, find_codes(part)) for part in parts]
        counts = sum((_counted(part, codes) for part, codes in coded), Counter[str]())
        return counts == self.codes and all(is_nested(codes) for _, codes in coded)

    def has_all(self, translation: str) -> bool:
        """Whether a translation has the codes of the text, each exactly once, well nested, and others not."""
        codes = find_codes(translation)
        same = _counted(translation, codes) == self.codes and _in_order(translation, codes) == self._order
        return same and (not self.is_nested or is_nested(codes))


def _counted(text: str, codes: Sequence[Code]) -> Counter[str]:
    return Counter(text[code.start : code.end] for code in codes)


def _in_order(text: str, codes: Sequence[Code]) -> list[str]:
    """The placeholders that must stay in their order."""
    return [text[code.start : code.end] for code in codes if _IN_ORDER.match(text, code.start, code.end)]


def _without(text: str, tags: Sequence[Code]) -> tuple[str, list[int]]:
    """A text without tags, and the place of each; white space that was on both sides of one, or before a mark, goes."""
    plain, offsets, last = "", list[int](), 0
    for start, end, *_ in [*tags, Code(len(text), len(text), "point")]:
        following = text[last:start]
        if text[last - 1 : last].isspace() and last and not plain.endswith(" "):  # a line that was wrapped
            plain += " "
        if offsets and following[:1] in _CLOSING:
            plain = plain.rstrip()
            offsets = [min(offset, len(plain)) for offset in offsets]
        plain += following.lstrip() if not plain or plain[-1].isspace() else following
        offsets.append(len(plain))
        last = end
    return plain, offsets[:-1]
