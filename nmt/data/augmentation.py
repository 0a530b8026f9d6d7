"""Subword regularization and token masking, sampled anew for each batch from a generator that the caller seeds."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from nmt.data.batches import Batch
from nmt.data.token_store import Ids
from nmt.text.tokenizer import END, UNKNOWN, Tokenizer


class SubwordSampler:
    """Split pieces at random into two that spell the same, recursively.

    This undoes merges where BPE-dropout (Provilkov et al. 2020) omits them. It needs no text, nor a BPE model.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        pieces = tokenizer.divisible_pieces()
        self.halves: dict[int, list[tuple[int, int]]] = {}  # by token: the pairs of tokens that spell it
        for piece, token in pieces.items():
            cuts = ((piece[:i], piece[i:]) for i in range(1, len(piece)))
            if halves := [(pieces[left], pieces[right]) for left, right in cuts if left in pieces and right in pieces]:
                self.halves[token] = halves

    def sample(self, row: Ids, rate: float, limit: int, random: np.random.Generator) -> Ids:
        """Another segmentation of a row of tokens; the row itself if that is longer than `limit`."""
        cut = random.random(len(row)) < rate
        if not cut.any():
            return row
        sampled: list[int] = []
        for token, is_cut in zip(row.tolist(), cut.tolist(), strict=True):
            sampled += self._split(token, rate, random) if is_cut else [token]
        return np.asarray(sampled, dtype=row.dtype) if len(sampled) <= limit else row

    def _split(self, token: int, rate: float, random: np.random.Generator) -> list[int]:
        if token not in self.halves:
            return [token]
        tokens: list[int] = []
        for half in self.halves[token][random.integers(len(self.halves[token]))]:
            tokens += self._split(half, rate, random) if random.random() < rate else [half]
        return tokens


def mask_tokens(batch: Batch, rate: float, random: np.random.Generator) -> Batch:
    """Replace input tokens of source and target by `<unk>` at random; the target output stays."""

    def mask(tokens: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        width = max(lengths)  # the draw must not depend on the padding, which differs by device
        hidden = F.pad(torch.from_numpy(random.random((len(tokens), width)) < rate), (0, tokens.size(1) - width))
        return tokens.masked_fill(hidden & (tokens > END), UNKNOWN)

    source, target = mask(batch.source, batch.lengths[0]), mask(batch.target_input, batch.lengths[1])
    return batch._replace(source=source, target_input=target)


class Augmentation:
    """Subword regularization and token masking; false where both are off."""

    def __init__(self, tokenizers: Sequence[Tokenizer], sampling: float, masking: float, limit: int) -> None:
        """`tokenizers` of source and target; `limit` is the model's maximum length in tokens."""
        self.sampling, self.masking, self.limit = sampling, masking, limit
        self.samplers = [SubwordSampler(tokenizer) for tokenizer in tokenizers] if sampling else []

    def __bool__(self) -> bool:
        return bool(self.sampling or self.masking)

    def resegment(self, sides: Sequence[Sequence[Ids]], random: np.random.Generator) -> list[list[Ids]]:
        """Sample other segmentations of the rows of source and target."""
        if not self.samplers:
            return [list(side) for side in sides]
        return [
            [sampler.sample(row, self.sampling, self.limit, random) for row in side]
            for sampler, side in zip(self.samplers, sides, strict=True)
        ]

    def mask(self, batch: Batch, random: np.random.Generator) -> Batch:
        """Mask tokens of a batch."""
        return mask_tokens(batch, self.masking, random) if self.masking else batch
