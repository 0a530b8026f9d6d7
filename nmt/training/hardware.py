"""What the machine gives: the rate of its matrix products, and how many of them training makes."""

import statistics
import time
from datetime import UTC, datetime
from typing import Any

import torch

from nmt import __version__
from nmt.config import ModelConfig
from nmt.runtime import device_name, on_gpu, synchronize


def matrix_rate(device: torch.device, dtype: torch.dtype, width: int) -> float:
    """Floating-point operations a second in a product of the size that a model of this width makes: measured."""
    products, rows = (50, 16_384) if on_gpu(device) else (1, 1024)  # between two waits, which take time themselves
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
    return 2 * rows * 4 * width * width / statistics.median(times)


def describe_machine(device: torch.device, dtype: torch.dtype, processes: int) -> dict[str, Any]:
    """What training runs on, for the log: with it a figure of speed means something."""
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
    """Floating-point operations of forward and backward over so many tokens.

    Six for each weight that a token is multiplied with: two in the forward pass, four in the backward. The products of
    queries with keys and of weights with values are left out; at a sentence's length they are a few percent.
    """
    square, feed_forward = config.dim * config.dim, 2 * config.dim * config.feed_forward
    source = config.encoder_layers * (4 * square + feed_forward) + config.decoder_layers * 2 * square
    target = config.decoder_layers * (6 * square + feed_forward) + config.dim * config.target_vocabulary
    return 6.0 * (source * source_tokens + target * target_tokens)
