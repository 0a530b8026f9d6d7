"""Vocabulary projection and label-smoothed cross-entropy, loss and gradient in one pass.

The projection onto the vocabulary is the largest product of a small model, and the logits its largest tensor. So they
are computed in pieces that stay in a CPU's cache, and the gradient of a piece,

    d loss / d logits = p - (1 - smoothing) * one_hot(token) - smoothing / vocab

is propagated through the product at once: the logits of all tokens never exist together.
"""

from typing import Any

import torch
from torch import Tensor

PIECE, GPU_PIECE = 1 << 22, 1 << 27
"""Logits in a piece: about a CPU's last-level cache; on a GPU enough to hide the time of kernel launches."""


class ProjectedLoss(torch.autograd.Function):
    """The loss of `nmt.model.loss.label_smoothed_loss` for tokens: hidden [token, dim], weight [vocab, dim]."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        tokens: Tensor,
        smoothing: float,
        r_drop: float,
        real: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The smoothed loss, whose gradients are computed, too, and the cross-entropy, both summed over tokens.

        `real` [token] is False where `hidden` is zero and nothing counts; there its gradient has no meaning.
        """
        smoothed, cross_entropy = torch.zeros(2, device=hidden.device)
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32)
        mean_weight = weight.mean(dim=0, dtype=torch.float32)  # the mean of a token's logits is this times hidden
        passes, scale = (2, r_drop / 4) if r_drop else (1, 1.0)  # scale: of the gradients, applied at the end
        length = len(hidden) // passes
        step = max(1, (PIECE if hidden.is_cpu else GPU_PIECE) // weight.size(0) // passes)
        for start in range(0, length, step):
            pieces = [
                slice(i * length + start, min(i * length + start + step, (i + 1) * length)) for i in range(passes)
            ]
            logits = [hidden[piece] @ weight.T for piece in pieces]
            gradients = probabilities = [scores.softmax(dim=-1) for scores in logits]
            if r_drop:
                divergence, *gradients = _divergence(logits, probabilities, 1 / (passes * scale))
                smoothed += r_drop / 2 * divergence
            for i, piece in enumerate(pieces):
                gold = torch.arange(len(logits[i]), device=hidden.device), tokens[piece]
                # log Z = logit - log p holds for every entry; the p of the largest cannot underflow
                log_normalizer = logits[i].amax(dim=-1).float() - probabilities[i].amax(dim=-1).float().log()
                if real is not None:
                    log_normalizer *= real[piece]
                nll = (log_normalizer - logits[i][gold].float()).sum()
                uniform = log_normalizer.sum() - hidden[piece].sum(dim=0, dtype=torch.float32) @ mean_weight
                cross_entropy += nll / passes
                smoothed += ((1 - smoothing) * nll + smoothing * uniform) / passes
                if any(ctx.needs_input_grad):
                    gradients[i][gold] -= (1 - smoothing) / (passes * scale)
                    torch.mm(gradients[i], weight, out=hidden_gradient[piece])
                    weight_gradient += gradients[i].T @ hidden[piece]
        if any(ctx.needs_input_grad):
            if r_drop:
                hidden_gradient *= scale
                weight_gradient *= scale
            # the uniform part, which needs no product
            hidden_gradient -= (smoothing / passes * mean_weight).to(hidden.dtype)
            weight_gradient -= smoothing / passes / weight.size(0) * hidden.sum(dim=0, dtype=torch.float32)
        ctx.save_for_backward(hidden_gradient, weight_gradient.to(weight.dtype))
        ctx.mark_non_differentiable(cross_entropy)
        return smoothed, cross_entropy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        """The gradients of the smoothed loss by hidden and weight."""
        hidden, weight = (saved * gradients[0].to(saved.dtype) for saved in ctx.saved_tensors)
        return hidden, weight, None, None, None, None


def _divergence(logits: list[Tensor], probabilities: list[Tensor], extra: float) -> tuple[Tensor, ...]:
    """(KL(p || q) + KL(q || p)) / 2 of two logits with softmax p and q, summed over rows, and gradients by the logits.

    With d = first - second, the sum of the divergences is sum (p - q) d, since log p - log q is d plus a constant in
    each row. Its gradient by the first logits is p (d - sum p d) + p - q, by the second -q (d - sum q d) + q - p. To
    them, `extra` times p and q are added, of the cross-entropy's gradients, in as few passes over memory as possible.
    """
    (first, second), (p, q) = logits, probabilities
    d = first - second
    pd, qd = p * d, q * d
    p_mean, q_mean = (product.sum(-1, keepdim=True) for product in (pd, qd))
    by_first = pd.addcmul_(p, extra + 1 - p_mean).sub_(q)
    by_second = qd.neg_().addcmul_(q, extra + 1 + q_mean).sub_(p)
    return (p_mean - q_mean).sum(dtype=torch.float32) / 2, by_first, by_second
