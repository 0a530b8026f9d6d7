"""Which sentences make up which batch: the plan of an epoch, and the tensors of one batch.

The plan is a pure function of (lengths, corpora, budget, seed, epoch), so a place in the data is two integers and
nothing needs to be stored to resume. Sentences are shuffled, cut into windows, sorted by length inside a window so that
little of a batch is padding, and the window's batches are shuffled again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from nmt.data.binary import Ids
from nmt.data.order import Corpus, Indices, mix, rows_in_order
from nmt.errors import NmtError
from nmt.runtime import aligned, alignment, to_device
from nmt.text.tokenizer import BEGIN, PAD

WINDOW = 1 << 17
"""Sentences that are sorted together: enough that padding stays under 5 %, few enough to plan in no time."""

MULTIPLE = 8
"""Batches of twice as many sentences hold a multiple of this, so that few shapes occur: matrix libraries prepare a
kernel for each shape they meet, which costs time and memory, and like multiples of 8."""


class Position(NamedTuple):
    """A place in the data: the epoch, and the batches of it that were used."""

    epoch: int
    batch: int


class Batch(NamedTuple):
    """Sentence pairs as padded tensors of tokens; `target_input` is `target_output` shifted right behind `<s>`."""

    source: Tensor  # [batch, source]
    source_mask: Tensor  # [batch, source], True at real tokens
    target_input: Tensor  # [batch, target]
    target_output: Tensor  # [batch, target], PAD where there is none
    lengths: tuple[list[int], list[int]]  # of source and target rows, on the host, so that nothing waits for the device

    @property
    def source_tokens(self) -> int:
        """Real tokens of the source."""
        return sum(self.lengths[0])

    @property
    def target_tokens(self) -> int:
        """Real tokens of the target."""
        return sum(self.lengths[1])

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device; on its way to a GPU the host does not wait for it."""
        source, source_mask, target_input, target_output = (to_device(tensor, device) for tensor in self[:4])
        return Batch(source, source_mask, target_input, target_output, self.lengths)

    def parts(self, count: int) -> Iterator["Batch"]:
        """The same sentence pairs in `count` batches, or as many as there are pairs, each padded for itself."""
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


class Lengths(Protocol):
    """The lengths of all rows of one side, an array or something that looks them up."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Indices, /) -> Indices: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """How epochs are cut into batches: its methods are pure functions of these fields.

    A batch holds at most `budget` tokens, padding included, on its longer side, but always one sentence at least.
    Pairs with a side longer than `limit` are left out.
    """

    source: Lengths
    target: Lengths
    budget: int
    seed: int
    limit: int = 1 << 62
    corpora: tuple[Corpus, ...] = ()  # empty: all rows, once

    def epoch(self, number: int) -> Iterator[Indices]:
        """The batches of an epoch as arrays of row indices; each pair that it reads is in exactly one."""
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
        """Batches without end from a position on, each with the position after it."""
        epoch, done = position
        while True:
            plan = enumerate(self.epoch(epoch), start=1)
            if (first := next(plan, None)) is None:
                raise NmtError("no pair of the corpora that training reads is short enough", "raise --max-length")
            number, rows = first
            for next_number, next_rows in plan:
                if number > done:
                    yield Position(epoch, number), rows
                number, rows = next_number, next_rows
            if number > done:
                yield Position(epoch + 1, 0), rows
            epoch, done = epoch + 1, 0


def _by_length(source: Indices, target: Indices) -> Indices:
    """Order by the longer side, then by how much longer it is, so that both sides of neighbours are alike.

    Every other length goes from a longer target to a longer source, those between go back: no jump at their borders.
    """
    longest = np.maximum(source, target)
    order: Indices = np.lexsort(((target - source) * (1 - longest % 2 * 2), longest))
    return order


def _cut(order: Indices, source: Indices, target: Indices, budget: int) -> list[Indices]:
    """Cut rows that are sorted by their longer side into batches within the budget."""
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


def make_batch(
    source: Sequence[Ids], target: Sequence[Ids], source_size: int, target_size: int, multiple: int = 1
) -> Batch:
    """Rows of tokens as the tensors of a batch; the sizes are those of the vocabularies.

    Both sides are padded to a multiple of `multiple` tokens.

    Raises NmtError when a row holds a token beyond its vocabulary, which would read outside the embeddings.
    """
    inputs, output = _padded(source, source_size, multiple), _padded(target, target_size, multiple)
    begin = torch.full((len(target), 1), BEGIN)
    lengths = [len(row) for row in source], [len(row) for row in target]
    return Batch(
        source=inputs,
        source_mask=torch.arange(inputs.shape[1]) < torch.tensor(lengths[0])[:, None],
        target_input=torch.cat([begin, output[:, :-1]], dim=1),
        target_output=output,
        lengths=lengths,
    )


def _padded(rows: Sequence[Ids], vocabulary: int, multiple: int) -> Tensor:
    """Rows of unequal length -> [row, longest], filled up with PAD."""
    longest = aligned(max(map(len, rows)), multiple)
    padded = np.full((len(rows), longest), PAD, dtype=np.int64)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    if padded.max() >= vocabulary:
        raise NmtError(
            f"the data holds token {padded.max()}, beyond the {vocabulary} pieces there are", "run nmt prepare again"
        )
    return torch.from_numpy(padded)
