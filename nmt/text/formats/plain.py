"""Two files of plain text: each line translates the same line of the other file."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from nmt.errors import NmtError, counted
from nmt.files.lines import read_text
from nmt.text.pair import SentencePair


def read_two(source: Path, target: Path) -> Iterator[SentencePair]:
    """Read two files line by line; NmtError, with both line counts, where they differ."""
    source_lines, target_lines = read_text(source), read_text(target)
    for number, (left, right) in enumerate(zip_longest(source_lines, target_lines), start=1):
        if left is None or right is None:
            longer = number + sum(1 for _ in (source_lines if right is None else target_lines))
            counts = (longer, number - 1) if right is None else (number - 1, longer)
            raise NmtError(
                f"{source} has {counted(counts[0], 'line')} but {target} has {counts[1]:,}",
                "each line must translate the same line of the other file; nmt check locates the missing lines",
            )
        yield SentencePair(left.removesuffix("\r"), right.removesuffix("\r"), number)
