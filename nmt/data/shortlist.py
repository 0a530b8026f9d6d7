"""Lexical shortlists: the likely target tokens of each source token, so that search projects to few of the vocabulary.

The probabilities are those of IBM model 1 (Brown et al. 1993), estimated on the training pairs by expectation
maximization; END on the source side is its empty word.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmt.data.token_store import TokenRows

LIKELY = 50  # targets of a source token
FREQUENT = 100  # targets of every sentence
_ITERATIONS = 3
_BLOCK = 10_000  # pairs that are read at a time
_LINKS = 20_000_000  # pairs of tokens in the sample, at most about 1 GB
_ENOUGH = 200  # occurrences of a source token in the sample

Ids = npt.NDArray[np.integer]


class Links(NamedTuple):
    """All pairs of a source and a target token in the same sentence pair."""

    sources: Ids
    targets: Ids
    words: Ids  # the target word of each link: a number for each token in the text


def likely_targets(source: TokenRows, target: TokenRows, count: int = LIKELY) -> list[Ids]:
    """The `count` most probable targets of each source token in the training set, best first; fewer where it has fewer.

    The list has a place for each source token up to the largest in the set.
    """
    links = _concatenated(_sample(source, target))
    size = int(links.targets.max()) + 1
    keys, entry_of = np.unique(links.sources * size + links.targets, return_inverse=True)
    sources = keys // size
    probability = np.ones(len(keys))
    for _ in range(_ITERATIONS):
        share = probability[entry_of]
        share /= np.bincount(links.words, share)[links.words]  # of each source token in a target word
        counts = np.bincount(entry_of, share)
        probability = counts / np.bincount(sources, counts)[sources]
    order = np.lexsort((-probability, sources))
    starts = np.searchsorted(sources, np.arange(int(sources[-1]) + 2))
    return [keys[order[start : min(start + count, end)]] % size for start, end in pairwise(starts)]


def frequent_targets(target: TokenRows, count: int = FREQUENT) -> Ids:
    """The `count` most frequent tokens of the target side, the most frequent one first."""
    frequency = np.zeros(1, dtype=np.int64)
    for start in range(0, len(target.ids), 1 << 24):
        block = np.bincount(target.ids[start : start + (1 << 24)], minlength=len(frequency))
        block[: len(frequency)] += frequency
        frequency = block
    order = np.argsort(-frequency, kind="stable")[:count]
    return order[frequency[order] > 0]


def _sample(source: TokenRows, target: TokenRows) -> Iterator[Links]:
    """Links of whole sentence pairs, from all over the set: as many as fit, and any with a rare source token."""
    lengths = (source.offsets[-1] / max(1, len(source)), target.offsets[-1] / max(1, len(target)))
    share = _LINKS / max(1.0, lengths[0] * lengths[1] * len(source))  # of the pairs
    random, seen, words = np.random.default_rng(0), np.zeros(1, dtype=np.int64), 0
    for start in range(0, len(source), _BLOCK):
        rows = np.arange(start, min(start + _BLOCK, len(source)))
        tokens = source.ids[source.offsets[rows[0]] : source.offsets[rows[-1] + 1]]
        seen = np.pad(seen, (0, max(0, int(tokens.max()) + 1 - len(seen))))
        rare = np.bitwise_or.reduceat(seen[tokens] < _ENOUGH, source.offsets[rows] - source.offsets[rows[0]])
        rows = rows[rare | (random.random(len(rows)) < share)]
        if len(rows):
            links = _links(source, target, rows, words)
            words += int(target.lengths[rows].sum())
            seen += np.bincount(np.concatenate(source.read(rows)), minlength=len(seen))
            yield links


def _links(source: TokenRows, target: TokenRows, rows: npt.NDArray[np.int64], words: int) -> Links:
    """The links of some pairs, whose target words are numbered from `words` on."""
    sources, targets = np.concatenate(source.read(rows)), np.concatenate(target.read(rows))
    source_lengths, target_lengths = source.lengths[rows], target.lengths[rows]
    length_of_word = np.repeat(source_lengths, target_lengths)  # of the source of each target word
    start_of_word = np.repeat(np.cumsum(source_lengths) - source_lengths, target_lengths)
    position = np.arange(length_of_word.sum()) - np.repeat(np.cumsum(length_of_word) - length_of_word, length_of_word)
    return Links(
        sources[np.repeat(start_of_word, length_of_word) + position].astype(np.int64),
        np.repeat(targets, length_of_word).astype(np.int64),
        np.repeat(np.arange(words, words + len(targets)), length_of_word),
    )


def _concatenated(links: Iterator[Links]) -> Links:
    return Links(*map(np.concatenate, zip(*links, strict=True)))
