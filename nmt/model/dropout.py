"""Dropout (Srivastava et al. 2014), with random bytes where the processor makes them.

Drawing a float32 for each element takes 11 to 16 % of a training step on a CPU. A byte is enough: an element is kept
where its byte is at least 256 * rate, so the rate is rounded to 1/256 and the kept elements are scaled by what it was
rounded to.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
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
        if not x.is_cpu:
            return F.dropout(x, self.rate)
        threshold = max(1, round(256 * self.rate))
        dropped: Tensor = _DropByBytes.apply(x, threshold)  # type: ignore[no-untyped-call]
        return dropped


class _DropByBytes(torch.autograd.Function):
    """Comparing and selecting by booleans is slow; the same by integer arithmetic runs at the speed of memory."""

    random_bytes: Callable[[int], Tensor]

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: int) -> Tensor:
        integer, sign_bit = _INTEGERS[x.dtype]
        signed = _DropByBytes.random_bytes(x.numel()).view(x.shape).to(integer)  # from -128 to 127
        keep = (threshold - 129 - signed).bitwise_right_shift_(sign_bit)  # all bits where `signed` is above, else none
        scale = torch.tensor(256 / (256 - threshold), dtype=x.dtype).view(integer)
        ctx.factors = keep.bitwise_and_(scale).view(x.dtype)  # the scale or 0
        return x * ctx.factors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factors, None


_INTEGERS = {torch.bfloat16: (torch.int16, 15), torch.float32: (torch.int32, 31)}
"""For each number format the integers of its size, and the place of their sign bit."""


def keep_out_of_compilation() -> None:
    """Tell torch.compile to leave the drawing of bytes as it is: numpy's generators cannot be compiled."""
    _DropByBytes.random_bytes = staticmethod(torch.compiler.disable(_random_bytes))


def _random_bytes(count: int) -> Tensor:
    """Random bytes, as integers from -128 to 127; which they are follows from torch's global generator.

    That one draws the seed of a faster one (numpy's SFC64), which takes a third of its time.
    """
    seed = int(torch.randint(1 << 62, ()))
    return torch.from_numpy(np.random.SFC64(seed).random_raw((count + 7) // 8).view(np.int8))[:count]


_DropByBytes.random_bytes = staticmethod(_random_bytes)
