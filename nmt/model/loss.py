"""Label-smoothed cross-entropy (Szegedy et al. 2016, section 7; Vaswani et al. 2017, section 5.4).

The target distribution puts 1 - smoothing on the right token and spreads smoothing evenly over the vocabulary:

    loss = -(1 - smoothing) * log p(token) - smoothing / vocab * sum over v of log p(v)

The projection onto the vocabulary is the largest product of a small model and its result the largest tensor. So it is
computed over real tokens only and in pieces, which stay in a processor's cache, and each piece's gradient,

    d loss / d logits = p - (1 - smoothing) * one_hot(token) - smoothing / vocab

goes back through the product at once: logits never exist for all tokens together.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.text.tokenizer import PAD

PIECE, GPU_PIECE = 1 << 22, 1 << 27
"""Logits in a piece: of the order of a processor's last cache, and on a GPU so many that its launches do not count."""


class LossSum(NamedTuple):
    """Sums over the real tokens of a batch, as float32 scalars on its device."""

    smoothed: Tensor  # what training minimises; carries the gradient
    cross_entropy: Tensor  # -log p(token): its mean's exponential is the perplexity


def label_smoothed_loss(
    hidden: Tensor, weight: Tensor, target: Tensor, count: int, smoothing: float, r_drop: float = 0.0
) -> LossSum:
    """The loss of the logits `hidden weight^T`, summed over the `count` tokens of `target` that are not PAD.

    hidden: [batch, target, dim], weight: [vocab, dim], target: [batch, target].

    With `r_drop` (alpha of Wu et al. 2021, R-Drop) the second half of the batch is the first half again, under another
    dropout. The loss is then the mean of both, and alpha / 2 times the mean of the two divergences between them,

        (loss_1 + loss_2) / 2 + alpha / 2 * (KL(p_1 || p_2) + KL(p_2 || p_1)) / 2,

    which is half of the paper's equation 4, so that it can be compared with the loss of one pass.
    """
    # the places of real tokens in their order; to count them on a GPU, as nonzero does, the host would wait for it
    real = (target == PAD).flatten().byte().argsort(stable=True)[:count]
    rows, tokens = hidden.flatten(0, 1).index_select(0, real), target.flatten().index_select(0, real)
    smoothed, cross_entropy = _ProjectedLoss.apply(rows, weight, tokens, smoothing, r_drop)  # type: ignore[no-untyped-call]
    return LossSum(smoothed, cross_entropy)


class _ProjectedLoss(torch.autograd.Function):
    """Projection and loss together, forward and gradient in one pass over the pieces."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, weight: Tensor, tokens: Tensor, smoothing: float, r_drop: float
    ) -> tuple[Tensor, Tensor]:
        smoothed, cross_entropy = torch.zeros(2, device=hidden.device)
        hidden_gradient = torch.empty_like(hidden)
        weight_gradient = torch.zeros_like(weight, dtype=torch.float32)
        mean_weight = weight.mean(dim=0, dtype=torch.float32)  # the mean of a row's logits is this times hidden
        passes = 2 if r_drop else 1
        even = smoothing / passes  # the same for all tokens of the vocabulary, it needs no large product
        length, step = len(hidden) // passes, max(1, (PIECE if hidden.is_cpu else GPU_PIECE) // weight.size(0))
        for start in range(0, length, step):
            pieces = [
                slice(i * length + start, min(i * length + start + step, (i + 1) * length)) for i in range(passes)
            ]
            logits = [hidden[piece] @ weight.T for piece in pieces]
            probabilities = [one.softmax(dim=-1) for one in logits]
            log_normalizers = [_log_normalizer(*both) for both in zip(logits, probabilities, strict=True)]
            pulls: list[Tensor] = []
            if r_drop:
                divergence, *pulls = _divergence(*logits, *probabilities)
                smoothed += r_drop / 2 * divergence
            for i, piece in enumerate(pieces):
                gold = torch.arange(len(logits[i]), device=hidden.device), tokens[piece]
                nll = (log_normalizers[i].squeeze(1) - logits[i][gold].float()).sum()
                cross_entropy += nll / passes
                spread = log_normalizers[i].sum() - hidden[piece].sum(dim=0, dtype=torch.float32) @ mean_weight
                smoothed += ((1 - smoothing) * nll + smoothing * spread) / passes
                if any(ctx.needs_input_grad):
                    gradient = probabilities[i]
                    gradient[gold] -= 1 - smoothing
                    if r_drop:
                        gradient.div_(passes).add_(pulls[i], alpha=r_drop / 2)
                    torch.mm(gradient, weight, out=hidden_gradient[piece])
                    weight_gradient += gradient.T @ hidden[piece]
        if any(ctx.needs_input_grad):
            hidden_gradient -= (even * mean_weight).to(hidden.dtype)
            weight_gradient -= even / weight.size(0) * hidden.sum(dim=0, dtype=torch.float32)
        ctx.save_for_backward(hidden_gradient, weight_gradient.to(weight.dtype))
        ctx.mark_non_differentiable(cross_entropy)
        return smoothed, cross_entropy

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        hidden, weight = (saved * gradients[0].to(saved.dtype) for saved in ctx.saved_tensors)
        return hidden, weight, None, None, None


def _divergence(first: Tensor, second: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, ...]:
    """(KL(p || q) + KL(q || p)) / 2 of two sets of logits with softmax p and q, summed over rows, and its gradients.

    With d = first - second the sum of both is sum of (p - q) d: log p - log q is d but for a number that is the same in
    all of a row, and p - q sums to 0. The gradient of both by the first logits is p (d - sum of p d) + p - q, by the
    second -q (d - sum of q d) + q - p.
    """
    d = first - second
    pd, qd = p * d, q * d
    p_mean, q_mean = (each.sum(-1, keepdim=True, dtype=torch.float32) for each in (pd, qd))
    by_first = pd.addcmul_(p, (1 - p_mean).to(p.dtype)).sub_(q).div_(2)
    by_second = q.addcmul(q, q_mean.to(q.dtype)).sub_(qd).sub_(p).div_(2)
    return (p_mean - q_mean).sum() / 2, by_first, by_second


def _log_normalizer(logits: Tensor, probabilities: Tensor) -> Tensor:
    """The log of the sum of exp(logits) in each row, [row, 1] in float32, from a softmax that is there already.

    log Z = logit - log p holds for every entry; the largest one is where p cannot underflow.
    """
    return logits.amax(dim=-1, keepdim=True).float() - probabilities.amax(dim=-1, keepdim=True).float().log()
