"""The layers of encoder and decoder (Vaswani et al. 2017, section 3.1 and figure 1). Tensors are [batch, time, dim]."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nmt.config import ModelConfig
from nmt.model.attention import MultiHeadAttention
from nmt.model.dropout import Dropout


class FeedForward(nn.Module):
    """FFN(x) = max(0, x W_1 + b_1) W_2 + b_2 at each position apart (equation 2)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.expand = nn.Linear(config.dim, config.feed_forward)
        self.contract = nn.Linear(config.feed_forward, config.dim)
        self.dropout = Dropout(config.activation_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]."""
        return self.contract(self.dropout(self.expand(x).relu_()))


class Residual(nn.Module):
    """What surrounds each sub-layer: dropout, the residual sum and layer normalisation.

    After the sum as in the paper, LayerNorm(x + Sublayer(x)), or before the sub-layer, x + Sublayer(LayerNorm(x)).
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

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        """[batch, source, dim] -> [batch, source, dim]; `padding` hides keys, see `padding_bias`."""
        x = self.self_attention_residual(x, lambda x: self.self_attention(x, x, padding))
        return self.feed_forward_residual(x, self.feed_forward)


class LayerCache:
    """What one decoder layer remembers of a sentence while it is decoded, for each hypothesis of its beam.

    Keys and values of the encoder's output are one for all the hypotheses of a sentence (the beam is the query
    dimension of that attention), those of the tokens so far are each hypothesis's own.
    """

    __slots__ = ("keys", "memory_keys", "memory_values", "values")

    def __init__(self, memory_keys: Tensor, memory_values: Tensor) -> None:
        self.memory_keys = memory_keys  # [batch, heads, source, dim / heads]
        self.memory_values = memory_values
        empty = memory_keys.new_empty(0)
        self.keys = self.values = empty  # [batch * beam, heads, time, dim / heads]

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the present position and return all keys and values."""
        self.keys = key if not self.keys.numel() else torch.cat([self.keys, key], dim=2)
        self.values = value if not self.values.numel() else torch.cat([self.values, value], dim=2)
        return self.keys, self.values

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Keep these hypotheses, in this order, and (None: all) these sentences."""
        self.keys, self.values = self.keys.index_select(0, rows), self.values.index_select(0, rows)
        if sentences is not None:
            self.memory_keys = self.memory_keys.index_select(0, sentences)
            self.memory_values = self.memory_values.index_select(0, sentences)


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

    def forward(self, x: Tensor, memory: Tensor, causal: Tensor, padding: Tensor) -> Tensor:
        """All positions at once: [batch, target, dim] -> [batch, target, dim].

        `causal` hides the future of the target, `padding` the padding of `memory` [batch, source, dim].
        """
        x = self.self_attention_residual(x, lambda x: self.self_attention(x, x, causal))
        x = self.cross_attention_residual(x, lambda x: self.cross_attention(x, memory, padding))
        return self.feed_forward_residual(x, self.feed_forward)

    def start(self, memory: Tensor) -> LayerCache:
        """A cache that has seen the encoder's output and no target token."""
        return LayerCache(*self.cross_attention.keys_values(memory))

    def step(self, x: Tensor, cache: LayerCache, padding: Tensor) -> Tensor:
        """One position of each hypothesis, the earlier ones in the cache: [batch, beam, dim] -> [batch, beam, dim]."""
        x = self.self_attention_residual(x, lambda x: self._attend_to_past(x, cache))
        x = self.cross_attention_residual(x, lambda x: self._attend_to_source(x, cache, padding))
        return self.feed_forward_residual(x, self.feed_forward)

    def _attend_to_past(self, x: Tensor, cache: LayerCache) -> Tensor:
        batch, beam, dim = x.shape
        query, key, value = self.self_attention.queries_keys_values(x.view(batch * beam, 1, dim))
        return self.self_attention.attend(query, *cache.append(key, value), None).view(batch, beam, dim)

    def _attend_to_source(self, x: Tensor, cache: LayerCache, padding: Tensor) -> Tensor:
        query = self.cross_attention.queries(x)
        return self.cross_attention.attend(query, cache.memory_keys, cache.memory_values, padding)
