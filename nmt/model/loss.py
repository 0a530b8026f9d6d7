"""Label-smoothed cross-entropy (Szegedy et al. 2016, section 7; Vaswani et al. 2017, section 5.4).

The target distribution puts 1 - smoothing on the right token and spreads smoothing evenly over the vocabulary:

    loss = -(1 - smoothing) * log p(token) - smoothing / vocab * sum over v of log p(v)
"""

from typing import NamedTuple

from torch import Tensor

from nmt.model.kernels.projected_loss import ProjectedLoss
from nmt.text.tokenizer import PAD


class LossSum(NamedTuple):
    """Sums over the real tokens of a batch, as float32 scalars on its device."""

    smoothed: Tensor  # the training objective; carries the gradient
    cross_entropy: Tensor  # -log p(token): its mean's exponential is the perplexity


def label_smoothed_loss(
    hidden: Tensor, weight: Tensor, target: Tensor, smoothing: float, r_drop: float = 0.0
) -> LossSum:
    """The loss of the logits `hidden weight^T`, summed over the tokens of `target` that are not PAD.

    hidden: [batch, target, dim], weight: [vocab, dim], target: [batch, target].

    With `r_drop` (alpha of Wu et al. 2021, R-Drop) the second half of the batch is the first half again, with other
    dropout masks. The loss is then the mean of both plus alpha / 2 times the mean of the two divergences between them,

        (loss_1 + loss_2) / 2 + alpha / 2 * (KL(p_1 || p_2) + KL(p_2 || p_1)) / 2,

    which is half of the paper's equation 4, so that it can be compared with the loss of one pass.
    """
    rows, tokens = hidden.flatten(0, 1), target.flatten()
    real = None
    if rows.is_cpu:
        places = (tokens != PAD).nonzero().squeeze(1)
        rows, tokens = rows.index_select(0, places), tokens.index_select(0, places)
    else:  # where the host would have to wait for their number, and each number would be a shape of its own
        real = tokens != PAD
        rows = rows.masked_fill(~real[:, None], 0)
    smoothed, cross_entropy = ProjectedLoss.apply(rows, weight, tokens, smoothing, r_drop, real)  # type: ignore[no-untyped-call]
    return LossSum(smoothed, cross_entropy)
