"""Catalogues of gettext, PO and POT: the messages of a program and their translations."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

import polib

from nmt.errors import NmtError
from nmt.files import read_blocks
from nmt.text.formats.markup import is_language
from nmt.text.formats.tables import Languages
from nmt.text.pair import SentencePair, one_line

_CHARSET = re.compile(rb'Content-Type:[^"\n]*charset=([-\w]+)')
_ACCELERATORS = {
    "&": re.compile(r"(?<![^\W_])&(?=\w)(?!\w+;)|(?<=\w)&(?=[a-z])(?!\w+;)"),  # E&xit, but not R&D
    "_": re.compile(r"_(?=[^\W_])"),
    "~": re.compile(r"~(?=\w)"),
}
_BEHIND = re.compile(r" ?\([&_~]\w\)")  # as where the language is not written with Latin letters: 열기(&O)


def read_po(path: Path, languages: Languages) -> Iterator[SentencePair]:
    """The translated messages of a catalogue, without the marks of keyboard accelerators.

    What is fuzzy, obsolete or not translated is left out. Of a message with plurals, the first form stands with the
    singular and the last with the plural. Where the catalogue's language is that of the source, the sides are swapped.
    Raises NmtError, which names the line, for what is no catalogue.
    """
    entries = _parsed(path)
    source, target = languages
    language = entries.metadata.get("Language", "")
    swap = bool(source and is_language(language, source) and not (target and is_language(language, target)))
    for entry in entries:
        if entry.obsolete or entry.fuzzy or not entry.translated():
            continue
        for message, translation in _forms(entry):
            one, other = _without_accelerators(one_line(message), one_line(translation))
            yield SentencePair(other, one, entry.linenum) if swap else SentencePair(one, other, entry.linenum)


def _parsed(path: Path) -> polib.POFile:
    data = b"".join(read_blocks(path)).removeprefix(codecs.BOM_UTF8)
    declared = _CHARSET.search(data)
    charset = declared[1].decode("ascii") if declared and declared[1] != b"CHARSET" else "utf-8"
    try:
        text = data.decode(charset)
    except LookupError:
        raise NmtError(f"{path}: says that it is in {charset}, which is not known", "convert it to UTF-8") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NmtError(f"{path}, line {line}: invalid {charset}", "convert it to UTF-8") from None
    try:
        return polib.pofile(text + "\n", check_for_duplicates=False)
    except Exception as error:  # polib raises OSError, and whatever its parser stumbles over
        where = re.search(r"line (\d+)", str(error))
        raise NmtError(
            f"{path}{f', line {where[1]}' if where else ''}: not a readable PO file", "does msgfmt --check read it?"
        ) from None


def _forms(entry: polib.POEntry) -> Iterator[tuple[str, str]]:
    """Messages and translations of an entry, which are two of each where it has plurals."""
    if not entry.msgid_plural:
        yield entry.msgid, entry.msgstr
        return
    forms = [form for _, form in sorted(entry.msgstr_plural.items())]
    if len(forms) > 1:
        yield entry.msgid, forms[0]
    if forms:
        yield entry.msgid_plural, forms[-1]


def _without_accelerators(message: str, translation: str) -> tuple[str, str]:
    """Both without the mark of a keyboard accelerator, if the message has one.

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
        word = next(one for one in message.split() if pattern.search(one))
        if word in translation.split():  # a name, which is the same on both sides
            continue
        if _BEHIND.search(translation):
            return pattern.sub("", message), _BEHIND.sub("", translation)
        if len(pattern.findall(translation)) == 1:
            return pattern.sub("", message), pattern.sub("", translation)
        if mark == "&" and mark not in translation:
            return pattern.sub("", message), translation
    return message, translation
