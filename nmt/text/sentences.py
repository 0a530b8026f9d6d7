"""Cutting a line that is longer than a model can read: at the ends of sentences, else at spaces, else anywhere."""

import re
from collections.abc import Callable
from itertools import pairwise

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])[\"'”’»)\]]*\s+|(?<=[。！？])")
_SPACE = re.compile(r"\s+")


def fit(line: str, fits: Callable[[str], bool]) -> list[str]:
    """Parts of a line that each fit, in order, with no text between them lost but white space.

    >>> fit("One two. Three four! Five", lambda part: len(part) <= 12)
    ['One two.', 'Three four!', 'Five']
    """
    if fits(line):
        return [line]
    for boundary in (_SENTENCE_END, _SPACE):
        pieces = _pieces(line, boundary)
        if len(pieces) > 1:
            return [part for merged in _merge(pieces, fits) for part in fit(merged, fits)]
    middle = len(line) // 2
    if middle == 0:
        return [line]
    return fit(line[:middle], fits) + fit(line[middle:], fits)


def _pieces(line: str, boundary: re.Pattern[str]) -> list[str]:
    """The line cut behind each match of `boundary`, white space at the cuts left in place."""
    cuts = [0, *(match.end() for match in boundary.finditer(line) if 0 < match.end() < len(line)), len(line)]
    return [line[start:end] for start, end in pairwise(cuts)]


def _merge(pieces: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Join neighbours as long as they fit together (one piece alone may not), so that parts are few."""
    parts = [pieces[0]]
    for piece in pieces[1:]:
        if fits(parts[-1] + piece):
            parts[-1] += piece
        else:
            parts.append(piece)
    return [part.strip() for part in parts if part.strip()]
