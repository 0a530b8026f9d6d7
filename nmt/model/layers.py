"""The layers of encoder and decoder (Vaswani et al. 2017, section 3.1 and figure 1). Tensors are [batch, time, dim]."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.config.model import ModelConfig
from nmt.model.attention import KEY, QUERY, MultiHeadAttention
from nmt.model.cache import LayerCache
from nmt.model.kernels.dropout import Dropout

ACTIVATIONS = {"relu": torch.relu, "gelu": F.gelu, "swish": F.silu}


class FeedForward(nn.Module):
    """FFN(x) = max(0, x W_1 + b_1) W_2 + b_2 at each position separately (equation 2), or with another activation."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.dim, config.feed_forward)
        self.contract = nn.Linear(config.feed_forward, config.dim)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = Dropout(config.activation_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]."""
        return self.contract(self.dropout(self.activation(self.expand(x))))


class Residual(nn.Module):
    """The wrapper of each sub-layer: dropout, residual connection and layer normalization.

    Post-norm, as in the paper, LayerNorm(x + Sublayer(x)); or pre-norm, x + Sublayer(LayerNorm(x)).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.pre = config.norm == "pre"
        self.norm = nn.LayerNorm(config.dim)
        self.dropout = Dropout(config.dropout)

    def forward(self, x: Tensor, sublayer: Callable[[Tensor], Tensor]) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]."""
        if self.pre:
            return x + self.dropout(sublayer(self.norm(x)))
        return self.norm(x + self.dropout(sublayer(x)))


class EncoderLayer(nn.Module):
    """Self-attention, then the feed-forward network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.self_attention_residual = Residual(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_residual = Residual(config)

    def forward(self, x: Tensor, padding: Tensor, observed: list[Tensor] | None = None) -> Tensor:
        """[batch, source, dim] -> [batch, source, dim]; `padding` hides keys, see `padding_bias`.

        Attention weights [batch, heads, source, source] are appended to `observed`, if given.
        """
        x = self.self_attention_residual(x, partial(self.self_attention, bias=padding, observed=observed))
        return self.feed_forward_residual(x, self.feed_forward)


class Observed(NamedTuple):
    """The attention weights of each layer."""

    encoder: list[Tensor]  # of the encoder to itself: [batch, heads, source, source]
    decoder: list[Tensor]  # of the decoder to itself, up to the present position: [batch, heads, target, target]
    cross: list[Tensor]  # of the decoder to the encoder's output: [batch, heads, target, source]


class DecoderLayer(nn.Module):
    """Masked self-attention, attention to the encoder's output, then the feed-forward network."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attention = MultiHeadAttention(config)
        self.self_attention_residual = Residual(config)
        self.cross_attention = MultiHeadAttention(config)
        self.cross_attention_residual = Residual(config)
        self.feed_forward = FeedForward(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self, x: Tensor, memory: Tensor, future: Tensor | None, padding: Tensor, observed: Observed | None = None
    ) -> Tensor:
        """All positions at once: [batch, target, dim] -> [batch, target, dim].

        `future` hides later positions, see `causal_bias`; None leaves that to the kernel. `padding` hides that of
        `memory` [batch, source, dim]. Attention weights are appended to `observed`, if given.
        """
        to_self, to_source = (observed.decoder, observed.cross) if observed else (None, None)
        attend_to_self = partial(self.self_attention, bias=future, observed=to_self, causal=future is None)
        attend_to_source = partial(self.cross_attention, memory=memory, bias=padding, observed=to_source)
        x = self.self_attention_residual(x, attend_to_self)
        x = self.cross_attention_residual(x, attend_to_source)
        return self.feed_forward_residual(x, self.feed_forward)

    def start(self, memory: Tensor) -> LayerCache:
        """A cache with the encoder's output and no target tokens."""
        return LayerCache(*self.cross_attention.project(memory, KEY))

    def step(self, x: Tensor, cache: LayerCache, past: Tensor, padding: Tensor) -> Tensor:
        """One position of each hypothesis, the earlier ones in the cache: [batch, beam, dim] -> [batch, beam, dim].

        `past` [batch, 1, beam, slots] is 0 at the slots of a hypothesis's own tokens, the present one among them, and
        -inf at those of others.
        """
        x = self.self_attention_residual(x, partial(self._attend_to_past, cache=cache, past=past))
        x = self.cross_attention_residual(x, partial(self._attend_to_source, cache=cache, padding=padding))
        return self.feed_forward_residual(x, self.feed_forward)

    def _attend_to_past(self, x: Tensor, cache: LayerCache, past: Tensor) -> Tensor:
        query, key, value = self.self_attention.project(x)
        return self.self_attention.attend(query, *cache.append(key, value), past)

    def _attend_to_source(self, x: Tensor, cache: LayerCache, padding: Tensor) -> Tensor:
        (query,) = self.cross_attention.project(x, QUERY, QUERY)
        return self.cross_attention.attend(query, cache.memory_keys, cache.memory_values, padding, cache.observed)
