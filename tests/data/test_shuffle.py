"""The order of an epoch: a permutation, at random, of which any stretch can be had alone."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.shuffle import mix, rows_in_order, shuffled


@given(st.integers(1, 3000), st.lists(st.integers(0, 2**40), min_size=1, max_size=3))
def test_a_shuffle_holds_every_number_once(size: int, key: list[int]) -> None:
    assert sorted(shuffled(np.arange(size), size, *key)) == list(range(size))


@given(st.integers(1, 3000), st.integers(0, 100), st.data())
def test_a_stretch_of_a_shuffle_is_that_stretch_of_the_whole(size: int, key: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, size))
    stop = data.draw(st.integers(start, size))
    whole = shuffled(np.arange(size), size, key)
    assert np.array_equal(shuffled(np.arange(start, stop), size, key), whole[start:stop])


@pytest.mark.parametrize("size", [5, 100, 1000])
def test_over_many_keys_each_number_is_at_each_place_equally_often(size: int) -> None:
    """Pearson's statistic over (place, number) has a mean of (size - 1)^2 and a deviation of sqrt(2) (size - 1)."""
    keys = 20 * size if size < 1000 else 2000
    places = np.arange(min(size, 10))
    counts = np.zeros((len(places), size))
    for key in range(keys):
        counts[places, shuffled(places, size, key)] += 1
    expected = keys / size
    statistic = ((counts - expected) ** 2 / expected).sum()
    freedom = len(places) * (size - 1)
    assert abs(statistic - freedom) < 5 * np.sqrt(2 * freedom)


def test_neighbours_in_a_shuffle_have_nothing_to_do_with_each_other() -> None:
    order = shuffled(np.arange(100_000), 100_000, 1, 2).astype(float)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(order, np.arange(100_000))[0, 1]) < 0.02


def test_the_first_rows_of_a_huge_corpus_are_there_at_once() -> None:
    """A permutation in an array would be 8 GB."""
    begin = time.monotonic()
    rows = rows_in_order(mix([1_000_000_000]), seed=1, epoch=0, start=0, stop=100_000)
    assert time.monotonic() - begin < 2
    assert len(set(rows.tolist())) == 100_000
    assert rows.max() > 990_000_000


def test_without_weights_a_temperature_makes_small_corpora_larger() -> None:
    """Shares are sizes to the power of 1/5, here 10 to 1.58 to 1 by hand, of which the largest is read once."""
    corpora = mix([100_000, 1000, 1], temperature=5)
    assert [corpus.read for corpus in corpora] == [100_000, round(100_000 * 0.01**0.2), 10_000]
    assert [corpus.start for corpus in corpora] == [0, 100_000, 101_000]
