"""Lexical shortlists: the likely target tokens of each source token, so that search projects to few of the vocabulary.

The probabilities are those of IBM model 1 (Brown et al. 1993), estimated on the training pairs by expectation
maximization; END on the source side is its empty word. A shortlist is a text file with a line for each source piece:
the piece, a tab, and its target pieces, separated by spaces; the line without a source piece is for all sentences.
"""

import re
from collections.abc import Iterable, Sequence
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
_LINKS = 40_000_000  # links in the sample, besides those of rare tokens
_FEW = 3  # occurrences of a rare source token in the sample, if it has as many
_PART = 2_000_000  # links that are counted at a time, in about 0.1 GB
_TOKENS = 1 << 32  # more than a vocabulary has

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
    parts = _parts(source, target, _sample(source, target))
    entries, probability = _model_1([_links(source, target, rows) for rows in parts])
    sources, targets = entries // _TOKENS, entries % _TOKENS
    order = np.lexsort((-probability, sources))
    starts = np.searchsorted(sources, np.arange(int(sources[-1]) + 2))
    likely = [order[start : min(start + count, end)] for start, end in pairwise(starts)]
    by_target = np.lexsort((-probability, targets))
    for entry in by_target[np.unique(targets[by_target], return_index=True)[1]]:
        if entry not in likely[sources[entry]]:
            likely[sources[entry]] = np.append(likely[sources[entry]], entry)
    return [targets[entries] for entries in likely]


def _model_1(blocks: Sequence[Links]) -> tuple[Ids, npt.NDArray[np.float64]]:
    """All entries of some links, sorted, and for each the probability of its target token given its source token."""
    entries = np.sort(np.concatenate([block.entries for block in blocks]))
    entries = entries[np.diff(entries, prepend=-1) > 0]
    blocks = [block._replace(entries=np.searchsorted(entries, block.entries).astype(np.int32)) for block in blocks]
    sources, probability = entries // _TOKENS, np.ones(len(entries))
    for _ in range(_ITERATIONS):
        counts = np.zeros(len(entries))
        for places, links, words in blocks:
            share = np.repeat(probability[places], links)
            share /= np.bincount(words, share)[words]  # of each source token in a target word
            counts[places] += np.add.reduceat(share, np.cumsum(links) - links)
        probability = counts / np.bincount(sources, counts)[sources]
    return entries, probability


def frequent_targets(target: TokenRows) -> Ids:
    """The tokens that occur on the target side, the most frequent one first."""
    frequency = _frequency(target.ids[start : start + (1 << 24)] for start in range(0, len(target.ids), 1 << 24))
    order = np.argsort(-frequency, kind="stable")
    return order[frequency[order] > 0]


def _frequency(blocks: Iterable[Ids]) -> Ids:
    """How often each token occurs."""
    frequency = np.zeros(0, dtype=np.int64)
    for block in blocks:
        counts = np.bincount(block, minlength=len(frequency))
        counts[: len(frequency)] += frequency
        frequency = counts
    return frequency


def _sample(source: TokenRows, target: TokenRows) -> npt.NDArray[np.int64]:
    """Sentence pairs of about _LINKS links from all over the set, and a few with each source token that is rare."""
    every = range(0, len(source), _BLOCK)
    starts = every[:: -(-len(every) // _BLOCKS)]
    blocks = [np.arange(start, min(start + _BLOCK, len(source))) for start in starts]
    tokens = [source.ids[source.offsets[rows[0]] : source.offsets[rows[-1] + 1]] for rows in blocks]
    frequency = _frequency(tokens)
    rarest = np.concatenate(
        [
            np.minimum.reduceat(frequency[block], source.offsets[rows] - source.offsets[rows[0]])
            for rows, block in zip(blocks, tokens, strict=True)
        ]
    )
    rows = np.concatenate(blocks)
    share = _LINKS / (source.lengths[rows] * target.lengths[rows]).sum()
    return rows[np.random.default_rng(0).random(len(rows)) < np.maximum(share, _FEW / rarest)]


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
