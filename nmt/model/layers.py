"""The layers of encoder and decoder (Vaswani et al. 2017, section 3.1 and figure 1). Tensors are [batch, time, dim]."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nmt.config import ModelConfig
from nmt.model.attention import MultiHeadAttention
from nmt.model.dropout import Dropout
from nmt.model.linear import Linear


class FeedForward(nn.Module):
    """FFN(x) = max(0, x W_1 + b_1) W_2 + b_2 at each position apart (equation 2)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.expand = Linear(config.dim, config.feed_forward)
        self.contract = Linear(config.feed_forward, config.dim)
        self.dropout = Dropout(config.activation_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, time, dim] -> [batch, time, dim]."""
        return self.contract(self.dropout(self.expand(x).relu()))


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

    def forward(self, x: Tensor, padding: Tensor, observed: list[Tensor] | None = None) -> Tensor:
        """[batch, source, dim] -> [batch, source, dim]; `padding` hides keys, see `padding_bias`.

        The weights of attention [batch, heads, source, source] are added to `observed`, if given.
        """
        x = self.self_attention_residual(x, lambda x: self.self_attention(x, x, padding, observed))
        return self.feed_forward_residual(x, self.feed_forward)


POSITIONS = 16
"""For so many a cache makes room at a time."""


class Observed(NamedTuple):
    """The weights of all attention, layer by layer, for whoever wants to see them."""

    encoder: list[Tensor]  # of the encoder to itself: [batch, heads, source, source]
    decoder: list[Tensor]  # of the decoder to itself, up to the present position: [batch, heads, target, target]
    cross: list[Tensor]  # of the decoder to the encoder's output: [batch, heads, target, source]


class LayerCache:
    """What one decoder layer remembers of a batch of sentences while they are decoded.

    Keys and values of the encoder's output are one for all hypotheses of a sentence, and so are those of the tokens so
    far: they stand in one row of slots, a slot for each hypothesis at each position, and never move. Which slots are
    a hypothesis's own past is said by a bias, see `DecoderLayer.step`; the beam is the query dimension of both
    attentions.
    """

    __slots__ = ("keys", "memory_keys", "memory_values", "observed", "used", "values")

    def __init__(self, memory_keys: Tensor, memory_values: Tensor) -> None:
        self.memory_keys = memory_keys.contiguous()  # [batch, heads, source, dim / heads]
        self.memory_values = memory_values.contiguous()
        self.keys = self.values = memory_keys[:, :, :0]  # [batch, heads, slots, dim / heads], of which `used` are
        self.used = 0
        self.observed: list[Tensor] | None = None  # a list to which the weights of cross-attention are added

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the present position [batch, heads, beam, dim / heads] and return all keys and values."""
        used = self.used + key.size(2)
        if used > self.keys.size(2):
            self.keys, self.values = (self._with_room(one, POSITIONS * key.size(2)) for one in (self.keys, self.values))
        self.keys[:, :, self.used : used] = key
        self.values[:, :, self.used : used] = value
        self.used = used
        return self.keys[:, :, :used], self.values[:, :, :used]

    def _with_room(self, slots: Tensor, room: int, sentences: Tensor | None = None) -> Tensor:
        """The slots in use, of these sentences, and room for more."""
        batch, heads, _, dim = slots.shape
        batch = batch if sentences is None else len(sentences)
        larger = slots.new_empty((batch, heads, self.used + room, dim))
        used, space = slots[:, :, : self.used], larger[:, :, : self.used]
        if sentences is None:
            space.copy_(used)
        else:
            torch.index_select(used, 0, sentences, out=space)
        return larger

    def keep(self, sentences: Tensor) -> None:
        """Keep these sentences, in this order."""
        self.memory_keys = self.memory_keys.index_select(0, sentences)
        self.memory_values = self.memory_values.index_select(0, sentences)
        room = self.keys.size(2) - self.used
        self.keys, self.values = (self._with_room(one, room, sentences) for one in (self.keys, self.values))


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

    def forward(self, x: Tensor, memory: Tensor, padding: Tensor, observed: Observed | None = None) -> Tensor:
        """All positions at once: [batch, target, dim] -> [batch, target, dim].

        `padding` hides the padding of `memory` [batch, source, dim]. The weights of both attentions are added to
        `observed`, if given.
        """
        to_self, to_source = (observed.decoder, observed.cross) if observed else (None, None)
        x = self.self_attention_residual(x, lambda x: self.self_attention(x, x, observed=to_self, causal=True))
        x = self.cross_attention_residual(x, lambda x: self.cross_attention(x, memory, padding, to_source))
        return self.feed_forward_residual(x, self.feed_forward)

    def start(self, memory: Tensor) -> LayerCache:
        """A cache that has seen the encoder's output and no target token."""
        return LayerCache(*self.cross_attention.keys_values(memory))

    def step(self, x: Tensor, cache: LayerCache, past: Tensor, padding: Tensor) -> Tensor:
        """One position of each hypothesis, the earlier ones in the cache: [batch, beam, dim] -> [batch, beam, dim].

        `past` [batch, 1, beam, slots] is 0 at the slots of a hypothesis's own tokens, the present one among them, and
        -inf at those of others.
        """
        x = self.self_attention_residual(x, lambda x: self._attend_to_past(x, cache, past))
        x = self.cross_attention_residual(x, lambda x: self._attend_to_source(x, cache, padding))
        return self.feed_forward_residual(x, self.feed_forward)

    def _attend_to_past(self, x: Tensor, cache: LayerCache, past: Tensor) -> Tensor:
        query, key, value = self.self_attention.queries_keys_values(x)
        return self.self_attention.attend(query, *cache.append(key, value), past)

    def _attend_to_source(self, x: Tensor, cache: LayerCache, padding: Tensor) -> Tensor:
        query = self.cross_attention.queries(x)
        return self.cross_attention.attend(query, cache.memory_keys, cache.memory_values, padding, cache.observed)
