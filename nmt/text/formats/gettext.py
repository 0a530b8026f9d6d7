"""Gettext catalogues, PO and POT: the messages of a program and their translations."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

import polib

from nmt.errors import NmtError
from nmt.files.lines import read_blocks
from nmt.text.pair import Languages, SentencePair, one_line
from nmt.text.scripts import is_language

_CHARSET = re.compile(rb'Content-Type:[^"\n]*charset=([-\w]+)')
_ACCELERATORS = {
    "&": re.compile(r"(?<![^\W_])&(?=\w)(?!\w+;)|(?<=\w)&(?=[a-z])(?!\w+;)"),  # E&xit, but not R&D
    "_": re.compile(r"_(?=[^\W_])"),
    "~": re.compile(r"~(?=\w)"),
}
_APPENDED = re.compile(r" ?\([&_~]\w\)")  # the accelerator of a language without Latin letters: 열기(&O)


def read_po(path: Path, languages: Languages) -> Iterator[SentencePair]:
    """Read the translated messages of a catalogue, without the marks of keyboard accelerators.

    A message with plurals yields two pairs: the singular with the first form, the plural with the last. The pairs of a
    catalogue in the source language are swapped. Raises NmtError with the line that cannot be read.
    """
    catalogue = _parse(path)
    source, target = languages
    language = catalogue.metadata.get("Language", "")
    swap = bool(source and is_language(language, source) and not (target and is_language(language, target)))
    for entry in catalogue:
        if entry.obsolete or entry.fuzzy or not entry.translated():
            continue
        for message, translation in _forms(entry):
            sides = _without_accelerators(one_line(message), one_line(translation))
            yield SentencePair(*(sides[::-1] if swap else sides), entry.linenum)


def _parse(path: Path) -> polib.POFile:
    data = b"".join(read_blocks(path)).removeprefix(codecs.BOM_UTF8)
    declared = _CHARSET.search(data)
    charset = declared[1].decode("ascii") if declared and declared[1] != b"CHARSET" else "utf-8"
    try:
        text = data.decode(charset)
    except LookupError:
        raise NmtError(f"{path}: declares the unknown charset {charset}", "convert it to UTF-8") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NmtError(f"{path}, line {line}: invalid {charset}", "convert it to UTF-8") from None
    try:
        return polib.pofile(text + "\n", check_for_duplicates=False)
    except Exception as error:  # polib raises OSError, and others from inside its parser
        number = re.search(r"line (\d+)", str(error))
        where = f"{path}, line {number[1]}" if number else path
        raise NmtError(f"{where}: not a readable PO file", "check it with msgfmt --check") from None


def _forms(entry: polib.POEntry) -> Iterator[tuple[str, str]]:
    if not entry.msgid_plural:
        yield entry.msgid, entry.msgstr
        return
    forms = [form for _, form in sorted(entry.msgstr_plural.items())]
    if len(forms) > 1:
        yield entry.msgid, forms[0]
    if forms:
        yield entry.msgid_plural, forms[-1]


def _without_accelerators(message: str, translation: str) -> tuple[str, str]:
    """Remove the mark of a keyboard accelerator from both sides, if the message has one.

    >>> _without_accelerators("&Open file", "Datei &öffnen"), _without_accelerators("_Open", "열기(_O)")
    (('Open file', 'Datei öffnen'), ('Open', '열기'))
    >>> _without_accelerators("R&D report", "F&E-Bericht"), _without_accelerators("E&xit", "~Beenden")
    (('R&D report', 'F&E-Bericht'), ('Exit', '~Beenden'))
    >>> _without_accelerators("R&D", "R&D"), _without_accelerators("file_name", "Name: file_name")
    (('R&D', 'R&D'), ('file_name', 'Name: file_name'))
    """
    for mark, pattern in _ACCELERATORS.items():
        if len(pattern.findall(message)) != 1:
            continue
        marked = next(word for word in message.split() if pattern.search(word))
        if marked in translation.split():  # a name, the same on both sides
            continue
        if _APPENDED.search(translation):
            return pattern.sub("", message), _APPENDED.sub("", translation)
        if len(pattern.findall(translation)) == 1:
            return pattern.sub("", message), pattern.sub("", translation)
        if mark == "&" and mark not in translation:
            return pattern.sub("", message), translation
    return message, translation
