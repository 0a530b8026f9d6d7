"""Attention (Vaswani et al. 2017, section 3.2): one query's weighted mean of values, and many heads of it at once.

Queries, keys and values are always named and passed in that order. Which keys a query may attend to is a bias added to
the scores, 0 where it may and -inf where it may not. Dimensions: batch, heads, query, key, dim; within a head dim is
d_model / heads.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.config.model import ModelConfig
from nmt.model.kernels.dropout import Dropout
from nmt.model.kernels.linear import PackedLinear

QUERY, KEY, VALUE = range(3)


def padding_bias(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Hide padding: [batch, key], True at real tokens -> [batch, 1, 1, key]."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -math.inf)[:, None, None, :]


def causal_bias(x: Tensor) -> Tensor:
    """Hide the future: positions of x [..., time, dim] attend to themselves and those before -> [1, 1, time, time].

    >>> causal_bias(torch.zeros(1, 3, 2))[0, 0].tolist()
    [[0.0, -inf, -inf], [0.0, 0.0, -inf], [0.0, 0.0, 0.0]]
    """
    length = x.size(-2)
    return torch.full((length, length), -math.inf, dtype=x.dtype, device=x.device).triu_(1)[None, None]


def attention_weights(query: Tensor, key: Tensor, bias: Tensor | None) -> Tensor:
    """softmax(Q K^T / sqrt(d_k)), the left part of equation 1: [batch, heads, query, key]; each row sums to 1.

    The division keeps the variance of the scores at 1 however wide a head is; without it softmax would saturate and
    its gradient vanish.
    """
    scores = (query @ key.transpose(-2, -1)).mul_(query.size(-1) ** -0.5)
    if bias is not None:
        scores.add_(bias)
    return scores.softmax(dim=-1)


class MultiHeadAttention(nn.Module):
    """MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W^O with head_i = Attention(Q W^Q_i, K W^K_i, V W^V_i).

    It has three uses (section 3.2.3): the encoder attends to itself, the decoder to itself up to the present position,
    and the decoder to the encoder's output. W^Q, W^K and W^V of all heads are one matrix, so that self-attention
    projects its input in one product.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.project_in = nn.Linear(config.dim, 3 * config.dim)
        self.project_out = nn.Linear(config.dim, config.dim)
        self.dropout = Dropout(config.attention_dropout)

    def forward(
        self,
        queries: Tensor,
        memory: Tensor | None = None,
        bias: Tensor | None = None,
        observed: list[Tensor] | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """Each of `queries` [batch, query, dim] attends to `memory` [batch, key, dim], or to the queries themselves."""
        if memory is None:
            query, key, value = self.project(queries)
        else:
            (query,), (key, value) = self.project(queries, QUERY, QUERY), self.project(memory, KEY)
        return self.attend(query, key, value, bias, observed, causal=causal)

    def project(self, x: Tensor, first: int = QUERY, last: int = VALUE) -> tuple[Tensor, ...]:
        """X W^Q, X W^K and X W^V, or those from `first` to `last`, split into heads.

        [batch, time, dim] -> [batch, heads, time, dim / heads] for each.
        """
        batch, time, dim = x.shape
        start, stop = first * dim, (last + 1) * dim
        if isinstance(self.project_in, PackedLinear):
            projected = self.project_in.part(x, start, stop)
        else:
            projected = F.linear(x, self.project_in.weight[start:stop], self.project_in.bias[start:stop])
        parts = projected.view(batch, time, last + 1 - first, self.heads, -1).unbind(2)
        return tuple(part.transpose(1, 2) for part in parts)

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
        """Attention in each head (equation 1), the heads merged and projected: [batch, query, dim].

        The weights are appended to `observed`, if given. On a CPU the equation is computed as it is written: at a
        sentence's length that is faster, backward above all, than a fused kernel. On a GPU the kernel is FlashAttention
        where there is no bias, and else the memory-efficient one; `causal` hides the future.
        """
        if causal and (query.is_cpu or observed is not None):
            bias, causal = causal_bias(query), False
        if observed is not None:
            observed.append(attention_weights(query, key, bias))
        if query.is_cpu:
            heads = self.dropout(attention_weights(query, key, bias)) @ value
        else:
            probability = self.dropout.probability if self.training else 0.0
            heads = F.scaled_dot_product_attention(query, key, value, bias, probability, is_causal=causal)
        return self.project_out(heads.transpose(1, 2).flatten(2))
