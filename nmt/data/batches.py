"""The batches of an epoch: the plan that groups sentence pairs, and the tensors of a batch.

The plan is a pure function of (lengths, corpora, budget, seed, epoch), so that a position of two integers is enough to
resume. Windows of shuffled pairs are sorted by length, against padding, and their batches are shuffled again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.config.model import ModelConfig
from nmt.data.shuffle import CorpusRows, Indices, mix, rows_in_order
from nmt.data.token_store import Ids, TokenRowLengths
from nmt.errors import NmtError
from nmt.runtime import aligned, alignment, to_device
from nmt.text.tokenizer import BEGIN, PAD

WINDOW = 1 << 17  # pairs sorted together: enough to keep padding under 5 %, few enough to plan quickly

Lengths = Indices | TokenRowLengths
"""The lengths of all rows of one side."""

MULTIPLE = 8
"""Batches of at least twice this size are multiples of it, so that few shapes occur: matrix libraries prepare a kernel
for each shape, which costs time and memory, and prefer multiples of 8."""


class Position(NamedTuple):
    """A position in the data: the epoch, and the number of its batches that are done."""

    epoch: int
    batch: int


class Batch(NamedTuple):
    """Padded token tensors of sentence pairs; `target_input` is `<s>` followed by `target_output` without its end."""

    source: Tensor  # [batch, source]
    source_mask: Tensor  # [batch, source], True at real tokens
    target_input: Tensor  # [batch, target]
    target_output: Tensor  # [batch, target], PAD after the end
    lengths: tuple[list[int], list[int]]  # of source and target rows, on the host

    @property
    def tokens(self) -> tuple[int, int]:
        """Real tokens of source and target."""
        return sum(self.lengths[0]), sum(self.lengths[1])

    def to(self, device: torch.device) -> "Batch":
        """The batch on another device; copies to a GPU do not block the host."""
        source, source_mask, target_input, target_output = (to_device(tensor, device) for tensor in self[:4])
        return Batch(source, source_mask, target_input, target_output, self.lengths)

    def parts(self, count: int) -> Iterator["Batch"]:
        """Split into at most `count` batches, each with its own padding."""
        size = -(-len(self.source) // count)
        if size == len(self.source):
            yield self
            return
        multiple = alignment(self.source.device)
        for start in range(0, len(self.source), size):
            rows = slice(start, start + size)
            lengths = self.lengths[0][rows], self.lengths[1][rows]
            source, target = (aligned(max(side), multiple) for side in lengths)
            yield Batch(
                source=self.source[rows, :source],
                source_mask=self.source_mask[rows, :source],
                target_input=self.target_input[rows, :target],
                target_output=self.target_output[rows, :target],
                lengths=lengths,
            )


class Collator(NamedTuple):
    """Collate token rows into batches, padded to multiples of `multiple` tokens."""

    source_vocabulary: int
    target_vocabulary: int
    multiple: int = 1

    @classmethod
    def of(cls, config: ModelConfig, device: torch.device) -> "Collator":
        """The collator for a model and a device."""
        return cls(config.source_vocabulary, config.target_vocabulary, alignment(device))

    def __call__(self, source: Sequence[Ids], target: Sequence[Ids]) -> Batch:
        """Collate rows; NmtError for a token beyond the vocabulary, which would read outside the embeddings."""
        tensors, lengths = list[Tensor](), ([len(row) for row in source], [len(row) for row in target])
        for rows, longest, vocabulary in zip((source, target), map(max, lengths), self[:2], strict=True):
            padded = np.full((len(rows), -(-longest // self.multiple) * self.multiple), PAD, dtype=np.int64)
            for i, row in enumerate(rows):
                padded[i, : len(row)] = row
            if padded.max() >= vocabulary:
                problem = f"the data holds token {padded.max()}, beyond the {vocabulary} pieces of the vocabulary"
                raise NmtError(problem, "run nmt prepare again")
            tensors.append(torch.from_numpy(padded))
        inputs, output = tensors
        return Batch(
            source=inputs,
            source_mask=torch.arange(inputs.shape[1]) < torch.tensor(lengths[0])[:, None],
            target_input=torch.cat([torch.full((len(output), 1), BEGIN), output[:, :-1]], dim=1),
            target_output=output,
            lengths=lengths,
        )


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The division of epochs into batches: a pure function of these fields.

    A batch has at most `budget` tokens on its longer side, padding included, but at least one pair. Pairs with a side
    longer than `limit` are left out.
    """

    source: Lengths
    target: Lengths
    budget: int
    seed: int
    limit: int = 1 << 62
    corpora: tuple[CorpusRows, ...] = ()  # empty: all rows once

    def epoch(self, number: int) -> Iterator[Indices]:
        """The batches of an epoch as row indices; each of its pairs is in exactly one."""
        corpora = self.corpora or mix([len(self.source)])
        random, total = np.random.default_rng((self.seed, number)), sum(corpus.read for corpus in corpora)
        for start in range(0, total, WINDOW):
            window = rows_in_order(corpora, self.seed, number, start, min(start + WINDOW, total))
            source, target = self.source[window], self.target[window]
            fitting = np.flatnonzero(np.maximum(source, target) <= self.limit)
            order = fitting[_by_length(source[fitting], target[fitting])]
            batches = _cut(order, source, target, self.budget)
            for index in random.permutation(len(batches)):
                yield window[batches[index]]

    def stream(self, position: Position) -> Iterator[tuple[Position, Indices]]:
        """Endless batches from a position, each with the position after it."""
        epoch, done = position
        while True:
            plan = enumerate(self.epoch(epoch), start=1)
            if (first := next(plan, None)) is None:
                raise NmtError("no pair of the training corpora is short enough", "raise --max-length")
            number, rows = first
            for next_number, next_rows in plan:
                if number > done:
                    yield Position(epoch, number), rows
                number, rows = next_number, next_rows
            if number > done:
                yield Position(epoch + 1, 0), rows
            epoch, done = epoch + 1, 0


def _by_length(source: Indices, target: Indices) -> Indices:
    """Order by the longer side, then by the difference, which rises and falls in turn, so that neighbours are alike."""
    longest = np.maximum(source, target)
    return np.lexsort(((target - source) * (1 - longest % 2 * 2), longest))


def _cut(order: Indices, source: Indices, target: Indices, budget: int) -> list[Indices]:
    """Divide rows, sorted by their longer side, into batches within the budget."""
    longest = np.maximum(source[order], target[order])
    batches, start = [], 0
    while start < len(order):
        # longest[start + n - 1] * n rises with n, so the first n that is over the budget ends the batch
        end = start + max(1, min(budget // int(longest[start]), len(order) - start))
        sizes = longest[start:end] * np.arange(1, end - start + 1)
        end = start + max(1, int(np.searchsorted(sizes, budget, side="right")))
        if end - start >= 2 * MULTIPLE and end < len(order):
            end -= (end - start) % MULTIPLE
        batches.append(order[start:end])
        start = end
    return batches
