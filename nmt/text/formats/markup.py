"""Translation memories and translation files in XML: TMX 1.4, XLIFF 1.2 and XLIFF 2.0.

Files are parsed as a stream, in constant memory. Entities, with which a short file can expand without bounds, are
refused, and nothing outside the file is read. Inline tags are stripped, with the codes of a foreign format that some of
them hold. Where tags are kept, these codes become text, and tags without codes are written as tags.
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
from nmt.files.lines import read_blocks
from nmt.text.pair import Languages, SentencePair, one_line
from nmt.text.scripts import base_language, is_language

logger = logging.getLogger("nmt")

_CODES = {"bpt", "ept", "ph", "it", "ut"}  # inline elements whose text is code of a foreign format

_EMPTY = {"x", "bx", "ex", "sc", "ec", "sm", "em"}  # inline elements of XLIFF without content

_UNTRANSLATED = {"new", "needs-translation", "needs-l10n", "needs-adaptation", "initial"}
"""States of an XLIFF target that is not translated yet."""

_SUGGESTIONS = {"alt-trans", "matches"}  # scopes of XLIFF with translations that are only suggestions

_SCOPES = {"unit", "trans-unit", "group"} | _SUGGESTIONS

_HINT = "set --source-language CODE and --target-language CODE"


def read_tmx(path: Path, languages: Languages, *, keep_tags: bool) -> Iterator[SentencePair]:
    """Read the units of a translation memory that have both languages; `de` includes `de-DE` and the like.

    Languages that are not given are inferred from a memory of two languages; its header names the source. Raises
    NmtError for broken XML, with the line, and where the languages cannot be inferred or do not occur.
    """
    return _read(path, _Tmx(path, languages, keep_tags=keep_tags))


def read_xliff(path: Path, languages: Languages, *, keep_tags: bool) -> Iterator[SentencePair]:
    """Read the translated segments of an XLIFF file, in the direction of the languages if they are given."""
    return _read(path, _Xliff(path, languages, keep_tags=keep_tags))


def _read(path: Path, handler: "_Handler") -> Iterator[SentencePair]:
    parser: Any = make_parser()
    parser.forbid_external = False  # such as the DTD that TMX files name, which xml.sax.expatreader does not read
    parser.setContentHandler(handler)
    handler.setDocumentLocator(parser)
    try:
        parser.feed(b"")  # else an empty file is not an error
        for block in read_blocks(path):
            parser.feed(block)
            yield from handler.pairs
            handler.pairs.clear()
        parser.close()
    except SAXParseException as error:
        where, problem = f"{path}, line {error.getLineNumber()}", error.getMessage()
        raise NmtError(f"{where}: broken XML: {problem}", "check that the file is complete, and XML") from None
    except DefusedXmlException as error:
        raise NmtError(f"{path}: declares entities ({type(error).__name__})", "remove them") from None
    except (SAXException, ValueError, LookupError) as error:  # such as an unknown encoding
        raise NmtError(f"{path}: not readable as XML: {error}", "check that it is XML") from None
    yield from handler.pairs
    handler.finish()


class _Handler(ContentHandler):
    """Collect the text of segments, and pairs."""

    root_name: str

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        super().__init__()
        self.path, self.languages, self.keep_tags = path, languages, keep_tags
        self.pairs: list[SentencePair] = []  # not taken yet
        self.count = 0  # of all pairs
        self.unit_line = 0  # where the current unit begins
        self.root = ""
        self.seen: dict[str, None] = {}  # languages of the file
        self.empty = set[str]()  # inline elements without content
        self.text: list[str] | None = None  # of the current segment
        self.codes = 0  # enclosing elements that hold codes

    def finish(self) -> None:
        """Check the file as a whole."""
        if self.root != self.root_name:
            problem = f"{self.path}: the root element is <{self.root}>, not <{self.root_name}>"
            raise NmtError(problem, "check that it is the right file")

    def begin_unit(self) -> None:
        """Note where a unit begins."""
        self.unit_line = int(self._locator.getLineNumber() or 0)  # type: ignore[attr-defined]

    def add_pair(self, source: str, target: str) -> None:
        """Complete a pair of the current unit."""
        self.pairs.append(SentencePair(source, target, self.unit_line))
        self.count += 1

    def characters(self, content: str) -> None:
        if self.text is not None and (self.keep_tags or not self.codes):
            self.text.append(content)

    def holds_code(self, name: str) -> bool:
        """Whether an inline element holds code of a foreign format."""
        return name in _CODES and name not in self.empty

    def open_inline(self, name: str, attributes: Any) -> None:
        """Begin an inline element."""
        assert self.text is not None
        if self.holds_code(name):
            self.codes += 1
        elif self.keep_tags:
            known = attributes.get("id")
            self.text.append(f'<{name} id="{known}"' if known else f"<{name}")
            self.text.append("/>" if name in self.empty else ">")

    def close_inline(self, name: str) -> None:
        """End an inline element."""
        assert self.text is not None
        if self.holds_code(name):
            self.codes -= 1
        elif self.keep_tags and name not in self.empty:
            self.text.append(f"</{name}>")

    def take_text(self) -> str:
        """End the current segment and return its text."""
        text, self.text, self.codes = "".join(self.text or ()), None, 0
        return one_line(text)


class _Tmx(_Handler):
    root_name = "tmx"

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        super().__init__(path, languages, keep_tags=keep_tags)
        self.header_source: str | None = None  # the source language of the header
        self.unit: dict[str, str] | None = None  # text by language
        self.units, self.language = 0, ""

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        self.root = self.root or name
        if self.text is not None:
            self.open_inline(name, attrs)
        elif name == "header":
            declared = attrs.get("srclang", "*all*")
            self.header_source = None if declared == "*all*" else base_language(declared)
        elif name == "tu":
            self.begin_unit()
            self.unit = {}
        elif name == "tuv":
            self.language = attrs.get("xml:lang") or attrs.get("lang") or ""
        elif name == "seg":
            self.text = []

    def endElement(self, name: str) -> None:  # noqa: N802
        if name == "seg" and self.text is not None:
            text = self.take_text()
            if self.unit is not None:
                self.unit.setdefault(self.language, text)
        elif self.text is not None:
            self.close_inline(name)
        elif name == "tu" and self.unit is not None:
            self._end_unit(self.unit)
            self.unit = None

    def _end_unit(self, unit: dict[str, str]) -> None:
        self.units += 1
        self.seen |= dict.fromkeys(unit)
        source, target = (
            next((unit[code] for code in unit if is_language(code, language)), None)
            for language in self._infer_languages(unit)
        )
        if source is not None and target is not None:
            self.add_pair(source, target)

    def _infer_languages(self, unit: dict[str, str]) -> tuple[str, str]:
        """The languages of source and target; a unit of two languages settles those that are not given."""
        source, target = self.languages
        if source and target:
            return source, target
        if len(unit) > 2:
            names = ", ".join(unit)
            raise NmtError(f"{self.path}, line {self.unit_line}: no source and target among {names}", _HINT)
        first, second = [*unit, "", ""][:2]
        given = source or target or self.header_source or first
        known, other = (second, first) if is_language(second, given) else (first, second)
        languages = (known, other) if source or not target else (other, known)
        if len(unit) == 2:
            self.languages = languages
        return languages

    def finish(self) -> None:
        super().finish()
        if self.count == self.units:
            return
        languages, missing = " and ".join(map(str, self.languages)), self.units - self.count
        logger.warning("%s: %d of %d units do not have both %s", self.path, missing, self.units, languages)
        if not self.count:
            problem = f"{self.path}: no unit has both {languages}; its languages are {', '.join(self.seen)}"
            raise NmtError(problem, _HINT)


class _Xliff(_Handler):
    root_name = "xliff"

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        super().__init__(path, languages, keep_tags=keep_tags)
        self.empty = set(_EMPTY)
        self.swap = False  # whether the file translates from the target to the source language
        self.foreign = False  # whether the file has other languages
        self.ignored: list[bool] = []  # whether enclosing scopes have no translations
        self.side = self.state = ""  # the current element; the state of the target
        self.sides: dict[str, str] = {}  # text by element
        self.marks: list[tuple[str, int]] = []  # enclosing marks: segment number, start in the text
        self.parts: dict[str, dict[str, str]] = {}  # text by element and segment number

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        self.root = self.root or name
        if name in _SCOPES:
            self.ignored.append(name in _SUGGESTIONS or attrs.get("translate") == "no")
        if self.text is not None:
            self._open_inside(name, attrs)
        elif name in ("xliff", "file"):
            self._open_file(attrs)
        elif name in ("source", "target", "seg-source") and not any(self.ignored):
            self.text, self.marks, self.side = [], [], name
            if name == "target":
                self.state = attrs.get("state", self.state)
        if name in ("trans-unit", "segment"):
            self.begin_unit()
            self.sides, self.parts, self.state = {}, {}, attrs.get("state", "")

    def _open_inside(self, name: str, attrs: Any) -> None:
        assert self.text is not None
        if name == "mrk":
            self.marks.append((attrs.get("mid", "") if attrs.get("mtype") == "seg" else "", len(self.text)))
        elif name == "cp":  # a character that XML cannot hold
            self.text.append(" ")
        else:
            self.open_inline(name, attrs)

    def _open_file(self, attrs: Any) -> None:
        if attrs.get("version", "").startswith("2"):
            self.empty.add("ph")  # in XLIFF 1.2 it holds code
        source = attrs.get("source-language") or attrs.get("srcLang")
        target = attrs.get("target-language") or attrs.get("trgLang")
        if not source:
            return
        self.languages = (self.languages[0] or source, self.languages[1] or target)  # those of the first file
        self.swap = _fits(source, self.languages[1]) and not _fits(source, self.languages[0])
        codes = (target, source) if self.swap else (source, target)
        self.foreign = not all(map(_fits, codes, self.languages))
        self.seen[f"{source} to {target or '?'}"] = None

    def endElement(self, name: str) -> None:  # noqa: N802
        if name in _SCOPES:
            self.ignored.pop()
        if self.text is not None:
            self._close_inside(name, self.text)
        elif name in ("trans-unit", "segment"):
            self._end_segment()

    def _close_inside(self, name: str, text: list[str]) -> None:
        if name == self.side:
            self.sides[name] = self.take_text()
        elif name == "mrk":
            number, start = self.marks.pop()
            if number:
                self.parts.setdefault(self.side, {})[number] = one_line("".join(text[start:]))
        elif name != "cp":
            self.close_inline(name)

    def _end_segment(self) -> None:
        if self.foreign or not self.sides.get("target", "").strip() or self.state in _UNTRANSLATED:
            return
        sources, targets = self.parts.get("seg-source", {}), self.parts.get("target", {})
        pairs = [(self.sides.get("source", ""), self.sides["target"])]
        if sources and sources.keys() == targets.keys():
            pairs = [(sources[number], targets[number]) for number in sources]
        for source, target in pairs:
            self.add_pair(*((target, source) if self.swap else (source, target)))

    def finish(self) -> None:
        super().finish()
        if self.seen and not self.count and self.foreign:
            languages = " to ".join(map(str, self.languages))
            raise NmtError(f"{self.path}: no translation from {languages}, only {', '.join(self.seen)}", _HINT)


def _fits(code: str | None, language: str | None) -> bool:
    return code is None or language is None or is_language(code, language)
