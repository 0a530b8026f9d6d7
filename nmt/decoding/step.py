"""Models as step functions: the distribution of the next token of each hypothesis, by one model or an ensemble."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nmt.decoding.beam import Step
from nmt.decoding.selection import Distribution
from nmt.model.attention import padding_bias
from nmt.model.cache import POSITIONS
from nmt.model.transformer import Transformer
from nmt.runtime import aligned


class _ProjectedDistribution(Distribution):
    """A distribution that is computed on demand, from the decoder's output [batch, beam, dim]."""

    def __init__(self, model: Transformer, output: Tensor) -> None:
        self.model, self.output = model, output

    def log_probs(self) -> Tensor:
        return self.model.log_probs(self.output)

    def best(self, count: int, impossible: Tensor) -> tuple[Tensor, Tensor]:
        return self.model.best_log_probs(self.output, min(count, self.model.config.target_vocabulary), impossible)


class ModelStep:
    """A Transformer and its caches for a batch of sentences and their hypotheses."""

    def __init__(self, model: Transformer, source: Tensor, source_mask: Tensor, *, attention: bool = False) -> None:
        """Encode the source [batch, source]; `attention` is whether search needs the attention to it."""
        self.model = model
        memory = model.encode(source, source_mask)
        self.padding = padding_bias(source_mask, memory.dtype)
        self.caches = model.start(memory)
        self.past = memory.new_empty((len(source), 1, 1, 0))  # bias [batch, 1, beam, slots], see `DecoderLayer.step`
        self.newest = self.past[0, 0, 0]  # its part for the slots of the newest position [beam, beam]
        self.used, self.position = 0, 0  # slots filled, of those allocated; positions decoded
        self.needs_attention = attention
        self.attention: Tensor | None = None

    def __call__(self, tokens: Tensor) -> Distribution:
        """Compute the distribution of the next token, given the newest tokens [batch, beam]."""
        past = self._extended_past(tokens.size(1))
        cache = self.caches[self.model.config.alignment_layer]
        if self.needs_attention:
            cache.observed = []
        output = self.model.step(tokens, self.position, self.caches, past, self.padding)
        if cache.observed:
            self.attention = cache.observed[0].mean(dim=1).float()
        self.position += 1
        return _ProjectedDistribution(self.model, output)

    def _extended_past(self, beam: int) -> Tensor:
        """Extend the bias by the newest position, at which a hypothesis sees its own slot: [batch, 1, beam, slots]."""
        start, self.used = self.used, self.used + beam
        if self.used > self.past.size(3):  # allocate more positions, in rows aligned for the kernels of a GPU
            larger = self.past.new_empty((len(self.past), 1, beam, aligned(start + POSITIONS * beam)))
            larger[..., :start] = self.past[..., :start]
            self.past = larger
        if len(self.newest) != beam:
            self.newest = torch.full_like(self.past[0, 0, :, :1].expand(beam, beam), -math.inf).fill_diagonal_(0.0)
        self.past[..., start : self.used] = self.newest
        return self.past[..., : self.used]

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Keep these hypotheses (flat indices into batch * beam) of these sentences (None: all)."""
        if sentences is not None:
            self.padding = self.padding.index_select(0, sentences)
            for cache in self.caches:
                cache.keep(sentences)
        past = self.past.flatten(0, 2).index_select(0, rows)
        self.past = past.view(len(self.padding), 1, -1, past.size(1))


class EnsembleStep:
    """An ensemble of models with one target vocabulary: averages their probabilities or log-probabilities."""

    def __init__(self, steps: Sequence[Step], average: str) -> None:
        self.steps, self.average = steps, average

    @property
    def attention(self) -> Tensor | None:
        """The models' mean attention to the source [batch, beam, source]."""
        attention = [step.attention for step in self.steps if step.attention is not None]
        return torch.stack(attention).mean(dim=0) if attention else None

    def __call__(self, tokens: Tensor) -> Distribution:
        """Compute the distribution of the next token, given the newest tokens [batch, beam]."""
        log_probs = torch.stack([step(tokens).log_probs() for step in self.steps])  # [model, batch, beam, vocab]
        if self.average == "probabilities":
            return Distribution(log_probs.logsumexp(dim=0) - math.log(len(self.steps)))
        return Distribution(log_probs.mean(dim=0).log_softmax(dim=-1))  # normalized again

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Keep these hypotheses of these sentences in all models."""
        for step in self.steps:
            step.select(rows, sentences)
