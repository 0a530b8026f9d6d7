"""Reading parallel corpora: two line-aligned files, or one file of tab-separated pairs, compressed or not."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

from nmt.errors import NmtError
from nmt.files import read_text


class SentencePair(NamedTuple):
    """A source sentence, its translation, and the line that both stand on."""

    source: str
    target: str
    line: int


def corpora(files: Sequence[Path]) -> tuple[tuple[Path, ...], ...]:
    """Files that were named in a row as corpora: TSV files (or a single file) alone, others in pairs.

    >>> [len(files) for files in corpora([Path("a.de"), Path("a.en"), Path("b.tsv.gz"), Path("c.de"), Path("c.en")])]
    [2, 1, 2]
    """
    if len(files) == 1:
        return (tuple(files),)
    found, rest = [], list(files)
    while rest:
        taken = 1 if ".tsv" in rest[0].suffixes else 2
        if len(rest) < taken:
            raise NmtError(
                f"got {len(files)} files: {rest[0]} is left without a translation (a .tsv file is a corpus by itself)",
                "name a source and a target file for each corpus, or a .tsv file",
            )
        found.append(tuple(rest[:taken]))
        del rest[:taken]
    return tuple(found)


def read_pairs(files: tuple[Path, ...]) -> Iterator[SentencePair]:
    """Stream the pairs of a source and a target file, or of one TSV file whose first two columns they are.

    Raises NmtError when the files' line counts differ (naming both) or a TSV line has no tab (naming the line).
    """
    match files:
        case (source, target):
            return _read_two(source, target)
        case (table,):
            return _read_tsv(table)
    raise NmtError(f"expected a source and a target file, or one TSV file, but got {len(files)} files")


def _read_two(source: Path, target: Path) -> Iterator[SentencePair]:
    source_lines, target_lines = read_text(source), read_text(target)
    for number, (left, right) in enumerate(zip_longest(source_lines, target_lines), start=1):
        if left is None or right is None:
            longer = source_lines if right is None else target_lines
            total = number + sum(1 for _ in longer)
            counts = (total, number - 1) if right is None else (number - 1, total)
            raise NmtError(
                f"{source} has {counts[0]:,} lines but {target} has {counts[1]:,}",
                "each line must be the translation of the same line of the other file",
            )
        yield SentencePair(_without_mark(left, number), _without_mark(right, number), number)


def _read_tsv(path: Path) -> Iterator[SentencePair]:
    for number, line in enumerate(read_text(path), start=1):
        source, tab, rest = _without_mark(line, number).partition("\t")
        if not tab:
            raise NmtError(
                f"{path}, line {number}: no tab", "a TSV file has the source, a tab and the target on a line"
            )
        yield SentencePair(source, rest.partition("\t")[0], number)


def _without_mark(line: str, number: int) -> str:
    """A file's first line without a byte order mark, any line without the carriage return of a CRLF ending."""
    return (line.removeprefix("\ufeff") if number == 1 else line).removesuffix("\r")
