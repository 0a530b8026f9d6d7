"""Lexical shortlists: the likely target tokens of each source token, so that search projects to few of the vocabulary.

The probabilities are those of IBM model 1 (Brown et al. 1993), estimated on the training pairs by expectation
maximization; END on the source side is its empty word. A shortlist is a text file with a line for each source piece:
the piece, a tab, and its target pieces, separated by spaces; the line without a source piece is for all sentences.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmt.data.token_store import TokenRows
from nmt.files.atomic import write_text
from nmt.files.run_directory import SIDES
from nmt.text.tokenizer import Tokenizers

LIKELY = 50  # targets of a source token
FREQUENT = 100  # targets of every sentence
_BYTE = re.compile("<0x[0-9A-F]{2}>")
_ITERATIONS = 3
_BLOCK, _BLOCKS = 10_000, 100  # pairs that are read at a time, and how often, from all over the set
_LINKS = 10_000_000  # links in the sample, besides those of rare tokens
_PART = 4_000_000  # links that are counted at a time, in about 0.2 GB
_TOKENS = 1 << 32  # more than a vocabulary has
_ENOUGH = 200  # occurrences of a source token in the sample

Ids = npt.NDArray[np.integer]


class Links(NamedTuple):
    """The links of some sentence pairs: all pairs of a source and a target token in the same one."""

    entries: Ids  # the tokens that are linked, as source * _TOKENS + target, sorted
    counts: Ids  # the links of each
    words: Ids  # the target word of each link, in the order of entries: a number for each target token


def write_shortlist(path: Path, train: Path, tokenizers: Tokenizers) -> None:
    """Write the shortlist of a training set; a source piece that does not occur in it may be copied."""
    source, target = (TokenRows(train, side) for side in SIDES)
    targets, likely = tokenizers.target.vocabulary(), likely_targets(source, target)
    known, frequent = set(targets), frequent_targets(target)
    rare = np.setdiff1d(frequent, np.concatenate(likely))  # in the set, but not in its sample
    always = [targets[token] for token in (*frequent[:FREQUENT], *rare)]
    lines = {"": dict.fromkeys([*always, *filter(_BYTE.fullmatch, targets)])}
    for token, piece in enumerate(tokenizers.source.vocabulary()):
        row = [targets[target] for target in likely[token]] if token < len(likely) else []
        lines[piece] = dict.fromkeys(row or {piece} & known)
    write_text(path, "".join(f"{piece}\t{' '.join(row)}\n" for piece, row in lines.items() if row))


def likely_targets(source: TokenRows, target: TokenRows, count: int = LIKELY) -> list[Ids]:
    """The `count` most probable targets of each source token in the training set, best first; fewer where it has fewer.

    Behind these stand the targets that are most probable for this source token, so that each target is in some row.
    There is a row for each source token up to the largest in the set.
    """
    blocks = list(_sample(source, target))
    entries = np.unique(np.concatenate([block.entries for block in blocks]))
    blocks = [block._replace(entries=np.searchsorted(entries, block.entries)) for block in blocks]
    sources, targets = entries // _TOKENS, entries % _TOKENS
    probability = np.ones(len(entries))
    for _ in range(_ITERATIONS):
        counts = np.zeros(len(entries))
        for places, links, words in blocks:
            share = np.repeat(probability[places], links)
            share /= np.bincount(words, share)[words]  # of each source token in a target word
            counts[places] += np.add.reduceat(share, np.cumsum(links) - links)
        probability = counts / np.bincount(sources, counts)[sources]
    order = np.lexsort((-probability, sources))
    starts = np.searchsorted(sources, np.arange(int(sources[-1]) + 2))
    likely = [order[start : min(start + count, end)] for start, end in pairwise(starts)]
    by_target = np.lexsort((-probability, targets))
    for entry in by_target[np.unique(targets[by_target], return_index=True)[1]]:
        if entry not in likely[sources[entry]]:
            likely[sources[entry]] = np.append(likely[sources[entry]], entry)
    return [targets[entries] for entries in likely]


def frequent_targets(target: TokenRows) -> Ids:
    """The tokens that occur on the target side, the most frequent one first."""
    frequency = np.zeros(1, dtype=np.int64)
    for start in range(0, len(target.ids), 1 << 24):
        block = np.bincount(target.ids[start : start + (1 << 24)], minlength=len(frequency))
        block[: len(frequency)] += frequency
        frequency = block
    order = np.argsort(-frequency, kind="stable")
    return order[frequency[order] > 0]


def _sample(source: TokenRows, target: TokenRows) -> Iterator[Links]:
    """Links of whole sentence pairs: as many as fit, and any with a rare source token."""
    lengths = (source.offsets[-1] / max(1, len(source)), target.offsets[-1] / max(1, len(target)))
    every = range(0, len(source), _BLOCK)
    starts = every[:: -(-len(every) // _BLOCKS)]
    share = _LINKS / max(1.0, lengths[0] * lengths[1] * len(starts) * _BLOCK)  # of the pairs that are read
    random, seen = np.random.default_rng(0), np.zeros(1, dtype=np.int64)
    for start in starts:
        rows = np.arange(start, min(start + _BLOCK, len(source)))
        tokens = source.ids[source.offsets[rows[0]] : source.offsets[rows[-1] + 1]]
        seen = np.pad(seen, (0, max(0, int(tokens.max()) + 1 - len(seen))))
        rare = np.bitwise_or.reduceat(seen[tokens] < _ENOUGH, source.offsets[rows] - source.offsets[rows[0]])
        rows = rows[rare | (random.random(len(rows)) < share)]
        if len(rows):
            yield from (_links(source, target, part) for part in _parts(source, target, rows))
            seen += np.bincount(np.concatenate(source.read(rows)), minlength=len(seen))


def _links(source: TokenRows, target: TokenRows, rows: npt.NDArray[np.int64]) -> Links:
    """The links of some pairs."""
    sources, targets = np.concatenate(source.read(rows)), np.concatenate(target.read(rows))
    source_lengths, target_lengths = source.lengths[rows], target.lengths[rows]
    length_of_word = np.repeat(source_lengths, target_lengths)  # of the source of each target word
    start_of_word = np.repeat(np.cumsum(source_lengths) - source_lengths, target_lengths)
    position = np.arange(length_of_word.sum()) - np.repeat(np.cumsum(length_of_word) - length_of_word, length_of_word)
    links = sources[np.repeat(start_of_word, length_of_word) + position] * np.int64(_TOKENS)
    links += np.repeat(targets, length_of_word)
    words = np.repeat(np.arange(len(targets), dtype=np.int32), length_of_word)
    order = np.argsort(links, kind="stable")
    links = links[order]
    starts = np.flatnonzero(np.diff(links, prepend=-1))
    return Links(links[starts], np.diff(starts, append=len(links)).astype(np.int32), words[order])


def _parts(source: TokenRows, target: TokenRows, rows: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Divide pairs into parts of about _PART links, and at least one pair."""
    part = np.cumsum(source.lengths[rows] * target.lengths[rows]) // _PART
    return np.split(rows, 1 + np.flatnonzero(np.diff(part)))
