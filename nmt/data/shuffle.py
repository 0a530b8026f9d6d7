"""The order of an epoch: the pairs of one or several corpora, shuffled, each corpus as often as its weight says.

The order is a pure function of (corpora, seed, epoch), and any range of it can be computed alone, so that memory and
start-up time do not grow with the corpus.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]

ROUNDS = 6  # of the Feistel network; four suffice in theory, with wide and even halves


class CorpusRows(NamedTuple):
    """The rows of a corpus, and the number that an epoch reads: with more than there are, some repeat."""

    start: int
    pairs: int
    read: int


def mix(sizes: Sequence[int], weights: Sequence[float] = (), temperature: float = 1.0) -> tuple[CorpusRows, ...]:
    """Divide an epoch among consecutive corpora.

    A weight is the number of times that an epoch reads each pair of a corpus. Without weights, a corpus is sampled in
    proportion to its size to the power of 1 / temperature (Arivazhagan et al. 2019), and the largest is read once.

    >>> [corpus.read for corpus in mix([1000, 10], weights=[1, 4.5])]
    [1000, 45]
    >>> [corpus.read for corpus in mix([1000, 10], temperature=2)]
    [1000, 100]
    """
    largest = max(sizes)
    if weights:
        counts = [round(weight * size) for weight, size in zip(weights, sizes, strict=True)]
    else:
        counts = [round(largest * (size / largest) ** (1 / temperature)) for size in sizes]
    starts = np.cumsum([0, *sizes[:-1]]).tolist()
    return tuple(map(CorpusRows, starts, sizes, counts))


def rows_in_order(corpora: Sequence[CorpusRows], seed: int, epoch: int, start: int, stop: int) -> Indices:
    """The rows at places `start` to `stop` of an epoch; the pairs that are read once more than others vary by epoch."""
    ends = np.cumsum([corpus.read for corpus in corpora])
    places = shuffled(np.arange(start, stop), int(ends[-1]), seed, epoch)
    corpus_of = np.searchsorted(ends, places, side="right")
    rows = np.empty_like(places)
    for number, (corpus, end) in enumerate(zip(corpora, ends, strict=True)):
        own = corpus_of == number
        inside = (places[own] - (end - corpus.read)) % corpus.pairs
        rows[own] = corpus.start + shuffled(inside, corpus.pairs, seed, epoch, number)
    return rows


def shuffled(places: Indices, size: int, *key: int) -> Indices:
    """The values at some places of a random permutation of range(size), which `key` determines.

    A Feistel network permutes the next power of two (Luby & Rackoff 1988); values beyond `size` pass through it again
    until they are not, which makes it a permutation of range(size) (cycle walking, Black & Rogaway 2002).
    """
    rounds = np.random.SeedSequence(key).generate_state(ROUNDS, np.uint64).astype(np.uint64)
    bits = max(2, (size - 1).bit_length())
    values = places.astype(np.uint64)
    outside = np.ones(len(values), dtype=bool)
    while outside.any():
        values[outside] = _permute(values[outside], bits, rounds)
        outside = values >= size
    return values.astype(np.int64)


def _permute(values: Words, bits: int, rounds: Words) -> Words:
    """Permute the numbers of `bits` bits: each half is combined in turn with a hash of the other."""
    low = np.uint64(bits // 2)
    high_mask, low_mask = np.uint64((1 << (bits - bits // 2)) - 1), np.uint64((1 << bits // 2) - 1)
    left, right = values >> low, values & low_mask
    for first, second in rounds.reshape(-1, 2):
        left = left ^ (_hash(right, first) & high_mask)
        right = right ^ (_hash(left, second) & low_mask)
    return left << low | right


def _hash(values: Words, key: np.uint64) -> Words:
    """A multiplicative hash of each value: the upper halves of products with odd constants."""
    mixed = (values ^ key) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(32))) * np.uint64(0xD1B54A32D192ED03)
    return mixed >> np.uint64(32)
