"""Splitting held-out sets off a corpus: the draw depends on the text of the pairs and on nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.corpus import CleaningConfig
from nmt.data import held_out
from nmt.data.held_out import split_off
from nmt.errors import NmtError, counted
from nmt.text.clean import Cleaner
from nmt.text.pair import SentencePair


def corpus(numbers: list[int]) -> list[SentencePair]:
    """A pair for each number, which is spelled in letters."""
    words = ["".join("abcdefghij"[int(digit)] for digit in str(number)) for number in numbers]
    return [SentencePair(f"der {word}", f"the {word}", line) for line, word in enumerate(words, start=1)]


def split(
    pairs: list[SentencePair], size: int, names: tuple[str, ...] = ("valid", "test")
) -> dict[str, list[SentencePair]]:
    return split_off(pairs, names, size, Cleaner(CleaningConfig()), "the corpus")


@given(st.lists(st.integers(0, 60), min_size=20, max_size=90), st.integers(1, 4), st.sampled_from([7, 4096]))
def test_the_sets_are_disjoint_and_take_the_first_of_equal_pairs(numbers: list[int], size: int, block: int) -> None:
    pairs = corpus(numbers)
    distinct = len(set(numbers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held_out, "BLOCK", block)
        if distinct < 2 * size:
            with pytest.raises(NmtError, match="more than half"):
                split(pairs, size)
            return
        sets = split(pairs, size)
    drawn = [pair for name in ("valid", "test") for pair in sets[name]]
    assert [len(pairs) for pairs in sets.values()] == [size, size]
    assert len({pair[:2] for pair in drawn}) == 2 * size
    for pairs_of_set in sets.values():
        assert pairs_of_set == sorted(pairs_of_set, key=lambda pair: pair.line)
    assert all(pair.line == 1 + numbers.index(numbers[pair.line - 1]) for pair in drawn)
    assert all(pairs[pair.line - 1] == pair for pair in drawn)


@given(st.permutations(range(40)), st.integers(0, 39), st.integers(0, 9))
def test_neither_order_nor_repetition_changes_the_draw(order: list[int], repeated: int, times: int) -> None:
    """A frequent pair, such as "Yes.", must not be held out more likely than others."""
    texts = [
        {pair[:2] for pair in split(corpus(numbers), 3)["test"]}
        for numbers in (list(range(40)), order, [*order, *[repeated] * times])
    ]
    assert texts[0] == texts[1] == texts[2]


def test_pairs_that_cleaning_drops_are_not_drawn() -> None:
    kept = corpus(list(range(30)))
    dropped = [SentencePair("", f"x{i}", 100 + i) for i in range(20)] + [SentencePair("same", "same", 200)]
    drawn = {pair for pairs in split(dropped + kept, 5).values() for pair in pairs}
    assert drawn <= set(kept)


def test_a_set_keeps_the_text_as_it_was_read() -> None:
    pairs = [pair._replace(source=f"  {pair.source} ") for pair in corpus(list(range(8)))]
    assert all(pair in pairs for pair in split(pairs, 2, ("test",))["test"])


@pytest.mark.parametrize(("pairs", "size", "names"), [(9, 5, ("test",)), (19, 5, ("valid", "test")), (0, 1, ("test",))])
def test_more_than_half_of_the_corpus_is_refused_with_the_numbers(
    pairs: int, size: int, names: tuple[str, ...]
) -> None:
    with pytest.raises(NmtError) as caught:
        split(corpus(list(range(pairs))), size, names)
    needed = counted(size * len(names), "pair")
    assert caught.value.problem == f"--split {size} takes {needed}, more than half of the {pairs} in the corpus"
