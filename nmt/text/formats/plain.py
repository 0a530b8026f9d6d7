"""Two files of which each line translates the same line of the other."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from nmt.errors import NmtError
from nmt.files import read_text
from nmt.text.pair import SentencePair

_MARK = "\ufeff"


def read_two(source: Path, target: Path) -> Iterator[SentencePair]:
    """The lines of two files side by side; NmtError, with both counts, where one of them ends before the other."""
    source_lines, target_lines = read_text(source), read_text(target)
    for number, (left, right) in enumerate(zip_longest(source_lines, target_lines), start=1):
        if left is None or right is None:
            longer = source_lines if right is None else target_lines
            total = number + sum(1 for _ in longer)
            counts = (total, number - 1) if right is None else (number - 1, total)
            raise NmtError(
                f"{source} has {counts[0]:,} lines but {target} has {counts[1]:,}",
                "each line must be the translation of the same line of the other file; nmt check finds where they part",
            )
        if number == 1:
            left, right = left.removeprefix(_MARK), right.removeprefix(_MARK)
        # as `without_mark`, but without a call for each line: here the main process spends its time
        yield SentencePair(left.removesuffix("\r"), right.removesuffix("\r"), number)


def without_mark(line: str, number: int) -> str:
    """A file's first line without a byte order mark, any line without the carriage return of a CRLF ending."""
    return (line.removeprefix(_MARK) if number == 1 else line).removesuffix("\r")
