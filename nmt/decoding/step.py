"""A model as search sees it: the log-probabilities of what follows each hypothesis; and several models as one."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nmt.decoding.beam import Step
from nmt.model.attention import padding_bias
from nmt.model.layers import POSITIONS
from nmt.model.transformer import Transformer
from nmt.runtime import aligned


class Known:
    """Log-probabilities that are all there."""

    def __init__(self, log_probs: Tensor) -> None:
        self.all = log_probs

    def log_probs(self) -> Tensor:
        """All of them: [batch, beam, vocab]."""
        return self.all

    def best(self, count: int) -> tuple[Tensor, Tensor]:
        """The largest of each hypothesis and their tokens: [batch, beam, count] or fewer."""
        values, tokens = self.all.topk(min(count, self.all.size(2)), dim=2)
        return values, tokens


class Projected:
    """Log-probabilities that are computed when they are asked for, from the decoder's output [batch, beam, dim]."""

    def __init__(self, model: Transformer, output: Tensor) -> None:
        self.model, self.output = model, output

    def log_probs(self) -> Tensor:
        """All of them: [batch, beam, vocab]."""
        return self.model.log_probs(self.output)

    def best(self, count: int) -> tuple[Tensor, Tensor]:
        """The largest of each hypothesis and their tokens: [batch, beam, count] or fewer."""
        return self.model.best_log_probs(self.output, min(count, self.model.config.target_vocabulary))


class ModelStep:
    """A Transformer and its caches for the sentences of a batch and their hypotheses."""

    def __init__(self, model: Transformer, source: Tensor, source_mask: Tensor, *, observe: bool = False) -> None:
        self.model = model
        memory = model.encode(source, source_mask)
        self.padding = padding_bias(source_mask, memory.dtype)
        self.caches = model.start(memory)
        self.past = memory.new_empty((len(source), 1, 1, 0))  # whose past each slot is, see `DecoderLayer.step`
        self.own = self.past[0, 0, 0]  # what a slot is to its own hypothesis and to the others: [beam, beam]
        self.used = 0  # slots, of those that there is room for
        self.position = 0
        self.observe = observe
        self.observed: Tensor | None = None

    def __call__(self, tokens: Tensor) -> Projected:
        """What follows the newest tokens [batch, beam]."""
        past = self._with_newest(tokens.size(1))
        if self.observe:
            cache = self.caches[self.model.alignment_layer]
            cache.observed = []
        x = self.model.step(tokens, self.position, self.caches, past, self.padding)
        if self.observe and cache.observed:
            self.observed = cache.observed[0].mean(dim=1).float()
        self.position += 1
        return Projected(self.model, x)

    def _with_newest(self, beam: int) -> Tensor:
        """The past of each hypothesis, and its newest token's slot: [batch, 1, beam, slots]."""
        start, self.used = self.used, self.used + beam
        if self.used > self.past.size(3):  # room for more positions, in rows that are aligned for a GPU's kernels
            room = aligned(start + POSITIONS * beam)
            larger = self.past.new_empty((len(self.past), 1, beam, room))
            larger[..., :start] = self.past[..., :start]
            self.past = larger
        if len(self.own) != beam:
            self.own = torch.full_like(self.past[0, 0, :, :1].expand(beam, beam), -math.inf).fill_diagonal_(0.0)
        self.past[..., start : self.used] = self.own
        return self.past[..., : self.used]

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Go on with these hypotheses (flat indices into batch * beam) of these sentences (None: of all)."""
        if sentences is not None:
            self.padding = self.padding.index_select(0, sentences)
            for cache in self.caches:
                cache.keep(sentences)
        past = self.past.flatten(0, 2).index_select(0, rows)
        self.past = past.view(len(self.padding), 1, -1, past.size(1))


class EnsembleStep:
    """Several models with one target vocabulary, their probabilities or their log-probabilities averaged.

    The mean of log-probabilities is normalised again, so that both are distributions.
    """

    def __init__(self, steps: Sequence[Step], average: str) -> None:
        self.steps, self.average = steps, average

    @property
    def observed(self) -> Tensor | None:
        """The models' mean attention to the source."""
        found = [step.observed for step in self.steps if step.observed is not None]
        return torch.stack(found).mean(dim=0) if found else None

    def __call__(self, tokens: Tensor) -> Known:
        """What follows the newest tokens [batch, beam]."""
        each = torch.stack([step(tokens).log_probs() for step in self.steps])
        if self.average == "probabilities":
            return Known(each.logsumexp(dim=0) - math.log(len(self.steps)))
        return Known(each.mean(dim=0).log_softmax(dim=-1))

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Go on with these hypotheses of these sentences in all models."""
        for step in self.steps:
            step.select(rows, sentences)
