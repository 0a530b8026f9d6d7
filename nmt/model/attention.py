"""Attention (Vaswani et al. 2017, section 3.2): one query's weighted mean of values, and many heads of it at once.

Queries, keys and values are always named and passed in that order. Which keys a query may attend to is a bias that is
added to the scores, 0 where it may and -inf where it may not, or `causal`: those up to its own position. Dimensions:
batch, heads, query, key, dim; in a head dim is d_model / heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.config import ModelConfig
from nmt.model.dropout import Dropout
from nmt.model.linear import Linear


def padding_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Hide padding: [batch, key], True at real tokens -> [batch, 1, 1, key]."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -math.inf)[:, None, None, :]


def causal_bias(query: Tensor) -> Tensor:
    """Hide the future: a position attends to itself and to those before it -> [1, 1, query, key].

    >>> causal_bias(torch.zeros(1, 1, 3, 2))[0, 0].tolist()
    [[0.0, -inf, -inf], [0.0, 0.0, -inf], [0.0, 0.0, 0.0]]
    """
    length = query.size(2)
    return torch.full((length, length), -math.inf, dtype=query.dtype, device=query.device).triu_(1)[None, None]


def attention_weights(query: Tensor, key: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(Q K^T / sqrt(d_k)), the left part of equation 1: [batch, heads, query, key], each row sums to 1.

    The division keeps the variance of the scores at 1 however wide a head is; without it softmax would saturate and
    its gradient vanish.
    """
    scores = (query @ key.transpose(-2, -1)).mul_(query.size(-1) ** -0.5)
    if bias is not None:
        scores.add_(bias)
    return scores.softmax(dim=-1)


class MultiHeadAttention(nn.Module):
    """MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W^O with head_i = Attention(Q W^Q_i, K W^K_i, V W^V_i).

    Its three uses (section 3.2.3): the encoder attends to itself, the decoder to itself up to the present position,
    and the decoder to the encoder's output. W^Q, W^K and W^V of all heads stand in one matrix, so that
    self-attention projects its input in one product.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.project_in = Linear(config.dim, 3 * config.dim)
        self.project_out = Linear(config.dim, config.dim)
        self.dropout = Dropout(config.attention_dropout)

    def forward(
        self,
        queries: Tensor,
        memory: Tensor,
        bias: Tensor | None = None,
        observed: list[Tensor] | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """Each of `queries` [batch, query, dim] attends to `memory` [batch, key, dim]; they may be the same tensor."""
        if queries is memory:
            return self.attend(*self.queries_keys_values(queries), bias, observed, causal=causal)
        return self.attend(self.queries(queries), *self.keys_values(memory), bias, observed)

    def queries(self, x: Tensor) -> Tensor:
        """X W^Q, split into heads: [batch, query, dim] -> [batch, heads, query, dim / heads]."""
        dim = x.size(-1)
        return self._split(self.project_in.part(x, 0, dim), 1)[0]

    def keys_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X W^K and x W^V, split into heads: two of [batch, heads, key, dim / heads]."""
        dim = x.size(-1)
        key, value = self._split(self.project_in.part(x, dim, 3 * dim), 2)
        return key, value

    def queries_keys_values(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """X W^Q, x W^K and x W^V, split into heads: three of [batch, heads, time, dim / heads]."""
        query, key, value = self._split(self.project_in(x), 3)
        return query, key, value

    def _split(self, x: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[batch, time, parts * dim] -> parts of [batch, heads, time, dim / heads]."""
        batch, time, _ = x.shape
        return tuple(part.transpose(1, 2) for part in x.view(batch, time, parts, self.heads, -1).unbind(2))

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        observed: list[Tensor] | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """Attention in each head (equation 1), heads merged again and projected: [batch, query, dim].

        Whoever wants to see the weights gives a list, to which they are added. On a CPU the equation is computed as it
        is written: at a sentence's length that is faster, backward above all, than a fused kernel. On a GPU the kernel
        is FlashAttention where there is no bias, and else the memory-efficient one.
        """
        if causal and (query.is_cpu or observed is not None):
            bias, causal = causal_bias(query), False
        if observed is not None:
            observed.append(attention_weights(query, key, bias))
        if query.is_cpu:
            heads = self.dropout(attention_weights(query, key, bias)) @ value
        else:
            rate = self.dropout.rate if self.training else 0.0
            heads = F.scaled_dot_product_attention(query, key, value, bias, rate, is_causal=causal)
        return self.project_out(heads.transpose(1, 2).flatten(2))
