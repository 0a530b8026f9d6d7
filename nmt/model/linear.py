"""Linear layers, and the same for decoding on a processor: weights in the layout that its kernels want, or as integers.

A product with few rows spends much of its time on bringing the weights into that layout, so for decoding it is done
once, when a model is loaded.
"""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.runtime import INT8_ENGINE

_ROWS = 320
"""Rows that a product of decoding has, about; a layout suits others as well."""


class Linear(nn.Linear):
    """x W^T + b, of which some of the outputs can be had alone."""

    def part(self, x: Tensor, start: int, stop: int) -> Tensor:
        """The outputs from `start` to `stop`: [..., in] -> [..., stop - start]."""
        bias = None if self.bias is None else self.bias[start:stop]
        return F.linear(x, self.weight[start:stop], bias)


class PackedLinear(nn.Module):
    """The same, packed: for each range of outputs that is asked for, weights that cannot be seen any more."""

    def __init__(self, linear: nn.Linear, ranges: Iterable[tuple[int, int]], *, int8: bool) -> None:
        super().__init__()
        self.int8, self.out_features = int8, linear.out_features
        self.reduce_range = not _has_vnni()  # without it the sum of two products must fit into 16 bits
        self.packed: dict[tuple[int, int], Any] = {}
        self.bias: dict[tuple[int, int], Tensor | None] = {}
        for start, stop in ranges:
            weight = linear.weight[start:stop].detach()
            bias = None if linear.bias is None else linear.bias[start:stop].detach().clone()
            self.bias[start, stop] = bias
            self.packed[start, stop] = _pack_int8(weight, bias) if int8 else _pack(weight)

    def forward(self, x: Tensor) -> Tensor:
        """All outputs: [..., in] -> [..., out]."""
        return self.part(x, 0, self.out_features)

    def part(self, x: Tensor, start: int, stop: int) -> Tensor:
        """The outputs from `start` to `stop`, one of the ranges: [..., in] -> [..., stop - start]."""
        packed = self.packed[start, stop]
        if self.int8:
            output: Tensor = torch.ops.quantized.linear_dynamic(x, packed, self.reduce_range)
        else:
            output = torch.ops.mkldnn._linear_pointwise(x, packed, self.bias[start, stop], "none", [], "")
        return output


def can_pack(dtype: torch.dtype) -> bool:
    """Whether torch has the kernels here."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _has_vnni() -> bool:
    """Whether the processor adds products of 8-bit integers in 32 bits."""
    found: bool = torch.cpu._is_vnni_supported()
    return found


def _pack(weight: Tensor) -> Any:
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)


def _pack_int8(weight: Tensor, bias: Tensor | None) -> Any:
    """8-bit weights with a scale for each output; inputs are quantised when they come, with one scale for all."""
    torch.backends.quantized.engine = INT8_ENGINE
    scale = weight.abs().amax(dim=1).clamp_min(1e-8).double() / 127
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # tensors of quantised types go away in some later torch
        zero = torch.zeros(len(weight), dtype=torch.long)
        quantized = torch.quantize_per_channel(weight.float(), scale, zero, 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(quantized, bias)
