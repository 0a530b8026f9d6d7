"""In which order an epoch reads the pairs of one or several corpora: at random, each corpus as often as asked for.

The order is a pure function of (corpora, seed, epoch) and any stretch of it can be computed by itself. No array of all
rows is ever made, so that memory and the time to start do not grow with the corpus.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]


class Corpus(NamedTuple):
    """A stretch of rows, and how many of them an epoch reads: more than there are, some or all come several times."""

    start: int
    pairs: int
    read: int


def mix(sizes: Sequence[int], weights: Sequence[float] = (), temperature: float = 1.0) -> tuple[Corpus, ...]:
    """Corpora that stand one after another, with what an epoch reads of each.

    A weight is how often an epoch reads each pair of a corpus. Without weights the share of a corpus is its size to the
    power of 1 / temperature (Arivazhagan et al. 2019), and the largest is read once: the higher the temperature, the
    more often the small ones.

    >>> [corpus.read for corpus in mix([1000, 10], weights=[1, 4.5])]
    [1000, 45]
    >>> [corpus.read for corpus in mix([1000, 10], temperature=2)]
    [1000, 100]
    """
    largest = max(sizes)
    counts = (
        [round(weight * size) for weight, size in zip(weights, sizes, strict=True)]
        if weights
        else [round(largest * (size / largest) ** (1 / temperature)) for size in sizes]
    )
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    return tuple(map(Corpus, starts, sizes, counts))


def rows_in_order(corpora: Sequence[Corpus], seed: int, epoch: int, start: int, stop: int) -> Indices:
    """The rows at the places from `start` to before `stop` of an epoch's order.

    What of a corpus is read once more than the rest is another part of it in each epoch.
    """
    ends = np.cumsum([corpus.read for corpus in corpora])
    places = shuffled(np.arange(start, stop), int(ends[-1]), seed, epoch)
    chosen = np.searchsorted(ends, places, side="right")
    rows = np.empty_like(places)
    for number, (corpus, end) in enumerate(zip(corpora, ends, strict=True)):
        mine = chosen == number
        inside = (places[mine] - (end - corpus.read)) % corpus.pairs
        rows[mine] = corpus.start + shuffled(inside, corpus.pairs, seed, epoch, number)
    return rows


def shuffled(places: Indices, size: int, *key: int) -> Indices:
    """The values at some places of a random permutation of range(size); the key says which permutation.

    A Feistel network permutes the next power of two (Luby & Rackoff 1988); what falls beyond `size` goes through it
    again until it does not, which leaves a permutation of range(size) (Black & Rogaway 2002, cycle walking).
    """
    rounds = np.random.SeedSequence(key).generate_state(ROUNDS, np.uint64).astype(np.uint64)
    bits = max(2, (size - 1).bit_length())
    found = places.astype(np.uint64)
    outside = np.ones(len(found), dtype=bool)
    while outside.any():
        found[outside] = _permute(found[outside], bits, rounds)
        outside = found >= size
    return found.astype(np.int64)


ROUNDS = 6
"""Of the Feistel network: four are enough for a random permutation in theory, with halves that are wide and even."""


def _permute(values: Words, bits: int, rounds: Words) -> Words:
    """Permute the numbers of so many bits: each half in turn is changed by a hash of the other, which can be undone."""
    low = np.uint64(bits // 2)
    high_mask, low_mask = np.uint64((1 << (bits - bits // 2)) - 1), np.uint64((1 << bits // 2) - 1)
    left, right = values >> low, values & low_mask
    for first, second in rounds.reshape(-1, 2):
        left = left ^ (_hash(right, first) & high_mask)
        right = right ^ (_hash(left, second) & low_mask)
    return left << low | right


def _hash(values: Words, key: np.uint64) -> Words:
    """A hash of each value: products with odd constants, of which the upper halves are taken."""
    mixed = (values ^ key) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD1B54A32D192ED03)
    return mixed >> np.uint64(32)
