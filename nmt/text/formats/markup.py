"""Translation files in XML, parsed by namespace as a stream, in constant memory; translation memories in TMX 1.4.

Entities, with which a short file can expand without bounds, are refused, and nothing outside the file is read. Inline
tags are stripped, with the codes of a foreign format that some of them hold; those that break a line become a space.
Where tags are kept, codes become text, and tags without codes are written as tags.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from html.entities import html5
from itertools import chain
from pathlib import Path
from xml.parsers import expat

from nmt.errors import NmtError
from nmt.files.lines import read_blocks, read_start
from nmt.text.pair import Languages, SentencePair, one_line
from nmt.text.scripts import base_language, is_language, may_be_language

logger = logging.getLogger("nmt")

XML_LANG = "http://www.w3.org/XML/1998/namespace lang"
Attributes = Mapping[str, str]
HINT = "set --source-language CODE and --target-language CODE"

CODES = {"bpt", "ept", "ph", "it", "ut"}  # inline elements whose text is code of a foreign format
_MARKS = {"mrk", "sm", "em", "cp"}  # inline elements that are never tags: annotations and control characters
_KEYS = ("id", "i", "x", "startRef")  # attributes that name an inline element
_DELETED = {"x-sdl-deleted", "x-sdl-feedback-deleted"}  # types of marks around tracked deletions

_SPACES = "lb|pb|cr|lf|tab|line[-_]?break|br|p|div|li|[uod]l|d[td]|t[dhr]|table|hr|h[1-6]|pre|blockquote|option"
_BREAK = re.compile(
    rf"^(?:\S*[:/]\S* )?(?:[a-z]+[-:])*(?:{_SPACES})(?:_\d+)?$"  # the name, type or id of a tag
    rf"|(?:<|&lt;)/?(?:\w+:)?(?:{_SPACES})(?![\w.:-])"  # a tag as code
    r'|(?:^|=")(?:\s|\\[nrt]|&#(?:9|1[03]|x0?[9ad]);)+(?:$|")',  # a code for white space, plain or in memoQ's words
    re.IGNORECASE,
)


def xml_encoding(start: bytes) -> str | None:
    """The encoding that the first bytes of a file show, whatever its XML declaration says; None: it decides."""
    unmarked = {b"\xff\xfe": "utf-16le", b"<\0": "utf-16le", b"\xfe\xff": "utf-16be", b"\0<": "utf-16be"}.get(start[:2])
    is_utf8 = re.match(rb"\xef\xbb\xbf|<\?xml[^>]*encoding\s*=\s*.utf-16", start, re.IGNORECASE)
    return unmarked or ("utf-8" if is_utf8 else None)


@lru_cache(256)
def choose_sides(codes: Sequence[str | None], languages: Languages) -> tuple[int, int] | None:
    """The places of source and target in a unit; None fits any language, a code without a region any region.

    >>> choose_sides(("en-GB", "de", "en-US"), ("de", "en")), choose_sides(("en-GB", "en-US"), ("en-US", "en"))
    ((1, 0), (1, 0))
    """
    sources, targets = (
        [i for fits in (is_language, may_be_language) for i, code in enumerate(codes) if fits(code, language)]
        for language in languages
    )
    return next(((source, target) for source in sources for target in targets if source != target), None)


@lru_cache(256)
def is_break(*values: str) -> bool:
    """Whether the name and attributes of a tag, or its code, stand for the end of a line or other white space."""
    return any(map(_BREAK.search, values))


def _character(code_point: str) -> str:
    """The character of a hexadecimal code point; a line break for one that text cannot hold."""
    with suppress(ValueError, OverflowError):
        if (character := chr(int(code_point, 16))).isprintable():
            return character
    return "\n"


class MarkupReader:
    """Collect the sides of units, and pair them; a subclass says what begins and ends with which element.

    Other elements are skipped, with all that they hold, inside units and where their namespace is foreign. Elements
    without a namespace are the format's own.
    """

    root = ""
    namespaces: Collection[str] = ()

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        self.path, self.languages, self.keep_tags = path, languages, keep_tags
        self.encoding: str | None = None  # whatever the file says
        self.begin: dict[str, Callable[[str, Attributes], object]] = {}  # by name; foreign names with their namespace
        self.end: dict[str, Callable[[], object]] = {}
        self.names: dict[str, str] = {}  # of the elements of the file, by name with namespace
        self.pairs: list[SentencePair] = []  # not taken yet
        self.units = self.count = 0  # of all units or their parts, and of those with a translation
        self.unit_line = 0  # where the current unit begins; 0 outside units
        self.sides: list[tuple[str, dict[str, str]]] = []  # texts of the unit, and the marked parts of each by id
        self.codes: list[str | None] = []  # languages of the texts
        self.code: str | None = None  # language of the current text
        self.seen: dict[str, None] = {}  # languages of the file
        self.skipped = 0  # open elements of which nothing is read
        self.text: list[str] | None = None  # the current text
        self.parts: dict[str, str] = {}
        self.inline: list[tuple[str, Attributes, int]] = []  # open inline elements, and where they begin in the text
        self.breaks: set[tuple[str, str]] = set()  # attributes that refer to the code of a line break

    def declared(self) -> Languages:
        """The languages, those that are not given as the start of the file declares them; None: unknown."""
        del self.end[self.root]  # which reports on the whole file
        with suppress(NmtError):  # which reading the pairs raises again
            list(self.read([read_start(self.path)]))
        return self.languages

    def read(self, blocks: Iterable[bytes] = ()) -> Iterator[SentencePair]:
        """Yield the pairs of the file, or of these blocks of it."""
        blocks = iter(blocks or read_blocks(self.path))
        start = next(blocks, b"")
        self.parser = parser = expat.ParserCreate(self.encoding or xml_encoding(start), " ")
        parser.StartElementHandler, parser.EndElementHandler = self._start_element, self._end_element
        parser.EntityDeclHandler, parser.SkippedEntityHandler = self._refuse_entity, self._read_entity
        try:
            for block in chain([start], blocks):
                parser.Parse(block, False)
                yield from self.pairs
                self.pairs.clear()
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            where, problem = f"{self.path}, line {error.lineno}", expat.ErrorString(error.code)
            raise NmtError(f"{where}: broken XML: {problem}", "check that the file is complete, and XML") from None
        except (ValueError, LookupError) as error:  # such as an unknown encoding
            raise NmtError(f"{self.path}: not readable as XML: {error}", "check that it is XML") from None
        yield from self.pairs

    def begin_text(self, take: Callable[[str], None]) -> None:
        """Begin a text that is to be taken at its end."""
        self.text, self.parts, self.take_text = [], {}, take
        self.parser.CharacterDataHandler = self.text.append

    def take_side(self, text: str) -> None:
        """Add a text in the current language to the unit."""
        self.sides.append((one_line(text), self.parts))
        self.codes.append(self.code)

    def choose_sides(self, codes: tuple[str | None, ...], languages: Languages) -> tuple[int, int] | None:
        """The places of source and target, which settle the languages that are not given."""
        sides = choose_sides(codes, languages)
        if sides and None in self.languages:
            source, target = languages
            self.languages = source or codes[sides[0]], target or codes[sides[1]]
        return sides

    def begin_unit(self) -> None:
        """Begin a unit without sides."""
        self.unit_line, self.sides, self.codes = self.parser.CurrentLineNumber, [], []

    def end_unit(self) -> None:
        """Pair the parts that both sides have, or the sides as a whole where one has no parts."""
        units = len(self.sides[0][1]) or 1 if self.sides else 0
        if sides := self.choose_sides(tuple(self.codes), self.languages):
            (source, sources), (target, targets) = self.sides[sides[0]], self.sides[sides[1]]
            if sources and targets:
                for part in [part for part in self.sides[0][1] if part in sources and part in targets]:
                    self._add_pair(sources[part], targets[part])
            else:
                self._add_pair(source, target)
                units = 1
        self.units += units
        self.unit_line = 0

    def _add_pair(self, source: str, target: str) -> None:
        self.pairs.append(SentencePair(source, target, self.unit_line))
        self.count += 1

    def report(self, lack: str, problem: str, hint: str = HINT) -> None:
        """Warn of units without a pair; raise NmtError with the problem where no unit has one."""
        if self.units and not self.count:
            raise NmtError(f"{self.path}: {problem}", hint)
        if self.units > self.count:
            logger.warning("%s: %d of %d %s", self.path, self.units - self.count, self.units, lack)

    def _start_element(self, name: str, attributes: Attributes) -> None:
        own = self.names.get(name) or self._own_name(name)
        if self.text is not None:
            self._open_inline(self.text, own, attributes)
        elif self.skipped:
            self.skipped += 1
        elif own in self.begin:
            self.begin[own](own, attributes)
        elif self.unit_line or " " in own:
            self.skipped = 1

    def _end_element(self, name: str) -> None:
        if self.text is not None:
            if self.inline:
                self._close_inline(self.text)
            else:
                text, self.text, self.parser.CharacterDataHandler = "".join(self.text), None, None
                self.take_text(text)
        elif self.skipped:
            self.skipped -= 1
        elif (own := self.names[name]) in self.end:
            self.end[own]()

    def _own_name(self, name: str) -> str:
        namespace, _, local = name.rpartition(" ")
        if not self.names:
            self.namespaces = {*self.namespaces, namespace, ""}
            if local != self.root:
                problem = f"{self.path}: the root element is <{local}>, not <{self.root}>"
                raise NmtError(problem, "check that it is the right file")
        self.names[name] = local if namespace in self.namespaces else name
        return self.names[name]

    def _open_inline(self, text: list[str], name: str, attributes: Attributes) -> None:
        self.inline.append((name, attributes, len(text)))
        if self.keep_tags and name not in _MARKS:
            local, key = name.rpartition(" ")[2], next((key for key in _KEYS if key in attributes), None)
            text.append(f'<{local} {key}="{attributes[key]}">' if key else f"<{local}>")
        elif name == "cp":
            text.append(_character(attributes.get("hex", "")))
        else:
            breaks = is_break(name, *attributes.values()) or not self.breaks.isdisjoint(attributes.items())
            text.append("\n" if breaks else "")

    def _close_inline(self, text: list[str]) -> None:
        name, attributes, start = self.inline.pop()
        if name in _MARKS:
            part = one_line("".join(text[start:])) if attributes.get("mtype") == "seg" else ""
            if part.strip() and "mid" in attributes:
                self.parts[attributes["mid"]] = part
            if attributes.get("mtype") in _DELETED:
                del text[start:]
        elif self.keep_tags:
            if len(text) == start + 1:
                text[start] = f"{text[start][:-1]}/>"
            elif name in CODES:
                text[start] = ""
            else:
                text.append(f"</{name.rpartition(' ')[2]}>")
        elif name in CODES:
            text[start:] = "\n" if text[start] or _BREAK.search("".join(text[start + 1 :])) else ""
        elif text[start]:
            text.append("\n")

    def _read_entity(self, name: str, *_: object) -> None:
        """Read an entity that only a DTD elsewhere declares, if it is one of HTML."""
        if f"{name};" not in html5:
            raise NmtError(f"{self.path}, line {self.parser.CurrentLineNumber}: unknown entity {name}", "replace it")
        if self.text is not None:
            self.text.append(html5[f"{name};"])

    def _refuse_entity(self, name: str, *_: object) -> None:
        raise NmtError(f"{self.path}: declares entities, such as {name}", "remove them")


class Tmx(MarkupReader):
    """Read the units of a translation memory that have both languages; `de` includes `de-DE` and the like.

    Languages that are not given are inferred from a memory of two languages; its header names the source. Raises
    NmtError for broken XML, with the line, and where the languages cannot be inferred or do not occur.
    """

    root = "tmx"

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        super().__init__(path, languages, keep_tags=keep_tags)
        self.header: dict[str, str] = {}
        self.begin = {"tu": lambda *_: self.begin_unit(), "seg": lambda *_: self.begin_text(self.take_side)}
        self.begin |= {"tuv": self._begin_side, "header": lambda _, attributes: self.header.update(attributes)}
        self.end = {"tu": self.end_unit, "tmx": self._finish}

    def _begin_side(self, _: str, attributes: Attributes) -> None:
        self.code = attributes.get(XML_LANG) or attributes.get("lang") or ""

    def choose_sides(self, codes: tuple[str | None, ...], languages: Languages) -> tuple[int, int] | None:
        """The places of source and target; a unit of two languages settles those that are not given."""
        if not self.count:
            self.seen |= dict.fromkeys(filter(None, codes))
        source, target = languages
        if source and target:
            return choose_sides(codes, languages)
        declared = self.header.get("srclang")
        sources = [source] if source else [declared, base_language(declared) or None, None]
        if len(set(codes)) > 2 and target:
            sources = [*filter(None, sources)]
        elif len(set(codes)) > 2:
            where, listed = f"{self.path}, line {self.unit_line}", ", ".join(filter(None, dict.fromkeys(codes)))
            raise NmtError(f"{where}: no source and target among {listed}", HINT)
        return next(filter(None, (super(Tmx, self).choose_sides(codes, (code, target)) for code in sources)), None)

    def _finish(self) -> None:
        given = [*filter(None, self.languages), "another language"][:2]
        languages = f"both {' and '.join(given)}" if any(self.languages) else "two languages"
        problem = f"no unit has {languages}; its languages are {', '.join(self.seen) or 'not declared'}"
        self.report(f"units do not have {languages}", problem)
