"""Estimate the time of a training step on a GPU without one, from its kernels, operations and bytes.

    python benchmarks/gpu_roofline.py --sizes base big --batch-tokens 25000

Steps of `nmt train --preset SIZE` run at full size on torch's meta device, which computes shapes but no values. For
each operation that launches a kernel, the script counts the floating-point operations and the bytes read and written.
The kernel takes the longer of the two times at the given peaks (defaults: three quarters of an H100's), and at least 2
microseconds. The host needs 6 microseconds per launch; the slower of host and GPU sets the step time. The text is that
of gpu.py.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from gpu import Plan
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from nmt.data.batches import Position
from nmt.training.checkpoint import TrainingState
from nmt.training.throughput import training_flops

SHORTEST, LAUNCH = 2e-6, 6e-6
"""Seconds of the shortest kernel, and of a kernel launch from Python."""
NO_KERNEL = ("empty", "detach", "_unsafe_view", "_reshape_alias", "alias", "lift_fresh", "new_empty")


class Roofline(TorchDispatchMode):
    """Add up the time of each operation on the device."""

    def __init__(self, flops: float, bandwidth: float) -> None:
        super().__init__()
        self.rates = flops, bandwidth
        self.kernels: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()
        self.operations, self.bytes = 0.0, 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [one for one in tree_leaves((args, kwargs, result)) if isinstance(one, torch.Tensor)]
        name = func._schema.name.removeprefix("aten::")
        if func.is_view or name.startswith(NO_KERNEL) or not any(one.is_meta for one in tensors):
            return result
        count = flop_registry.get(func._overloadpacket)
        operations = float(count(*args, **(kwargs or {}), out_val=result)) if count else 0.0
        moved = sum(one.numel() * one.itemsize for one in {id(one): one for one in tensors if one.is_meta}.values())
        if name in ("embedding", "index_select", "index", "gather"):  # reads only some rows of the table
            moved = 2 * sum(one.numel() * one.itemsize for one in tree_leaves(result))
        self.add(name, operations, moved)
        return result

    def add(self, name: str, operations: float, moved: float) -> None:
        """Count a kernel."""
        self.kernels[name] += 1
        self.seconds[name] += max(SHORTEST, operations / self.rates[0], moved / self.rates[1])
        self.operations += operations
        self.bytes += moved


class Attention(torch.autograd.Function):
    """Fused attention as on a GPU, one kernel forward and one backward; the meta device has none."""

    counted: Roofline | None = None

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        ctx.save_for_backward(query, key, value)
        batch, heads, time, dim = query.shape
        Attention.count("attention", 4.0 * query.numel() * key.size(2), [query, key, value, query])
        return query.new_empty((batch, time, heads, dim)).transpose(1, 2)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, ...]:
        query, key, value = ctx.saved_tensors
        Attention.count("attention backward", 10.0 * query.numel() * key.size(2), 2 * [query, key, value, query])
        return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)

    @staticmethod
    def count(name: str, operations: float, moved: Sequence[Tensor]) -> None:
        if Attention.counted is not None:
            Attention.counted.add(name, operations, sum(one.numel() * one.itemsize for one in moved))


class Dropout(torch.autograd.Function):
    """Fused dropout as on a GPU; its mask has one byte per element."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        Attention.count("dropout", 0.0, [x, x, x.new_empty(x.shape, dtype=torch.uint8)])
        return torch.empty_like(x)

    @staticmethod
    def backward(_: Any, *gradients: Tensor) -> Tensor:
        x = gradients[0]
        Attention.count("dropout backward", 0.0, [x, x, x.new_empty(x.shape, dtype=torch.uint8)])
        return torch.empty_like(x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["base", "big"])
    parser.add_argument("--batch-tokens", type=int, default=25_000)
    parser.add_argument("--flops", type=float, default=0.75 * 989e12, help="floating-point operations per second")
    parser.add_argument("--bandwidth", type=float, default=0.75 * 3.35e12, help="bytes per second")
    given = parser.parse_args()
    plan = Plan(argparse.Namespace(device="cpu", quick=False))
    plan.device, plan.dtype = torch.device("meta"), torch.bfloat16
    fused = mock.patch("torch.optim.optimizer._get_fused_kernels_supported_devices", lambda: ["meta"])
    pinned = mock.patch.object(torch.Tensor, "pin_memory", lambda self: self)
    attention = mock.patch.object(
        torch.nn.functional, "scaled_dot_product_attention", lambda q, k, v, *_, **__: Attention.apply(q, k, v)
    )
    dropout = mock.patch.object(torch.nn.functional, "dropout", lambda x, *_, **__: Dropout.apply(x))
    with tempfile.TemporaryDirectory() as folder, pinned, fused, attention, dropout:
        data = plan.make_pairs(Path(folder))
        for size in given.sizes:
            runner = plan.runner(size, data, given.batch_tokens)
            batches, state = runner.batches(Position(0, 0)), TrainingState()
            runner.run(batches, state)
            step_batches = next(batches)
            with Roofline(given.flops, given.bandwidth) as counted:
                Attention.counted = counted
                runner.run(iter([step_batches]), state)
                Attention.counted = None
            source, target = (
                sum(sum(batch.lengths[side]) for batch in step_batches.batches.values()) for side in (0, 1)
            )
            gpu, host = sum(counted.seconds.values()), counted.kernels.total() * LAUNCH
            step = max(gpu, host)
            useful = training_flops(runner.model.config, source, target)
            print(
                f"{size}: {source:,} + {target:,} tokens, {counted.kernels.total():,} kernels, "
                f"{counted.operations / 1e12:.1f} TFLOP, {counted.bytes / 1e9:.1f} GB; GPU {gpu * 1e3:.1f} ms, host "
                f"{host * 1e3:.1f} ms: {(source + target) / step:,.0f} tokens/s, MFU {useful / step / given.flops:.0%}"
            )
            shares_of = ", ".join(f"{name} {seconds / gpu:.0%}" for name, seconds in counted.seconds.most_common(9))
            print(f"    {shares_of}")


if __name__ == "__main__":
    main()
