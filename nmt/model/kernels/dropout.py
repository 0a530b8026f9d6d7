"""Dropout (Srivastava et al. 2014), on a CPU with random bytes.

Drawing a float32 for each element takes 11 to 16 % of a training step on a CPU. A byte is enough: the probability is
rounded to 1/256, and the kept elements are scaled by the rounded one.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Module):
    """While training, zero each element with a probability, and scale the others so that the mean stays."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        """x, or while training x with elements dropped."""
        if not self.training or self.probability == 0:
            return x
        if not x.is_cpu:
            return F.dropout(x, self.probability)
        threshold = max(1, round(256 * self.probability))
        dropped: Tensor = _DropByBytes.apply(x, threshold)  # type: ignore[no-untyped-call]
        return dropped


def _random_bytes(count: int) -> Tensor:
    """Random integers from -128 to 127, determined by torch's global generator."""
    seed = int(torch.randint(1 << 62, ()))  # of a generator that takes a third of the time
    return torch.from_numpy(np.random.SFC64(seed).random_raw((count + 7) // 8).view(np.int8))[:count]


class _DropByBytes(torch.autograd.Function):
    """Dropout by integer arithmetic, which runs at the speed of memory; comparisons and booleans are slower."""

    random_bytes = staticmethod(_random_bytes)

    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: int) -> Tensor:
        integer, sign_bit = _INTEGERS[x.dtype]
        signed = _DropByBytes.random_bytes(x.numel()).view(x.shape).to(integer)
        keep = (threshold - 129 - signed).bitwise_right_shift_(sign_bit)  # all bits where `signed` is above, else none
        scale = torch.tensor(256 / (256 - threshold), dtype=x.dtype).view(integer)
        ctx.factors = keep.bitwise_and_(scale).view(x.dtype)  # the scale or 0
        return x * ctx.factors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factors, None


_INTEGERS = {torch.bfloat16: (torch.int16, 15), torch.float32: (torch.int32, 31)}  # and their sign bits


def exclude_from_compilation() -> None:
    """Keep torch.compile from tracing into numpy's generators, which it cannot compile."""
    _DropByBytes.random_bytes = staticmethod(torch.compiler.disable(_random_bytes))
