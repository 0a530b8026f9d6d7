"""Clean, tokenize and hash blocks of sentence pairs, the part of `prepare` that runs in many processes."""

import io
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmt.config.corpus import CleaningConfig
from nmt.text.clean import RULES, Cleaner, near_duplicate_key
from nmt.text.duplicates import Hashes, hashes_of
from nmt.text.pair import SentencePair
from nmt.text.tokenizer import Tokenizers
from nmt.workers import Packing

BLOCK = 4096  # pairs
KEPT = RULES.index("kept")

Ids = npt.NDArray[np.uint32]
Lengths = npt.NDArray[np.int64]

DUPLICATES: dict[str, Callable[[str, str], str]] = {
    "pair": lambda source, target: f"{source}\n{target}",
    "near": lambda source, target: f"{near_duplicate_key(source)}\n{near_duplicate_key(target)}",
    "source": lambda source, target: source,
    "target": lambda source, target: target,
}
"""The text that duplicates share, by kind of deduplication."""


class CleanedBlock(NamedTuple):
    """The outcome of each pair of a block, and the tokens of the kept ones."""

    rules: npt.NDArray[np.uint8]  # indices into RULES, of each pair
    repaired: npt.NDArray[np.uint16]  # the places of pairs whose encoding was repaired
    hashes: Hashes  # for deduplication, of each kept pair; empty where duplicates are kept
    source: Ids  # the tokens of all kept pairs in a row
    source_lengths: Lengths
    target: Ids
    target_lengths: Lengths

    def without(self, dropped: npt.NDArray[np.bool_], rule: str) -> "CleanedBlock":
        """Drop some of the kept pairs by a rule."""
        if not dropped.any():
            return self
        rules, kept = self.rules.copy(), ~dropped
        rules[np.flatnonzero(rules == KEPT)[dropped]] = RULES.index(rule)
        source = self.source[np.repeat(kept, self.source_lengths)]
        target = self.target[np.repeat(kept, self.target_lengths)]
        hashes = self.hashes[kept] if len(self.hashes) else self.hashes
        lengths = self.source_lengths[kept], self.target_lengths[kept]
        return CleanedBlock(rules, self.repaired, hashes, source, lengths[0], target, lengths[1])


class BlockCleaner:
    """Clean and tokenize blocks."""

    def __init__(self, cleaner: Cleaner, tokenizers: Tokenizers, config: CleaningConfig) -> None:
        self.cleaner, self.tokenizers, self.config = cleaner, tokenizers, config
        self.duplicate_key = DUPLICATES.get(config.deduplicate) if config.clean else None

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> CleanedBlock:
        """Clean and tokenize pairs of source and target."""
        normalized, repaired = list[tuple[str, str]](), list[int]()
        for place, pair in enumerate(pairs):
            before = self.cleaner.repaired
            normalized.append(self.cleaner.normalize_pair(*pair))
            if self.cleaner.repaired > before:
                repaired.append(place)
        outcomes = [self.cleaner.rejected_by(*pair) or "kept" for pair in normalized]
        kept = [pair for pair, outcome in zip(normalized, outcomes, strict=True) if outcome == "kept"]
        rules = np.asarray([RULES.index(outcome) for outcome in outcomes], dtype=np.uint8)
        source = flat(self.tokenizers.source.encode([source for source, _ in kept], end=True))
        target = flat(self.tokenizers.target.encode([target for _, target in kept], end=True))
        key = self.duplicate_key
        hashes = hashes_of(key(*pair) for pair in kept) if key else np.empty(0, np.uint64)
        return self._limit_lengths(CleanedBlock(rules, np.asarray(repaired, np.uint16), hashes, *source, *target))

    def _limit_lengths(self, block: CleanedBlock) -> CleanedBlock:
        longest = np.maximum(block.source_lengths, block.target_lengths)
        block = block.without(longest > self.config.max_length, "too long")
        if not self.config.clean or self.config.min_length <= 1:
            return block
        shortest = np.minimum(block.source_lengths, block.target_lengths) - 1  # without END
        return block.without(shortest < self.config.min_length, "too short")


def flat(rows: Sequence[Sequence[int]]) -> tuple[Ids, Lengths]:
    """Rows as one array, and their lengths."""
    lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
    return np.fromiter(chain.from_iterable(rows), dtype=np.uint32, count=int(lengths.sum())), lengths


def pack(block: CleanedBlock) -> bytes:
    """Serialize a block."""
    stream = io.BytesIO()
    np.savez(stream, **block._asdict())
    return stream.getvalue()


def unpack(data: bytes) -> CleanedBlock:
    """Restore a serialized block; damaged bytes raise various exceptions of numpy and zipfile."""
    with np.load(io.BytesIO(data)) as arrays:
        return CleanedBlock(**{name: arrays[name] for name in CleanedBlock._fields})


def texts(pairs: Iterable[SentencePair]) -> list[tuple[str, str]]:
    """The source and target of each pair, all that cleaning needs."""
    return [(pair.source, pair.target) for pair in pairs]


def _pack_texts(pairs: Iterable[tuple[str, str]]) -> bytes:
    return "\n".join(chain.from_iterable(pairs)).encode("utf-8", "surrogatepass")


def _unpack_texts(data: bytes) -> list[tuple[str, str]]:
    lines = data.decode("utf-8", "surrogatepass").split("\n")
    return list(zip(lines[::2], lines[1::2], strict=True))


TEXTS, BLOCKS = Packing(_pack_texts, _unpack_texts), Packing(pack, unpack)
"""Serialization between processes; no side of a pair contains a newline."""
