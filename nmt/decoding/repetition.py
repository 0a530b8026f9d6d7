"""Degenerate repetition: a model that writes the same tokens over and over until the maximum length."""

from collections.abc import Sequence

_REPEATS = 4
_LONGEST_BLOCK, _SHORTEST_LOOP = 20, 8  # tokens


def is_loop(target: Sequence[int], source: Sequence[int] = ()) -> bool:
    """Whether a target has a repetition loop and its source has none.

    >>> is_loop([1, 2, 3] * 5), is_loop([1, 2, 3] * 2), is_loop([7] * 30, [8] * 30)
    (True, False, False)
    """
    return longest_loop(target) >= _SHORTEST_LOOP and longest_loop(source) < _SHORTEST_LOOP


def longest_loop(tokens: Sequence[int]) -> int:
    """The number of tokens in the longest stretch that is one block, repeated four times or more."""
    longest = 0
    for size in range(1, min(_LONGEST_BLOCK, len(tokens) // _REPEATS) + 1):
        run = size
        for index in range(size, len(tokens)):
            run = run + 1 if tokens[index] == tokens[index - size] else size
            if run >= _REPEATS * size:
                longest = max(longest, run)
    return longest
