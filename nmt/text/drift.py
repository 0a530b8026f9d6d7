"""Where two files of different length stop being translations of each other, line by line.

Lines that belong together are about as long as each other. The longer file has some lines more; where they stand is
found by the sequence of shifts, from none to all of them, under which the lengths of all lines agree best: a shortest
path (dynamic programming) in one pass over the lines for each shift.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_SLACK = 5.0  # characters that are added to each length: short lines vary more
_WORST = 1.5  # what a line of quite another length costs at most
_MOST_SHIFTS = 64

Lengths = npt.NDArray[np.float64]


class Extra(NamedTuple):
    """Lines of the longer file that the other one does not have."""

    line: int  # the first of them, from 1
    lines: int


def extra_lines(source: Sequence[int], target: Sequence[int]) -> tuple[str, list[Extra]]:
    """Which side has more lines, and where: from the characters of each line. An empty list where both have as many.

    >>> import random
    >>> lengths = [random.Random(i).randint(5, 200) for i in range(100)]
    >>> extra_lines(lengths, lengths[:40] + [90, 12] + lengths[40:])
    ('target', [Extra(line=41, lines=2)])
    """
    side = "source" if len(source) > len(target) else "target"
    longer, shorter = (np.log(np.asarray(one) + _SLACK) for one in sorted((source, target), key=len, reverse=True))
    total = len(longer) - len(shorter)
    shifts = range(total + 1) if total <= _MOST_SHIFTS else (0, total)
    usual = float(np.median(longer[: len(shorter)])) - float(np.median(shorter)) if len(shorter) else 0.0
    costs: list[Lengths] = []  # of the first n lines of the shorter file, under each shift
    for shift in shifts:
        off = np.abs(longer[shift : shift + len(shorter)] - shorter - usual)
        costs.append(np.concatenate([[0.0], np.cumsum(np.minimum(off, _WORST))]))
    best, came = costs[0], list[npt.NDArray[np.intp]]()
    for cost in costs[1:]:
        gained = best - cost
        lowest = np.minimum.accumulate(gained)
        came.append(np.maximum.accumulate(np.where(gained == lowest, np.arange(len(gained)), 0)))
        best = cost + lowest
    place, found = len(shorter), dict[int, int]()
    for index in range(len(came), 0, -1):
        place = int(came[index - 1][place])
        found[place] = found.get(place, 0) + shifts[index] - shifts[index - 1]
    places, before = list[Extra](), 0
    for place in sorted(found):
        places.append(Extra(place + before + 1, found[place]))
        before += found[place]
    return side, places
