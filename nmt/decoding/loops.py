"""Runaway repetition: a model that writes the same words again and again until its length ends it."""

from collections.abc import Sequence

REPEATS = 4
"""So many times in a row the same tokens are a loop, unless the source repeats itself as well."""

_LONGEST_BLOCK = 20
_SHORTEST_LOOP = 8


def is_loop(target: Sequence[int], source: Sequence[int] = ()) -> bool:
    """Whether a target runs in circles and its source does not.

    >>> is_loop([1, 2, 3] * 5), is_loop([1, 2, 3] * 2), is_loop([7] * 30, [8] * 30)
    (True, False, False)
    """
    return longest_loop(target) >= _SHORTEST_LOOP and longest_loop(source) < _SHORTEST_LOOP


def longest_loop(tokens: Sequence[int]) -> int:
    """Tokens in the longest stretch that is one block, REPEATS times or more in a row."""
    longest = 0
    for size in range(1, min(_LONGEST_BLOCK, len(tokens) // REPEATS) + 1):
        run = size
        for index in range(size, len(tokens)):
            run = run + 1 if tokens[index] == tokens[index - size] else size
            if run >= REPEATS * size:
                longest = max(longest, run)
    return longest
