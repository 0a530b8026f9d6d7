"""Locate the excess lines of one of two parallel files, by the lengths of all lines.

Dynamic programming finds the shifts between the files, from none to all excess lines, that align the lengths best.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_SLACK = 5.0  # characters added to each length: short lines vary more
_HIGHEST_COST = 1.5  # of a pair of lines
_MOST_SHIFTS = 64


class Extra(NamedTuple):
    """A group of excess lines."""

    line: int  # the first of them, from 1
    lines: int


def extra_lines(source: Sequence[int], target: Sequence[int]) -> tuple[str, list[Extra]]:
    """The longer side and its excess lines, from the lengths of all lines in characters.

    >>> import random
    >>> lengths = [random.Random(i).randint(5, 200) for i in range(100)]
    >>> extra_lines(lengths, lengths[:40] + [90, 12] + lengths[40:])
    ('target', [Extra(line=41, lines=2)])
    """
    side = "source" if len(source) > len(target) else "target"
    by_length = sorted((source, target), key=len)
    shorter, longer = (np.log(np.asarray(lengths) + _SLACK) for lengths in by_length)
    count, total = len(shorter), len(longer) - len(shorter)
    shifts = range(total + 1) if total <= _MOST_SHIFTS else (0, total)
    usual = float(np.median(longer[:count])) - float(np.median(shorter)) if count else 0.0
    costs: list[npt.NDArray[np.float64]] = []  # of the first n lines of the shorter file, under each shift
    for shift in shifts:
        difference = np.abs(longer[shift : shift + count] - shorter - usual)
        costs.append(np.concatenate([[0.0], np.cumsum(np.minimum(difference, _HIGHEST_COST))]))
    extra, before = list[Extra](), 0
    for place, lines in sorted(_changes(costs, shifts).items()):
        extra.append(Extra(place + before + 1, lines))
        before += lines
    return side, extra


def _changes(costs: Sequence[npt.NDArray[np.float64]], shifts: Sequence[int]) -> dict[int, int]:
    """The lines at which the cheapest path increases its shift, and by how much."""
    best, origins = costs[0], list[npt.NDArray[np.intp]]()
    for cost in costs[1:]:
        gained = best - cost
        lowest = np.minimum.accumulate(gained)
        origins.append(np.maximum.accumulate(np.where(gained == lowest, np.arange(len(gained)), 0)))
        best = cost + lowest
    place, changes = len(best) - 1, dict[int, int]()
    for origin, (low, high) in reversed(list(zip(origins, pairwise(shifts), strict=True))):
        place = int(origin[place])
        changes[place] = changes.get(place, 0) + high - low
    return changes
