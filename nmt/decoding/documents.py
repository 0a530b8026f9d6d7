"""Documents translated in place: PO and XLIFF files, of which only what is untranslated is filled."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nmt.decoding.translation import Line, Translation
from nmt.files.lines import STDIN, name_of, read_blocks
from nmt.text.corpus import format_of
from nmt.text.formats.filling import Edit, Slot, apply
from nmt.text.formats.po_filling import PoFilling
from nmt.text.formats.xliff_filling import XliffFilling
from nmt.text.inline_codes import CodedText, find_codes

logger = logging.getLogger("nmt")

FORMATS = ("po", "xliff")
_SIGNS = "%<>{}\\"  # of inline codes

Translate = Callable[[Iterable[Line]], Iterator[Translation]]


def document_format(file: Path | None, format: str) -> str:
    """The format in which a document is filled in place; plain for lines, as standard input is unless it is said."""
    name = format if format != "auto" or file in (None, STDIN) else format_of(file)
    return name if name in FORMATS else "plain"


class Document:
    """A PO or XLIFF file, its slots and the edits that fill them."""

    def __init__(self, file: Path | None, format: str, *, retranslate: bool = False, fuzzy: bool = True) -> None:
        """Raises NmtError for a file that cannot be read in its format."""
        self.path, self.data = Path(name_of(file)), b"".join(read_blocks(file or STDIN))
        self.xliff = XliffFilling(self.data, self.path, retranslate=retranslate) if format == "xliff" else None
        self.slots = list(self.xliff or PoFilling(self.data, self.path, retranslate=retranslate, fuzzy=fuzzy))
        self.edits, self.filled = list[Edit](), 0

    def fill(self, translate: Translate) -> Iterator[tuple[int, str, Translation]]:
        """Fill the slots; yields each different text, with its line in the file and its translation."""
        places: dict[str, tuple[int, Slot]] = {}
        for slot in self.slots:
            for text in slot.texts:
                places.setdefault(text, (slot.line, slot))
        results = dict[str, Translation]()
        translations = translate(Line(text, number=line) for text, (line, _) in places.items())
        for (text, (line, slot)), translation in zip(places.items(), translations, strict=True):
            results[text] = translation
            shown = [replace(item, text=slot.written(item.text)) for item in translation.alternatives]
            yield line, slot.written(text), replace(translation, alternatives=shown)
        for slot in self.slots:
            self._fill(slot, [results[text] for text in slot.texts])

    def _fill(self, slot: Slot, translations: Sequence[Translation]) -> None:
        problem = "no translation has all of its placeholders and tags"
        if any(translation.failed for translation in translations):
            problem = "it could not be translated"
        elif all(map(_keeps_codes, slot.texts, translations)):
            try:
                texts = zip(slot.texts, translations, strict=True)
                self.edits += slot.fill([_ending_as(text, translation.text) for text, translation in texts])
                self.filled += 1
                return
            except UnicodeEncodeError as error:
                problem = f"{error.encoding} has no {error.object[error.start]!r}; msgconv -t UTF-8 converts the file"
        logger.warning("%s, line %d: stays untranslated: %s", self.path, slot.line, problem)

    def content(self) -> bytes:
        """The document with its filled slots."""
        return self.xliff.filled(self.edits) if self.xliff else apply(self.data, self.edits)


def _keeps_codes(text: str, translation: Translation) -> bool:
    """Whether a translation has the inline codes of a text, each exactly once, and no others, nor parts of them."""
    coded, ending = CodedText(text, find_codes(text), lambda _: True), _ending_as(text, translation.text)
    has_all = coded.has_all(ending) and all(text.count(sign) == ending.count(sign) for sign in _SIGNS)
    return has_all and not translation.best.untranslated


def _ending_as(text: str, translation: str) -> str:
    """A translation with the white space at the end of a text."""
    return translation.rstrip() + text[len(text.rstrip()) :]
