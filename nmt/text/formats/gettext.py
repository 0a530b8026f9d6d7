"""Gettext catalogues, PO and POT: the messages of a program and their translations."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from nmt.errors import NmtError
from nmt.files.lines import read_blocks, read_start
from nmt.text.accelerators import pair_without_accelerators
from nmt.text.formats.po import Entry, PoFile
from nmt.text.pair import Languages, SentencePair, one_line
from nmt.text.scripts import is_language, may_be_language


def read_po(path: Path, languages: Languages) -> Iterator[SentencePair]:
    """Read the translated messages of a catalogue, without the marks of keyboard accelerators.

    A message with plurals yields two pairs: the singular with the first form, the plural with the last. The pairs of a
    catalogue in the source language are swapped. Raises NmtError with the line that cannot be read.
    """
    swap = False
    for entry in PoFile(b"".join(read_blocks(path)), path):
        forms = entry.translations
        if entry.is_header:
            swap = _is_in_source(_language_in(entry), languages)
        elif all(forms) and not entry.obsolete and b"fuzzy" not in entry.flags:
            message, plural = entry.texts["msgid"], entry.texts.get("msgid_plural")
            pairs = [(message, forms[0])] if plural is None or len(forms) > 1 else []
            pairs += [(plural, forms[-1])] if plural is not None else []
            for message, translation in pairs:
                sides = pair_without_accelerators(one_line(message), one_line(translation))
                yield SentencePair(*(sides[::-1] if swap else sides), entry.line)


def po_languages(path: Path, languages: Languages) -> Languages:
    """The languages; where no target is given, it is that which the catalogue's header declares, unless the source."""
    declared = ""
    with suppress(NmtError):  # which reading the pairs raises again
        declared = next((_language_in(entry) for entry in PoFile(read_start(path), path) if entry.is_header), "")
    return languages[0], languages[1] or ("" if _is_in_source(declared, languages) else declared) or None


def _language_in(header: Entry) -> str:
    return "".join(re.findall(r"^Language: *(.*\S)", header.translations[0], re.MULTILINE)[:1])


def _is_in_source(language: str, languages: Languages) -> bool:
    source, target = languages
    return bool(source and may_be_language(language, source) and not (target and is_language(language, target)))
