"""Degenerate repetition: loops are what a search for repeated blocks finds."""

from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.repetition import is_loop, longest_loop


def longest_loop_by_trying(tokens: list[int]) -> int:
    """The longest stretch that equals a block of at most 20 tokens, four times or more; the last may be cut short."""
    longest = 0
    for start in range(len(tokens)):
        for end in range(start + 1, len(tokens) + 1):
            stretch = tokens[start:end]
            for size in range(1, min(20, len(stretch) // 4) + 1):
                if stretch == (stretch[:size] * len(stretch))[: len(stretch)]:
                    longest = max(longest, len(stretch))
    return longest


blocks = st.tuples(st.lists(st.integers(0, 2), min_size=1, max_size=4), st.integers(1, 5))


@given(st.lists(blocks, max_size=3))
def test_the_longest_loop_is_found_wherever_it_begins(drawn: list[tuple[list[int], int]]) -> None:
    tokens = [token for block, times in drawn for token in block * times]
    assert longest_loop(tokens) == longest_loop_by_trying(tokens)


def test_a_loop_is_not_in_the_source() -> None:
    assert is_loop([5, 6] * 4, [7, 8])
    assert not is_loop([5, 6] * 4, [9, 7] * 5)
    assert not is_loop([1, 2, 3, 1, 2, 3, 4, 5, 6, 7])


def test_a_loop_has_four_repeats_eight_tokens_and_a_block_of_twenty_at_most() -> None:
    assert [is_loop([5] * times) for times in (7, 8)] == [False, True]
    assert [is_loop([5, 6, 7] * times) for times in (3, 4)] == [False, True]
    assert [is_loop(list(range(size)) * 4) for size in (20, 21)] == [True, False]
