"""Throughput: the matmul peak of the machine, and the floating-point operations of training."""

import time
from datetime import UTC, datetime
from typing import Any

import torch

from nmt import __version__
from nmt.config.model import ModelConfig
from nmt.runtime import device_name, on_gpu, synchronize


def measure_peak_flops(device: torch.device, dtype: torch.dtype, width: int) -> float:
    """Measure the floating-point operations per second of matrix products as large as a model's of this width."""
    products, rows = (
        (50, 16_384) if on_gpu(device) else (1, 1024)
    )  # between synchronizations, which take time themselves
    x, weight = torch.randn(rows, width), torch.randn(4 * width, width)
    x, weight = x.to(device, dtype), weight.to(device, dtype)
    times = []
    for _ in range(20):
        synchronize(device)
        begin = time.perf_counter()
        for _ in range(products):
            torch.nn.functional.linear(x, weight)
        synchronize(device)
        times.append((time.perf_counter() - begin) / products)
    return 2 * rows * 4 * width * width / min(times)  # the others were disturbed


def describe_machine(device: torch.device, dtype: torch.dtype, processes: int) -> dict[str, Any]:
    """The machine and the software, for the log: a throughput means nothing without them."""
    return {
        "device": device_name(device),
        "precision": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "processes": processes,
        "torch": torch.__version__,
        "nmt": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def training_flops(config: ModelConfig, source_tokens: int, target_tokens: int) -> float:
    """Floating-point operations of forward and backward passes over these tokens.

    Six for each weight that a token is multiplied with: two in the forward pass, four in the backward pass. Attention's
    own products, of queries with keys and weights with values, are left out: a few percent at a sentence's length.
    """
    square, feed_forward = config.dim * config.dim, 2 * config.dim * config.feed_forward
    source = config.encoder_layers * (4 * square + feed_forward) + config.decoder_layers * 2 * square
    target = config.decoder_layers * (6 * square + feed_forward) + config.dim * config.target_vocabulary
    return 6.0 * (source * source_tokens + target * target_tokens)
