"""Translation memories and translation files in XML: TMX 1.4, XLIFF 1.2 and XLIFF 2.0.

They are read as a stream of events, so that memory does not grow with the file. Entities of one's own, with which a
short file grows beyond all bounds, are refused; nothing outside the file is ever read.

Tags inside a sentence are left out, and with them the codes of a foreign format that some of them hold; where they are
kept, codes become text as they stand, and a tag without any is written as a tag.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler

from defusedxml.common import DefusedXmlException
from defusedxml.sax import make_parser

from nmt.errors import NmtError
from nmt.files import read_blocks
from nmt.text.formats.tables import Languages
from nmt.text.pair import SentencePair, one_line
from nmt.text.scripts import base_language

logger = logging.getLogger("nmt")

_CODES = {"bpt", "ept", "ph", "it", "ut"}
"""Elements whose text belongs to a foreign format."""

_UNTRANSLATED = {"new", "needs-translation", "needs-l10n", "needs-adaptation", "initial"}
"""States of an XLIFF target that holds no translation yet."""


def read_tmx(path: Path, languages: Languages, *, keep_tags: bool) -> Iterator[SentencePair]:
    """The units of a translation memory that have both languages, `de` standing for `de-DE` and the like, too.

    A language that is not given is the other one of a memory of two; the source is that of its header. Raises NmtError
    where the XML is broken, naming the line, and where the languages cannot be told or are not there.
    """
    yield from _read(path, _Tmx(path, languages, keep_tags=keep_tags))


def read_xliff(path: Path, languages: Languages, *, keep_tags: bool) -> Iterator[SentencePair]:
    """The translated segments of an XLIFF file, in the direction of the languages if they are given."""
    yield from _read(path, _Xliff(path, languages, keep_tags=keep_tags))


def _read(path: Path, handler: "_Handler") -> Iterator[SentencePair]:
    parser: Any = make_parser()
    parser.forbid_external = False  # such as the DTD that TMX files name: it is not read, see xml.sax.expatreader
    parser.setContentHandler(handler)
    handler.setDocumentLocator(parser)
    try:
        parser.feed(b"")  # so that a file without any bytes is not taken for one without any units
        for block in read_blocks(path):
            parser.feed(block)
            yield from handler.take()
        parser.close()
    except SAXParseException as error:
        where, problem = f"{path}, line {error.getLineNumber()}", error.getMessage()
        raise NmtError(f"{where}: broken XML: {problem}", "is the file complete, and XML?") from None
    except DefusedXmlException as error:
        raise NmtError(f"{path}: declares entities of its own ({type(error).__name__})", "they are not read") from None
    except (SAXException, ValueError, LookupError) as error:  # an encoding that is not known, for one
        raise NmtError(f"{path}: cannot be read: {error}", "is it XML?") from None
    yield from handler.take()
    handler.end()


class _Handler(ContentHandler):
    """Collects the text of a sentence, and pairs."""

    format: str
    """The name of the first element of a file."""

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        super().__init__()
        self.path, self.languages, self.keep_tags = path, languages, keep_tags
        self.pairs: list[SentencePair] = []
        self.root = ""
        self.text: list[str] | None = None  # of the sentence that is being read
        self.codes = 0  # elements around the present place that hold codes

    def take(self) -> list[SentencePair]:
        """The pairs that have been completed since the last time."""
        taken, self.pairs = self.pairs, []
        return taken

    def end(self) -> None:
        """Look back at a whole file."""
        if self.root != self.format:
            raise NmtError(
                f"{self.path}: its first element is <{self.root}>, not <{self.format}>", "is it the right file?"
            )

    @property
    def line(self) -> int:
        """Where reading is."""
        return int(self._locator.getLineNumber() or 0)  # type: ignore[attr-defined]

    def characters(self, content: str) -> None:
        if self.text is not None and (self.keep_tags or not self.codes):
            self.text.append(content)

    def open_inline(self, name: str, attributes: Any, empty: set[str]) -> None:
        """An element inside a sentence begins; those that hold nothing are `empty`."""
        assert self.text is not None
        self.codes += name in _CODES and name not in empty
        if self.keep_tags and (name in empty or name not in _CODES):
            known = attributes.get("id")
            self.text.append(f'<{name} id="{known}"' if known else f"<{name}")
            self.text.append("/>" if name in empty else ">")

    def close_inline(self, name: str, empty: set[str]) -> None:
        """An element inside a sentence ends."""
        assert self.text is not None
        if name in _CODES and name not in empty:
            self.codes -= 1
        elif self.keep_tags and name not in empty:
            self.text.append(f"</{name}>")

    def finished(self) -> str:
        """The text of the sentence, which ends here."""
        text, self.text, self.codes = "".join(self.text or ()), None, 0
        return one_line(text)


# ----------------------------------------------------------------------------------------------------------------- TMX


class _Tmx(_Handler):
    format = "tmx"

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        super().__init__(path, languages, keep_tags=keep_tags)
        self.declared: str | None = None  # the source language of the header
        self.unit: dict[str, str] | None = None  # sentences by language
        self.began = self.units = self.found = 0
        self.language = ""
        self.seen: dict[str, None] = {}

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        self.root = self.root or name
        if self.text is not None:
            self.open_inline(name, attrs, set())
        elif name == "header":
            declared = attrs.get("srclang", "*all*")
            self.declared = None if declared == "*all*" else base_language(declared)
        elif name == "tu":
            self.unit, self.began = {}, self.line
        elif name == "tuv":
            self.language = attrs.get("xml:lang") or attrs.get("lang") or ""
        elif name == "seg":
            self.text = []

    def endElement(self, name: str) -> None:  # noqa: N802
        if name == "seg" and self.text is not None:
            text = self.finished()
            if self.unit is not None:
                self.unit.setdefault(self.language, text)
        elif self.text is not None:
            self.close_inline(name, set())
        elif name == "tu" and self.unit is not None:
            self._end_unit(self.unit)
            self.unit = None

    def _end_unit(self, unit: dict[str, str]) -> None:
        self.units += 1
        self.seen |= dict.fromkeys(unit)
        source, target = self._wanted(unit)
        sides = [next((unit[one] for one in unit if is_language(one, wanted)), None) for wanted in (source, target)]
        if sides[0] is not None and sides[1] is not None:
            self.pairs.append(SentencePair(sides[0], sides[1], self.began))
            self.found += 1

    def _wanted(self, unit: dict[str, str]) -> tuple[str, str]:
        """The languages of a pair, with what is not given told from the first unit of two languages."""
        source, target = self.languages
        if source and target:
            return source, target
        if len(unit) > 2:
            names = ", ".join(unit)
            raise NmtError(
                f"{self.path}, line {self.began}: which of the languages {names} are source and target?",
                "name them: --source-language CODE --target-language CODE",
            )
        first, second = [*unit, "", ""][:2]
        given = source or target or self.declared or first
        one, other = (second, first) if is_language(second, given) else (first, second)
        both = (one, other) if source or not target else (other, one)
        if len(unit) == 2:
            self.languages = both
        return both

    def end(self) -> None:
        super().end()
        if self.found < self.units:
            wanted = " and ".join(map(str, self.languages))
            logger.warning(
                "%s: %d of %d units do not have both %s", self.path, self.units - self.found, self.units, wanted
            )
        if self.units and not self.found:
            wanted = " and ".join(map(str, self.languages))
            raise NmtError(
                f"{self.path}: no unit has both {wanted}; the languages there are {', '.join(self.seen)}",
                "name them: --source-language CODE --target-language CODE",
            )


def is_language(code: str, wanted: str) -> bool:
    """Whether a code is of a language that is wanted: a code without a region stands for all its regions.

    >>> is_language("de-DE", "de"), is_language("DE_at", "de"), is_language("pt-BR", "pt-PT"), is_language("den", "de")
    (True, True, False, False)
    """
    code, wanted = (one.lower().replace("_", "-") for one in (code, wanted))
    return code == wanted or code.startswith(f"{wanted}-")


# --------------------------------------------------------------------------------------------------------------- XLIFF

_EMPTY = {"x", "bx", "ex", "sc", "ec", "sm", "em"}
"""Inline elements of XLIFF that hold nothing."""


class _Xliff(_Handler):
    format = "xliff"

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        super().__init__(path, languages, keep_tags=keep_tags)
        self.empty = set(_EMPTY)
        self.swap = False  # whether the file's source is what shall be the target
        self.foreign = False  # whether it is of other languages
        self.seen: dict[str, None] = {}
        self.found = 0
        self.suggestions = 0  # elements around the present place whose translations are none
        self.kept_as_is: list[bool] = []  # whether each of the units around it is not to be translated
        self.began, self.state = 0, ""
        self.side = ""  # source, seg-source or target, while one of them is read
        self.sides: dict[str, str] = {}
        self.marks: list[tuple[str, int]] = []  # of each mark around the present place its number and where it began
        self.parts: dict[str, dict[str, str]] = {}  # marked segments of each side, by their numbers

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        self.root = self.root or name
        if self.text is not None:
            self._open_inside(name, attrs)
        elif name in ("xliff", "file"):
            self._open_file(attrs)
        elif name in ("alt-trans", "matches"):
            self.suggestions += 1
        elif name in ("source", "target", "seg-source") and not self.suggestions:
            self.text, self.marks, self.side = [], [], name
            if name == "target":
                self.state = attrs.get("state", self.state)
        if name in ("unit", "trans-unit", "group"):
            self.kept_as_is.append(attrs.get("translate") == "no")
        if name in ("trans-unit", "segment"):
            self.sides, self.parts, self.began, self.state = {}, {}, self.line, attrs.get("state", "")

    def _open_inside(self, name: str, attrs: Any) -> None:
        assert self.text is not None
        if name == "mrk":
            self.marks.append((attrs.get("mid", "") if attrs.get("mtype") == "seg" else "", len(self.text)))
        elif name == "cp":  # a character that XML cannot hold
            self.text.append(" ")
        else:
            self.open_inline(name, attrs, self.empty)

    def _open_file(self, attrs: Any) -> None:
        if attrs.get("version", "").startswith("2"):
            self.empty.add("ph")  # which holds its code in XLIFF 1.2
        source = attrs.get("source-language") or attrs.get("srcLang")
        target = attrs.get("target-language") or attrs.get("trgLang")
        if not source:
            return
        self.languages = (self.languages[0] or source, self.languages[1] or target)  # those of the first file
        self.swap = _fits(source, self.languages[1]) and not _fits(source, self.languages[0])
        sides = (target, source) if self.swap else (source, target)
        self.foreign = not all(_fits(one, wanted) for one, wanted in zip(sides, self.languages, strict=True))
        self.seen[f"{source} to {target or '?'}"] = None

    def endElement(self, name: str) -> None:  # noqa: N802
        if self.text is not None:
            if name == self.side:
                self.sides[name] = self.finished()
            elif name == "mrk":
                number, start = self.marks.pop()
                if number:
                    self.parts.setdefault(self.side, {})[number] = one_line("".join(self.text[start:]))
            elif name != "cp":
                self.close_inline(name, self.empty)
            return
        if name in ("trans-unit", "segment") and not any(self.kept_as_is):
            self._end_segment()
        if name in ("alt-trans", "matches"):
            self.suggestions -= 1
        elif name in ("unit", "trans-unit", "group"):
            self.kept_as_is.pop()

    def _end_segment(self) -> None:
        if self.foreign or not self.sides.get("target", "").strip() or self.state in _UNTRANSLATED:
            return
        sources, targets = self.parts.get("seg-source", {}), self.parts.get("target", {})
        found = [(self.sides.get("source", ""), self.sides["target"])]
        if sources and sources.keys() == targets.keys():
            found = [(sources[number], targets[number]) for number in sources]
        for source, target in found:
            both = (target, source) if self.swap else (source, target)
            self.pairs.append(SentencePair(*both, self.began))
            self.found += 1

    def end(self) -> None:
        super().end()
        if self.seen and not self.found and self.foreign:
            wanted = " to ".join(map(str, self.languages))
            raise NmtError(
                f"{self.path}: nothing is translated from {wanted}; it is from {', '.join(self.seen)}",
                "name the languages: --source-language CODE --target-language CODE",
            )


def _fits(code: str | None, wanted: str | None) -> bool:
    return code is None or wanted is None or is_language(code, wanted)
