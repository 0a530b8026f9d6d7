"""Parallel corpora: two files, where line N of one translates line N of the other, or one file with both sides."""

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.config.corpus import CorpusConfig
from nmt.errors import NmtError
from nmt.files.lines import COMPRESSED, read_blocks
from nmt.text.formats.gettext import read_po
from nmt.text.formats.markup import read_tmx, xml_encoding
from nmt.text.formats.plain import read_two
from nmt.text.formats.tables import read_json_lines, read_tsv
from nmt.text.formats.xliff import read_xliff
from nmt.text.pair import SentencePair

UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_SUFFIXES = {
    "tsv": (".tsv", ".tab"),
    "jsonl": (".jsonl", ".ndjson"),
    "tmx": (".tmx",),
    "xliff": (".xlf", ".xliff", ".sdlxliff", ".mqxliff", ".mxliff", ".txlf"),
    "po": (".po", ".pot"),
}
_PROLOG = r"(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>[]*(?:\[.*?\]\s*)?>)*+<(?:[\w.-]+:)?"
_CONTENT = {
    "tmx": re.compile(_PROLOG + r"tmx[\s/>]", re.DOTALL),
    "xliff": re.compile(_PROLOG + r"xliff[\s/>]", re.DOTALL),
    "po": re.compile(r'(\s*#[^\n]*\n|\s*\n)*(msgctxt "[^\n]*\n)?msgid "[^\n]*\n(".*"\n)*msgstr "'),
    "jsonl": re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:'),
}


class Corpus(NamedTuple):
    """The files of a corpus, and its name."""

    files: tuple[Path, ...]
    name: str

    def __str__(self) -> str:
        return " and ".join(map(str, self.files))


def corpora(arguments: Sequence[str | Path]) -> tuple[Corpus, ...]:
    """Group files into corpora: a file with both sides is one, others form pairs of source and target.

    `name=` before its first file names a corpus; else the file does. Raises NmtError for a source without a target.

    >>> [corpus.name for corpus in corpora(["a.de", "a.en", "web=b.tsv.gz", "c.tmx"])]
    ['a.de', 'web', 'c.tmx']
    """
    grouped, rest = list[Corpus](), list(map(str, arguments))
    while rest:
        name, path = _split_name(rest[0])
        has_both_sides = len(arguments) == 1 or format_of(path) != "plain"
        if not has_both_sides and len(rest) < 2:
            hint = "give a source and a target file for each corpus, or one file with both (TSV, TMX, PO ...)"
            raise NmtError(f"got {len(arguments)} files: {rest[0]} has no translation", hint)
        files = (path,) if has_both_sides else (path, Path(rest[1]))
        if "=" in rest[0] and name in [corpus.name for corpus in grouped]:
            raise NmtError(f"two corpora have the name {name}", "give each its own")
        grouped.append(Corpus(files, name))
        del rest[: len(files)]
    return tuple(grouped)


def _split_name(argument: str) -> tuple[str, Path]:
    name, equals, path = argument.partition("=")
    if equals and re.fullmatch(r"[\w.-]+", name) and not Path(argument).exists():
        return name, Path(path)
    return Path(argument).name, Path(argument)


def format_of(path: Path) -> str:
    """The format of a file by its name or content: tsv, jsonl, tmx, xliff, po, or plain for one side of a corpus."""
    suffix = next((suffix for suffix in reversed(path.suffixes) if suffix not in COMPRESSED), "")
    if name := next((name for name, suffixes in _SUFFIXES.items() if suffix in suffixes), None):
        return name
    if not path.is_file():  # missing, or a pipe, which can be read only once
        return "plain"
    try:
        start = next(read_blocks(path), b"")
    except NmtError:  # reading the pairs raises it again
        return "plain"
    text = start.decode(xml_encoding(start) or "utf-8", errors="replace").removeprefix("\ufeff")
    return next((name for name, pattern in _CONTENT.items() if pattern.match(text)), "plain")


def read_pairs(corpus: Corpus, config: CorpusConfig) -> Iterator[SentencePair]:
    """Stream the pairs of a corpus; NmtError with file and line for what cannot be read."""
    for path in corpus.files:
        has_lines = path.is_file() and format_of(path) in ("plain", "tsv", "jsonl")
        if has_lines and next(read_blocks(path), b"").startswith(UTF16_MARKS):  # XML declares its own encoding
            raise NmtError(f"{path}: is in UTF-16", "convert it: iconv -f UTF-16 -t UTF-8")
    if len(corpus.files) == 2:
        return read_two(*corpus.files)
    path, languages = corpus.files[0], (config.source_language, config.target_language)
    columns, keep_tags = config.column_names, config.inline_tags == "keep"
    match format_of(path):
        case "jsonl":
            return read_json_lines(path, columns, languages)
        case "tmx":
            return read_tmx(path, languages, keep_tags=keep_tags)
        case "xliff":
            return read_xliff(path, languages, keep_tags=keep_tags)
        case "po":
            return read_po(path, languages)
    return read_tsv(path, columns)  # the only plain format in a single file
