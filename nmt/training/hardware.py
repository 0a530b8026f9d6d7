"""What the machine gives: the rate of its matrix products, the share of it that training uses, and memory."""

import platform
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from nmt import __version__
from nmt.config import ModelConfig


def matrix_rate(device: torch.device, dtype: torch.dtype, width: int) -> float:
    """Floating-point operations a second in a product of the size that a model of this width makes: measured."""
    rows = 1024 if device.type == "cpu" else 16_384
    x, weight = torch.randn(rows, width), torch.randn(4 * width, width)
    x, weight = x.to(device, dtype), weight.to(device, dtype)
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        torch.nn.functional.linear(x, weight)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begin)
    return 2 * rows * 4 * width * width / statistics.median(times)


def describe_machine(device: torch.device, dtype: torch.dtype, processes: int) -> dict[str, Any]:
    """What training runs on, for the log: with it a figure of speed means something."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor_name(),
        "precision": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "processes": processes,
        "torch": torch.__version__,
        "nmt": __version__,
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processor_name() -> str:
    """What the processor calls itself, as far as the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def training_flops(config: ModelConfig, source_tokens: int, target_tokens: int) -> float:
    """Floating-point operations of forward and backward over so many tokens.

    Six for each weight that a token is multiplied with: two in the forward pass, four in the backward. The products of
    queries with keys and of weights with values are left out; at a sentence's length they are a few percent.
    """
    square, feed_forward = config.dim * config.dim, 2 * config.dim * config.feed_forward
    source = config.encoder_layers * (4 * square + feed_forward) + config.decoder_layers * 2 * square
    target = config.decoder_layers * (6 * square + feed_forward) + config.dim * config.target_vocabulary
    return 6.0 * (source * source_tokens + target * target_tokens)


def peak_memory(device: torch.device) -> float:
    """The most memory used so far in MB: of the GPU, or of this process (0 where the system does not say)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return 0.0
    if sys.platform == "linux":  # where getrusage also counts what the process was forked from
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 2**10
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
