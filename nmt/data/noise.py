"""Regularisation of small corpora by what is read: other segmentations of the same text, and hidden tokens.

Both are drawn afresh for each batch of each epoch from a generator that the caller seeds, so a run that is stopped and
started again reads the same.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from nmt.data.batches import Batch
from nmt.data.binary import Ids
from nmt.text.tokenizer import END, UNKNOWN, Tokenizer


class SubwordSampler:
    """Cut pieces in two that spell the same, and those again, each with some probability.

    It undoes merges of byte-pair encoding at random, as BPE-dropout (Provilkov et al. 2020) leaves merges out, and
    works on tokens alone: no text is encoded again, and for a unigram model it is the same.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        pieces = tokenizer.divisible_pieces()
        self.halves: dict[int, list[tuple[int, int]]] = {}  # of a token, the pairs of tokens that spell it
        for piece, token in pieces.items():
            cuts = ((piece[:i], piece[i:]) for i in range(1, len(piece)))
            if found := [(pieces[left], pieces[right]) for left, right in cuts if left in pieces and right in pieces]:
                self.halves[token] = found

    def sample(self, row: Ids, rate: float, limit: int, random: np.random.Generator) -> Ids:
        """A row of tokens that spells the same text; the row itself where it would be longer than `limit`."""
        cut = random.random(len(row)) < rate
        if not cut.any():
            return row
        sampled: list[int] = []
        for token, begin in zip(row.tolist(), cut.tolist(), strict=True):
            sampled += self._cut(token, rate, random) if begin else [token]
        return np.asarray(sampled, dtype=row.dtype) if len(sampled) <= limit else row

    def _cut(self, token: int, rate: float, random: np.random.Generator) -> list[int]:
        if token not in self.halves:
            return [token]
        halves = self.halves[token][random.integers(len(self.halves[token]))]
        return [one for half in halves for one in (self._cut(half, rate, random) if random.random() < rate else [half])]


def mask_tokens(batch: Batch, rate: float, random: np.random.Generator) -> Batch:
    """Hide tokens of the source and of the target so far behind `<unk>`; what is to be predicted stays."""

    def masked(tokens: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        width = max(lengths)  # what is drawn does not depend on how far a device has the tokens padded
        hidden = F.pad(torch.from_numpy(random.random((len(tokens), width)) < rate), (0, tokens.size(1) - width))
        return tokens.masked_fill(hidden & (tokens > END), UNKNOWN)

    source, target = masked(batch.source, batch.lengths[0]), masked(batch.target_input, batch.lengths[1])
    return batch._replace(source=source, target_input=target)


class Noise:
    """What is done to the pairs of a batch before training reads them."""

    def __init__(self, tokenizers: Sequence[Tokenizer], sampling: float, masking: float, limit: int) -> None:
        """`tokenizers` of source and target; `limit` is the longest row in tokens that the model takes."""
        self.sampling, self.masking, self.limit = sampling, masking, limit
        self.samplers = [SubwordSampler(tokenizer) for tokenizer in tokenizers] if sampling else []

    def resegment(self, sides: Sequence[Sequence[Ids]], random: np.random.Generator) -> list[list[Ids]]:
        """The rows of source and target, cut into pieces anew."""
        if not self.samplers:
            return [list(side) for side in sides]
        return [
            [sampler.sample(row, self.sampling, self.limit, random) for row in side]
            for sampler, side in zip(self.samplers, sides, strict=True)
        ]

    def mask(self, batch: Batch, random: np.random.Generator) -> Batch:
        """The batch with tokens hidden."""
        return mask_tokens(batch, self.masking, random) if self.masking else batch
