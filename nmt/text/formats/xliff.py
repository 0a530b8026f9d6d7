"""Translation files: XLIFF 1.0 to 2.2, and its dialects of Trados, memoQ, Phrase, Xcode, Angular and others."""

from pathlib import Path

from nmt.errors import counted
from nmt.text.formats.markup import HINT, XML_LANG, Attributes, MarkupReader, is_break
from nmt.text.pair import Languages
from nmt.text.scripts import may_be_language

_OASIS = "urn:oasis:names:tc:xliff:document:"
_TRADOS = "http://sdl.com/FileTypes/SdlXliff/1.0 "

NAMESPACES = {f"{_OASIS}1.1", f"{_OASIS}1.2", f"{_OASIS}2.0", f"{_OASIS}2.1", f"{_OASIS}2.2"}
SEGMENTS = {"trans-unit", "segment"}  # whose own sides are a pair; other sources and targets are suggestions
SIDES = {"source": 0, "seg-source": 0, "target": 1}
SCOPES = {"xliff", "file", "group", "unit", "bin-unit"} | SEGMENTS  # of `translate`, which is inherited
UNTRANSLATED = {("state", state) for state in ("new", "needs-translation", "needs-l10n", "initial")}
UNTRANSLATED |= {("MQXliff status", "NotStarted")}  # attributes of a target or segment that is not translated yet
DEFINITIONS = {"data": ("dataRef", "dataRefStart"), f"{_TRADOS}tag": ("id",)}
"""Elements with the code of inline tags, and the attributes by which these refer to it."""


class Xliff(MarkupReader):
    """Read the translated segments of an XLIFF file, in the direction of the languages if they are given.

    Raises NmtError for broken XML, with the line, and where nothing is translated, or nothing between the languages.
    """

    root, namespaces = "xliff", NAMESPACES

    def __init__(self, path: Path, languages: Languages, *, keep_tags: bool) -> None:
        super().__init__(path, languages, keep_tags=keep_tags)
        self.translate = ["yes"]  # of the open scopes
        self.begin |= dict.fromkeys(SCOPES, self._begin_scope) | dict.fromkeys(SIDES, self._begin_side)
        self.begin |= dict.fromkeys(DEFINITIONS, self._begin_definition)
        self.begin[f"{_TRADOS}tag-defs"] = lambda *_: None
        self.end = dict.fromkeys(SCOPES, self.translate.pop) | dict.fromkeys(SEGMENTS, self._end_segment)
        self.end["xliff"] = self._finish
        self.file_codes: Languages = (None, None)
        self.root_codes: Languages = (None, None)  # that the root element gives to all files
        self.fits = False  # whether a file has the languages
        self.side = ""  # the current element of SIDES
        self.pending = False  # whether the state of the segment says that it is not translated
        self.references: set[tuple[str, str]] = set()  # attributes of tags that refer to the current definition

    def _begin_scope(self, name: str, attributes: Attributes) -> None:
        self.translate.append(attributes.get("translate", self.translate[-1]))
        if name in SEGMENTS:
            self.begin_unit()
            self.pending = not UNTRANSLATED.isdisjoint(attributes.items())
        elif name in ("xliff", "file"):
            source = attributes.get("source-language") or attributes.get("srcLang") or self.root_codes[0]
            target = attributes.get("target-language") or attributes.get("trgLang") or self.root_codes[1]
            self.file_codes = source, target
            if name == "xliff":
                self.root_codes = self.file_codes
            elif source:
                self.seen[f"{source} to {target or '?'}"] = None
                self.fits |= bool(self.choose_sides(self.file_codes, self.languages))

    def _begin_definition(self, name: str, attributes: Attributes) -> None:
        self.references = {(key, attributes.get("id", "")) for key in DEFINITIONS[name]}
        self.begin_text(self._define)

    def _define(self, code: str) -> None:
        (self.breaks.update if is_break(code) else self.breaks.difference_update)(self.references)

    def _begin_side(self, name: str, attributes: Attributes) -> None:
        if self.translate[-1] == "no" or not self.unit_line:  # as in <ignorable>
            self.skipped = 1
            return
        self.side, self.code = name, self.file_codes[SIDES[name]]
        if language := attributes.get(XML_LANG):
            self.code = (may_be_language(language, self.code) and self.code) or language
        if "state" in attributes:
            self.pending = not UNTRANSLATED.isdisjoint(attributes.items())
        self.begin_text(self._take_side)

    def _take_side(self, text: str) -> None:
        if self.side == "seg-source" and self.sides:
            self.sides[0][1].update(self.parts)
        elif self.side != "target" or (text.strip() and not self.pending):
            self.take_side(text)

    def _end_segment(self) -> None:
        self.translate.pop()
        self.end_unit()

    def _finish(self) -> None:
        source, target = self.languages
        languages = f" from {source or '?'} to {target or '?'}" if source or target else ""
        if self.fits or not self.seen:
            problem, hint = f"{counted(self.units, 'segment')}, none translated{languages}", "check targets and states"
        else:
            problem, hint = f"no translation{languages}, only {', '.join(self.seen)}", HINT
        self.report(f"segments have no translation{languages}", problem, hint)
