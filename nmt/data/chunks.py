"""What is done to a chunk of pairs by itself, in any process: clean, tokenize, and hash what duplicates are told by."""

import io
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from nmt.config import CleaningConfig
from nmt.text.clean import RULES, Cleaner, folded
from nmt.text.duplicates import Hashes, hashes_of
from nmt.text.pair import SentencePair
from nmt.text.tokenizer import Tokenizers
from nmt.workers import Packing

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

    def without(self, dropped: npt.NDArray[np.bool_], rule: str) -> "CleanChunk":
        """The same with some of the pairs that were kept dropped by a rule."""
        if not dropped.any():
            return self
        rules, stay = self.rules.copy(), ~dropped
        rules[np.flatnonzero(rules == KEPT)[dropped]] = RULES.index(rule)
        source, target = (
            ids[np.repeat(stay, lengths)]
            for ids, lengths in ((self.source, self.source_lengths), (self.target, self.target_lengths))
        )
        hashes = self.hashes[stay] if len(self.hashes) else self.hashes
        return CleanChunk(rules, hashes, source, self.source_lengths[stay], target, self.target_lengths[stay])


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
        rules = np.asarray([KEPT if rule is None else RULES.index(rule) for rule in found], dtype=np.uint8)
        kept = [pair for pair, rule in zip(regular, found, strict=True) if rule is None]
        source = flat(self.tokenizers.source.encode([pair[0] for pair in kept], end=True))
        target = flat(self.tokenizers.target.encode([pair[1] for pair in kept], end=True))
        text = self.duplicates
        hashes = hashes_of(text(*pair) for pair in kept) if text else np.empty(0, np.uint64)
        chunk = CleanChunk(rules, hashes, *source, *target)
        longest, shortest = (of(chunk.source_lengths, chunk.target_lengths) for of in (np.maximum, np.minimum))
        chunk = chunk.without(longest > self.config.max_length, "too long")
        if self.config.clean and self.config.min_length > 1:
            shortest = shortest[longest <= self.config.max_length]
            chunk = chunk.without(shortest - 1 < self.config.min_length, "too short")
        return chunk


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


def texts(pairs: Iterable[SentencePair]) -> list[tuple[str, str]]:
    """The texts of pairs, which is all that the work needs of them."""
    return [(pair.source, pair.target) for pair in pairs]


def _as_lines(pairs: Iterable[tuple[str, str]]) -> bytes:
    return "\n".join([line for pair in pairs for line in pair]).encode("utf-8", "surrogatepass")


def _of_lines(data: bytes) -> list[tuple[str, str]]:
    lines = data.decode("utf-8", "surrogatepass").split("\n")
    return list(zip(lines[::2], lines[1::2], strict=True))


TEXTS, CHUNKS = Packing(_as_lines, _of_lines), Packing(pack, unpack)
"""How the work and its results go from one process to another; no side of a pair has a line end in it."""
