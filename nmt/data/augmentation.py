"""Perturbed text, subword regularization and token masking, sampled for each batch by a generator that is given."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F

from nmt.config.training import TrainingConfig
from nmt.data.batches import Batch
from nmt.data.token_store import Ids
from nmt.text.perturbation import perturb_pair
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
    """Perturbed text, subword regularization and token masking."""

    def __init__(self, tokenizers: Sequence[Tokenizer], config: TrainingConfig, limit: int) -> None:
        """`tokenizers` of source and target; `limit` is the model's maximum length in tokens."""
        self.tokenizers, self.config, self.limit = tokenizers, config, limit
        self.samplers = [SubwordSampler(tokenizer) for tokenizer in tokenizers] if config.subword_sampling else []

    def __bool__(self) -> bool:
        return bool(self.config.subword_sampling or self.config.token_masking or self.config.robust)

    def augment(self, sides: Sequence[Sequence[Ids]], random: np.random.Generator) -> list[list[Ids]]:
        """Perturb the rows of source and target, and sample other segmentations of them."""
        rows = [list(side) for side in sides]
        if self.config.robust:
            self._perturb(rows, random)
        if not self.samplers:
            return rows
        return [
            [sampler.sample(row, self.config.subword_sampling, self.limit, random) for row in side]
            for sampler, side in zip(self.samplers, rows, strict=True)
        ]

    def _perturb(self, rows: list[list[Ids]], random: np.random.Generator) -> None:
        """Perturb the text of rows of source and target; those that would be too long stay."""
        sides = list(zip(self.tokenizers, rows, strict=True))
        sources, targets = (tokenizer.decode([row.tolist() for row in side]) for tokenizer, side in sides)
        for index, pair in enumerate(zip(sources, targets, strict=True)):
            texts = perturb_pair(*pair, random)
            if texts == pair:
                continue
            perturbed = []
            for (tokenizer, side), text in zip(sides, texts, strict=True):
                (tokens,) = tokenizer.encode([text], end=side[index][-1] == END)
                perturbed.append(np.asarray(tokens, dtype=side[index].dtype))
            if all(0 < len(row) <= self.limit for row in perturbed):
                for (_, side), row in zip(sides, perturbed, strict=True):
                    side[index] = row

    def mask(self, batch: Batch, random: np.random.Generator) -> Batch:
        """Mask tokens of a batch."""
        rate = self.config.token_masking
        return mask_tokens(batch, rate, random) if rate else batch
