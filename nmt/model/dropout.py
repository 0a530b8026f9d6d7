"""Dropout (Srivastava et al. 2014), with random bytes where the processor makes them.

Drawing a float32 for each element takes 11 to 16 % of a training step on a CPU. A byte is enough: an element is kept
where its byte is at least 256 * rate, so the rate is rounded to 1/256 and the kept elements are scaled by what it was
rounded to.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Module):
    """While training, set a random `rate` of the elements to zero and scale the others so that the mean stays."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """x, or while training x with elements dropped."""
        if not self.training or self.rate == 0:
            return x
        if x.is_cuda:
            return F.dropout(x, self.rate)
        threshold = max(1, round(256 * self.rate))
        dropped: Tensor = _DropByBytes.apply(x, threshold)  # type: ignore[no-untyped-call]
        return dropped


class _DropByBytes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: int) -> Tensor:
        ctx.keep = _random_bytes(x) >= threshold
        ctx.scale = 256 / (256 - threshold)
        return x * ctx.keep * ctx.scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.keep * ctx.scale, None


def _random_bytes(like: Tensor) -> Tensor:
    """A random byte for each element of a tensor, from torch's global generator, eight at a draw."""
    words = torch.empty((like.numel() + 7) // 8, dtype=torch.int64).random_(-(2**63), None)
    return words.view(torch.uint8)[: like.numel()].view(like.shape)
