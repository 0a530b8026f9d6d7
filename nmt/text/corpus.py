"""Parallel corpora in files of any format: which files make up a corpus, which format it has, and its pairs.

A corpus is two files of which each line translates the same line of the other, or one file that holds both sides. The
format is told by the file's name, and where that says nothing by how its content begins.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nmt.config import CorpusConfig
from nmt.errors import NmtError
from nmt.files import COMPRESSED, read_blocks
from nmt.text.formats.gettext import read_po
from nmt.text.formats.markup import read_tmx, read_xliff
from nmt.text.formats.plain import read_two
from nmt.text.formats.tables import read_json_lines, read_tsv
from nmt.text.pair import SentencePair

_SUFFIXES = {
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".tmx": "tmx",
    ".xlf": "xliff",
    ".xliff": "xliff",
    ".sdlxliff": "xliff",
    ".mqxliff": "xliff",
    ".po": "po",
    ".pot": "po",
}
_CONTENT = {
    "tmx": re.compile(r"\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<tmx\b", re.DOTALL),
    "xliff": re.compile(r"\s*(<\?xml[^>]*>\s*|<!--.*?-->\s*)*<xliff\b", re.DOTALL),
    "po": re.compile(r'(\s*#[^\n]*\n|\s*\n)*(msgctxt "[^\n]*\n)?msgid "[^\n]*\n(".*"\n)*msgstr "'),
    "jsonl": re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:'),
}


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files of a corpus, and what it is called."""

    files: tuple[Path, ...]
    name: str

    def __str__(self) -> str:
        return " and ".join(map(str, self.files))


def corpora(arguments: Sequence[str | Path]) -> tuple[Corpus, ...]:
    """Files that were named in a row as corpora: files that hold both sides alone, others in pairs.

    Behind `name=` in front of its first file a corpus has that name, else that of the file. Raises NmtError where a
    file is left without its translation.

    >>> [corpus.name for corpus in corpora(["a.de", "a.en", "web=b.tsv.gz", "c.tmx"])]
    ['a.de', 'web', 'c.tmx']
    """
    found, rest = list[Corpus](), list(map(str, arguments))
    while rest:
        name, path = _named(rest[0])
        alone = len(arguments) == 1 or format_of(path) != "plain"
        if not alone and len(rest) < 2:
            raise NmtError(
                f"got {len(arguments)} files: {rest[0]} is left without a translation",
                "name a source and a target file for each corpus, or one file that holds both (TSV, TMX, PO ...)",
            )
        files = (path,) if alone else (path, Path(rest[1]))
        if "=" in rest[0] and name in [corpus.name for corpus in found]:
            raise NmtError(f"two corpora are called {name}", "give each a name of its own")
        found.append(Corpus(files, name))
        del rest[: len(files)]
    return tuple(found)


def _named(argument: str) -> tuple[str, Path]:
    name, equals, path = argument.partition("=")
    if equals and re.fullmatch(r"[\w.-]+", name) and not Path(argument).exists():
        return name, Path(path)
    return Path(argument).name, Path(argument)


def _refuse_utf16(path: Path) -> None:
    """NmtError for text in UTF-16, of which a line would be nothing but errors; XML says its encoding by itself."""
    lines = path.is_file() and format_of(path) in ("plain", "tsv", "jsonl")
    if lines and next(read_blocks(path), b"")[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise NmtError(f"{path}: is in UTF-16", "convert it: iconv -f UTF-16 -t UTF-8")


def format_of(path: Path) -> str:
    """The format of a file: tsv, jsonl, tmx, xliff, po, or plain for one side of a corpus."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in COMPRESSED]
    if suffixes and suffixes[-1] in _SUFFIXES:
        return _SUFFIXES[suffixes[-1]]
    if not path.is_file():  # it is missing, as will be told, or a pipe, of which nothing may be read before its time
        return "plain"
    try:
        start = next(read_blocks(path), b"")
    except NmtError:  # a broken file is told when it is read
        return "plain"
    text = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="replace")
    return next((name for name, pattern in _CONTENT.items() if pattern.match(text)), "plain")


def read_pairs(corpus: Corpus, config: CorpusConfig) -> Iterator[SentencePair]:
    """Stream the pairs of a corpus. Raises NmtError, which names file and line, for what cannot be read."""
    for path in corpus.files:
        _refuse_utf16(path)
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
    return read_tsv(path, columns)  # a plain file alone can be nothing else
