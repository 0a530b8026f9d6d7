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
"""Logits in a piece: of the order of a processor's last cache."""


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
        smoothed, cross_entropy = torch.zeros(2, device=hidden.device)
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32)
        mean_weight = weight.mean(dim=0, dtype=torch.float32)  # the mean of a row's logits is this times hidden
        step = max(1, PIECE // weight.size(0))
        for start in range(0, len(hidden), step):
            piece, gold = hidden[start : start + step], tokens[start : start + step, None]
            logits = piece @ weight.T
            probabilities = logits.softmax(dim=-1)
            log_normalizer = _log_normalizer(logits, probabilities)
            nll = (log_normalizer - logits.gather(1, gold).float()).sum()
            cross_entropy += nll
            spread = log_normalizer.sum() - piece.sum(dim=0, dtype=torch.float32) @ mean_weight
            smoothed += (1 - smoothing) * nll + smoothing * spread
            if any(ctx.needs_input_grad):
                gradient = probabilities.sub_(smoothing / weight.size(0))
                gradient.scatter_(1, gold, gradient.gather(1, gold) - (1 - smoothing))
                hidden_gradient[start : start + step] = gradient @ weight
                weight_gradient += gradient.T @ piece
        ctx.save_for_backward(hidden_gradient, weight_gradient.to(weight.dtype))
        ctx.mark_non_differentiable(cross_entropy)
        return smoothed, cross_entropy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        hidden, weight = (saved * gradients[0].to(saved.dtype) for saved in ctx.saved_tensors)
        return hidden, weight, None, None


def _log_normalizer(logits: Tensor, probabilities: Tensor) -> Tensor:
    """The log of the sum of exp(logits) in each row, [row, 1] in float32, from a softmax that is there already.

    log Z = logit - log p holds for every entry; the largest one is where p cannot underflow.
    """
    return logits.amax(dim=-1, keepdim=True).float() - probabilities.amax(dim=-1, keepdim=True).float().log()
