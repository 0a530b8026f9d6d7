"""What is done to a chunk of pairs by itself, in any process: clean, tokenize, and hash what duplicates are told by."""

import io
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nmt.config import CleaningConfig
from nmt.text.clean import RULES, Cleaner, folded
from nmt.text.duplicates import Hashes, hashes_of
from nmt.text.tokenizer import END, Tokenizer, Tokenizers

CHUNK = 4096
"""Pairs that are cleaned and tokenized at a time."""

KEPT = RULES.index("kept")

Ids = npt.NDArray[np.uint32]
Lengths = npt.NDArray[np.int64]

DUPLICATES: dict[str, Callable[[str, str], str]] = {
    "pair": lambda source, target: f"{source}\n{target}",
    "near": lambda source, target: f"{folded(source)}\n{folded(target)}",
    "source": lambda source, target: source,
    "target": lambda source, target: target,
}
"""What must be new of a pair, by how duplicates are told."""


class CleanChunk(NamedTuple):
    """What became of each pair of a chunk, and the tokens of those that are kept."""

    rules: npt.NDArray[np.uint8]  # numbers of RULES, one for each pair
    hashes: Hashes  # of what must be new, one for each kept pair; none where duplicates are kept
    source: Ids  # the tokens of all kept pairs, in a row
    source_lengths: Lengths
    target: Ids
    target_lengths: Lengths

    def kept_only(self, fresh: npt.NDArray[np.bool_]) -> "CleanChunk":
        """The same with those kept pairs that are not fresh dropped as duplicates."""
        if fresh.all():
            return self
        rules = self.rules.copy()
        rules[np.flatnonzero(rules == KEPT)[~fresh]] = RULES.index("duplicate")
        source, target = (
            ids[np.repeat(fresh, lengths)]
            for ids, lengths in ((self.source, self.source_lengths), (self.target, self.target_lengths))
        )
        return CleanChunk(
            rules, self.hashes[fresh], source, self.source_lengths[fresh], target, self.target_lengths[fresh]
        )


class ChunkCleaner:
    """The work itself, for chunks of texts of both sides."""

    def __init__(self, cleaner: Cleaner, tokenizers: Tokenizers, config: CleaningConfig) -> None:
        self.cleaner, self.tokenizers, self.config = cleaner, tokenizers, config
        self.duplicates = DUPLICATES.get(config.deduplicate) if config.clean else None

    def __call__(self, pairs: Sequence[Sequence[str]]) -> CleanChunk:
        """Clean and tokenize pairs, each a source and a target."""
        cleaner = self.cleaner
        regular = [(cleaner.regular(source), cleaner.regular(target)) for source, target in pairs]
        found = [cleaner.rule_against(*pair) for pair in regular]
        rules = np.asarray([RULES.index(rule) if rule else KEPT for rule in found], dtype=np.uint8)
        kept = [pair for pair, rule in zip(regular, found, strict=True) if rule is None]
        sources, targets = (
            rows_of([pair[side] for pair in kept], tokenizer)
            for side, tokenizer in enumerate((self.tokenizers.source, self.tokenizers.target))
        )
        fits = np.ones(len(kept), dtype=bool)
        for place, index in enumerate(np.flatnonzero(rules == KEPT)):
            one, other = len(sources[place]), len(targets[place])
            if max(one, other) > self.config.max_length:
                rules[index] = RULES.index("too long")
            elif self.config.clean and min(one, other) - 1 < self.config.min_length:
                rules[index] = RULES.index("too short")
            fits[place] = rules[index] == KEPT
        chosen = np.flatnonzero(fits)
        duplicates = self.duplicates
        return CleanChunk(
            rules,
            hashes_of(duplicates(*kept[place]) for place in chosen) if duplicates else np.empty(0, np.uint64),
            *flat([sources[place] for place in chosen]),
            *flat([targets[place] for place in chosen]),
        )


def rows_of(lines: Sequence[str], tokenizer: Tokenizer) -> list[list[int]]:
    """The tokens of each line with the end of the sentence, as the model reads and writes them."""
    return [[*row, END] for row in tokenizer.encode(lines)]


def flat(rows: Sequence[Sequence[int]]) -> tuple[Ids, Lengths]:
    """Rows as one array, and their lengths."""
    lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
    return np.fromiter(chain.from_iterable(rows), dtype=np.uint32, count=int(lengths.sum())), lengths


def pack(chunk: CleanChunk) -> bytes:
    """A result as bytes."""
    stream = io.BytesIO()
    np.savez(stream, **chunk._asdict())
    return stream.getvalue()


def unpack(data: bytes) -> CleanChunk:
    """And back; ValueError for what is none."""
    with np.load(io.BytesIO(data)) as arrays:
        return CleanChunk(**{name: arrays[name] for name in CleanChunk._fields})


def texts(pairs: Iterable[Any]) -> list[tuple[str, str]]:
    """The texts of pairs, which is all that processes tell each other of them."""
    return [(pair.source, pair.target) for pair in pairs]
