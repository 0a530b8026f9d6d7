"""Linear layers for decoding on a CPU: weights packed once in the layout of its kernels, or as 8-bit integers.

A product with few rows spends much of its time on bringing the weights into that layout, so a model does it once, when
it is loaded. The operators are private to torch: `can_pack` probes them, and without them layers stay as they are.
"""

import warnings
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from nmt.runtime import INT8_ENGINE

_ROWS = 320  # of a typical product of decoding, for which the layout is chosen; it suits others as well


class PackedLinear(nn.Module):
    """x W^T + b with packed weights, which cannot be read back, for each range of outputs to be computed alone."""

    def __init__(self, linear: nn.Linear, ranges: Iterable[tuple[int, int]], *, int8: bool) -> None:
        super().__init__()
        self.int8, self.out_features = int8, linear.out_features
        self.reduce_range = int8 and not torch.cpu._is_vnni_supported()  # else the sum of two products overflows
        self.packed: dict[tuple[int, int], Any] = {}
        self.bias: dict[tuple[int, int], Tensor | None] = {}
        for start, stop in ranges:
            weight = linear.weight[start:stop].detach()
            bias = None if linear.bias is None else linear.bias[start:stop].detach().clone()
            self.bias[start, stop] = bias
            self.packed[start, stop] = (
                _quantize(weight, bias) if int8 else torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
            )

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


def pack_linear_layers(model: nn.Module, *, int8: bool) -> None:
    """Replace all linear layers of a Transformer by packed ones; it can only decode from then on."""
    for name, module in list(model.named_modules()):
        for key, linear in list(module.named_children()):
            if isinstance(linear, nn.Linear):
                ranges = [(0, linear.out_features)]
                if name.endswith("cross_attention") and key == "project_in":  # queries apart from keys and values
                    dim = linear.in_features
                    ranges = [(0, dim), (dim, 3 * dim)]
                setattr(module, key, PackedLinear(linear, ranges, int8=int8))


@cache
def can_pack(dtype: torch.dtype, *, int8: bool = False) -> bool:
    """Whether this torch has the operators, and they give the results of a plain linear layer."""
    try:
        with torch.random.fork_rng(devices=()), torch.inference_mode():
            linear, x = nn.Linear(32, 32).to(dtype), torch.randn(4, 32).to(dtype)
            packed = PackedLinear(linear, [(0, 32)], int8=int8)
            return torch.allclose(packed(x).float(), linear(x).float(), atol=0.1, rtol=0.1)
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):
        return False


def _quantize(weight: Tensor, bias: Tensor | None) -> Any:
    """Quantize weights to 8 bits, with a scale for each output; inputs are quantized at run time, with one scale."""
    torch.backends.quantized.engine = INT8_ENGINE
    scale = weight.abs().amax(dim=1).clamp_min(1e-8).double() / 127
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # quantized tensors are deprecated
        zero = torch.zeros(len(weight), dtype=torch.long)
        quantized = torch.quantize_per_channel(weight.float(), scale, zero, 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(quantized, bias)
