"""Label-smoothed cross-entropy (Szegedy et al. 2016, section 7; Vaswani et al. 2017, section 5.4).

The target distribution puts 1 - smoothing on the right token and spreads smoothing evenly over the vocabulary:

    loss = -(1 - smoothing) * log p(token) - smoothing / vocab * sum over v of log p(v)

The projection onto the vocabulary is the largest product of a small model and its result the largest tensor. So it is
computed over real tokens only and in pieces that stay in the cache, and each piece's gradient,

    d loss / d logits = p - (1 - smoothing) * one_hot(token) - smoothing / vocab

goes back through the product at once: logits never exist for all tokens together.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.text.tokenizer import PAD

PIECE = 1 << 22
"""Logits in a piece; in float32 that is 16 MB, the order of a processor's last cache."""


class LossSum(NamedTuple):
    """Sums over the real tokens of a batch, as float32 scalars on its device."""

    smoothed: Tensor  # what training minimises; carries the gradient
    cross_entropy: Tensor  # -log p(token): its mean's exponential is the perplexity


def label_smoothed_loss(hidden: Tensor, weight: Tensor, target: Tensor, smoothing: float) -> LossSum:
    """The loss of the logits `hidden weight^T`, summed over the tokens of `target` that are not PAD.

    hidden: [batch, target, dim], weight: [vocab, dim], target: [batch, target].
    """
    real = (target != PAD).flatten().nonzero().squeeze(1)
    rows, tokens = hidden.flatten(0, 1).index_select(0, real), target.flatten().index_select(0, real)
    smoothed, cross_entropy = _ProjectedLoss.apply(rows, weight, tokens, smoothing)  # type: ignore[no-untyped-call]
    return LossSum(smoothed, cross_entropy)


class _ProjectedLoss(torch.autograd.Function):
    """Projection and loss together, forward and gradient in one pass over the pieces."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, tokens: Tensor, smoothing: float) -> tuple[Tensor, Tensor]:
        vocab = weight.size(0)
        ctx.backward_follows = any(ctx.needs_input_grad)
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32)
        smoothed = torch.zeros((), device=hidden.device)
        cross_entropy = torch.zeros((), device=hidden.device)
        step = max(1, PIECE // vocab)
        for start in range(0, len(hidden), step):
            piece, gold = hidden[start : start + step], tokens[start : start + step, None]
            log_probs = (piece @ weight.T).float().log_softmax(dim=-1)
            nll = -log_probs.gather(1, gold).sum()
            cross_entropy += nll
            smoothed += (1 - smoothing) * nll - (smoothing / vocab) * log_probs.sum()
            if ctx.backward_follows:
                gradient = log_probs.exp_().sub_(smoothing / vocab)
                gradient.scatter_add_(1, gold, gradient.new_full((), smoothing - 1).expand_as(gold))
                gradient = gradient.to(hidden.dtype)
                hidden_gradient[start : start + step] = gradient @ weight
                weight_gradient += gradient.T @ piece
        ctx.save_for_backward(hidden_gradient, weight_gradient.to(weight.dtype))
        ctx.mark_non_differentiable(cross_entropy)
        return smoothed, cross_entropy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden_gradient, weight_gradient = ctx.saved_tensors
        scale = gradients[0]
        return (
            hidden_gradient * scale.to(hidden_gradient.dtype),
            weight_gradient * scale.to(weight_gradient.dtype),
            None,
            None,
        )
