"""Documents translated in place: PO and XLIFF files, of which only what is untranslated is filled."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from nmt.decoding.translation import Line, Translation
from nmt.files.lines import STDIN, name_of, read_blocks
from nmt.text.corpus import format_of
from nmt.text.formats.filling import Edit, Slot, apply
from nmt.text.formats.po_filling import PoFilling
from nmt.text.formats.xliff_filling import XliffFilling

logger = logging.getLogger("nmt")

FORMATS = ("po", "xliff")

Translate = Callable[[Iterable[Line]], Iterator[Translation]]


def document_format(file: Path | None, format: str) -> str:
    """The format in which a document is filled in place; plain for lines, as standard input is unless it is said."""
    name = format if format != "auto" or file in (None, STDIN) else format_of(file)
    return name if name in FORMATS else "plain"


class Document:
    """A PO or XLIFF file, its slots and the edits that fill them."""

    def __init__(self, file: Path | None, format: str, *, retranslate: bool = False, fuzzy: bool = True) -> None:
        """Raises NmtError for a file that cannot be read in its format."""
        self.path, self.data = file or STDIN, b"".join(read_blocks(file or STDIN))
        self.xliff = XliffFilling(self.data, self.path, retranslate=retranslate) if format == "xliff" else None
        self.slots = list(self.xliff or PoFilling(self.data, self.path, retranslate=retranslate, fuzzy=fuzzy))
        self.edits, self.filled = list[Edit](), 0

    def fill(self, translate: Translate) -> Iterator[tuple[int, str, Translation]]:
        """Fill the slots with translations; yields each text with its line in the file and its translation."""
        translations = translate(Line(text) for slot in self.slots for text in slot.texts)
        for slot in self.slots:
            of_slot = list(islice(translations, len(slot.texts)))
            for text, translation in zip(slot.texts, of_slot, strict=True):
                yield slot.line, text, translation
            self._fill(slot, of_slot)

    def _fill(self, slot: Slot, translations: Sequence[Translation]) -> None:
        problem = "no translation has all of its placeholders and tags"
        if any(translation.failed for translation in translations):
            problem = "it could not be translated"
        elif not any(translation.best.untranslated for translation in translations):
            try:
                self.edits += slot.fill([translation.text for translation in translations])
                self.filled += 1
                return
            except UnicodeEncodeError as error:
                problem = f"{error.encoding} has no {error.object[error.start]!r}; msgconv -t UTF-8 converts the file"
        logger.warning("%s, line %d: stays untranslated: %s", name_of(self.path), slot.line, problem)

    def content(self) -> bytes:
        """The document with its filled slots."""
        return self.xliff.filled(self.edits) if self.xliff else apply(self.data, self.edits)
