"""Training on a GPU: is it right, how fast is it, and what limits it?

    python benchmarks/gpu_training.py --sizes base big --batch-tokens 16384

Needs nothing but nmt and a GPU: the text is random, with lengths as in news (a median of 24 tokens a sentence), so that
batches and padding are real. First gradients are compared: bfloat16 on the GPU with float32 on the processor. Then
whole updates run, without and with torch.compile, under a check that the host never waits for the GPU. Tokens are of
both sides, without padding; the share is that of the matrix rate measured in the same run; the profile says which
kernels the time of a step goes to. With `--device cpu` the same code runs on the processor.
"""

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from nmt.config import PRESETS, ModelConfig, TrainingConfig
from nmt.data.batches import Position
from nmt.data.binary import RowWriter
from nmt.data.noise import Noise
from nmt.data.pairs import Pairs
from nmt.model.transformer import Transformer
from nmt.settings import build
from nmt.training.distributed import Processes
from nmt.training.hardware import matrix_rate, peak_memory, training_flops
from nmt.training.optimizer import MasterWeights
from nmt.training.state import TrainingState
from nmt.training.update import Updater

VOCABULARY, PAIRS = 32_000, 100_000
GROUPS = {  # parts of kernels' names -> what they compute; the first that fits counts
    "products": ("gemm", "cutlass", "xmma", "addmm", "aten::mm", "aten::bmm", "nvjet"),
    "attention": ("flash", "fmha", "attention", "softmax"),
    "optimiser": ("adam", "multi_tensor"),
    "normalisation": ("layer_norm", "LayerNorm"),
    "dropout": ("dropout", "random"),
    "sorting and gathering": ("index", "gather", "sort", "radix", "embedding"),
    "copies": ("memcpy", "Memcpy", "copy", "CatArray", "cat"),
}


def make_pairs(folder: Path) -> Pairs:
    """Random sentences of both sides, of like lengths."""
    random = np.random.default_rng(0)
    source = np.exp(random.normal(np.log(24), 0.5, PAIRS)).clip(2, 200).astype(int)
    target = (source * np.exp(random.normal(0, 0.15, PAIRS))).clip(2, 200).astype(int)
    for side, lengths in (("source", source), ("target", target)):
        with RowWriter(folder, side, VOCABULARY) as writer:
            tokens = random.integers(4, VOCABULARY, lengths.sum())
            writer.add(tokens, lengths)
    return Pairs.open(folder, 256)


def make_updater(
    size: str, pairs: Pairs, budget: int, device: torch.device, dtype: torch.dtype, compiled: bool, **changes: float
) -> Updater:
    """The updates of `nmt train --preset SIZE`."""
    fixed = dict(source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY, shared_vocabulary=True)
    config = build(ModelConfig, {**PRESETS[size], **changes}, **fixed)
    training = build(TrainingConfig, {**PRESETS[size], "batch_tokens": budget})
    torch.manual_seed(0)
    model = Transformer(config).to(device)
    model.place_positions(device, dtype)
    if compiled:
        model.compile_layers()
    noise = Noise((), 0.0, 0.0, config.max_length)
    return Updater(model.train(), MasterWeights(model, training, dtype), training, pairs, noise, Processes())


def compare_gradients(size: str, pairs: Pairs, device: torch.device) -> None:
    """bfloat16 on the device against float32 on the processor: one batch, no dropout."""
    found = []
    for place, dtype in ((torch.device("cpu"), torch.float32), (device, torch.float32), (device, torch.bfloat16)):
        updater = make_updater(size, pairs, 1024, place, dtype, compiled=False, dropout=0.0)
        position, rows = next(updater.batches(Position(0, 0)))
        updater.collect_gradient({0: updater.read(position, rows)}, TrainingState())
        found.append(updater.master.gradient.double().cpu())
    exact, *others = found
    for name, other in zip(("float32", "bfloat16"), others, strict=True):
        error = float((other - exact).norm() / exact.norm())
        print(f"{size}: gradient in {name} on {device} against float32 on cpu: relative error {error:.1e}")
        assert error < (1e-3 if name == "float32" else 0.1), "the gradient is wrong"


@contextmanager
def never_waiting(device: torch.device) -> Iterator[None]:
    """An error where the host waits for the GPU."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(size: str, pairs: Pairs, budget: int, device: torch.device, steps: int, compiled: bool) -> None:
    """Updates after a warm-up: tokens a second, share of the matrix rate, memory, and the profile of some."""
    updater = make_updater(size, pairs, budget, device, torch.bfloat16, compiled)
    state, batches = TrainingState(), updater.batches(Position(0, 0))
    begin = time.perf_counter()
    for _ in range(max(2, steps // 4)):
        updater.update(batches, state)
        state.step += 1
    synchronize(device)
    warm = time.perf_counter() - begin
    rates, shares = [], []
    rate = matrix_rate(device, torch.bfloat16, updater.model.config.dim)
    for _ in range(5):
        begin, source, target = time.perf_counter(), 0, 0
        with never_waiting(device):
            for _ in range(max(1, steps // 5)):
                update = updater.update(batches, state)
                state.step += 1
                source, target = source + update.source_tokens, target + update.target_tokens
        synchronize(device)
        seconds = time.perf_counter() - begin
        rates.append((source + target) / seconds)
        shares.append(training_flops(updater.model.config, source, target) / seconds / rate)
    print(
        f"{size}{', compiled' if compiled else ''}: {np.median(rates):,.0f} tokens/s [{min(rates):,.0f} to "
        f"{max(rates):,.0f}], {np.median(shares):.0%} of {rate / 1e12:,.1f} TFLOP/s, peak "
        f"{peak_memory(device):,.0f} MB, warm-up {warm:.0f} s",
        flush=True,
    )
    profile(updater, batches, state, device)


def profile(updater: Updater, batches: Iterator, state: TrainingState, device: torch.device) -> None:  # type: ignore[type-arg]
    """Where the time of a few updates goes."""
    gpu = device.type == "cuda"
    activity = torch.profiler.ProfilerActivity.CUDA if gpu else torch.profiler.ProfilerActivity.CPU
    synchronize(device)
    begin = time.perf_counter()
    with torch.profiler.profile(activities=[activity]) as profiled:
        for _ in range(5):
            updater.update(batches, state)
            state.step += 1
        synchronize(device)
    wall = time.perf_counter() - begin
    spent: Counter[str] = Counter()
    for event in profiled.key_averages():
        group = next((group for group, parts in GROUPS.items() if any(part in event.key for part in parts)), "the rest")
        spent[group] += (event.self_device_time_total if gpu else event.self_cpu_time_total) / 1e6
    shares = ", ".join(f"{group} {seconds / wall:.0%}" for group, seconds in spent.most_common())
    print(f"    of {wall / 5 * 1e3:.1f} ms an update: {shares}, idle {max(0.0, 1 - sum(spent.values()) / wall):.0%}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", choices=sorted(set(PRESETS) - {"auto"}), default=["base", "big"])
    parser.add_argument("--batch-tokens", type=int, default=16_384)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--no-compile", action="store_true")
    given = parser.parse_args()
    device = torch.device(given.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    print(f"{name}, torch {torch.__version__}, batches of {given.batch_tokens:,} tokens a side")
    with tempfile.TemporaryDirectory() as folder:
        pairs = make_pairs(Path(folder))
        for size in given.sizes:
            compare_gradients(size, pairs, device)
            for compiled in (False,) if given.no_compile else (False, True):
                measure(size, pairs, given.batch_tokens, device, given.steps, compiled)


if __name__ == "__main__":
    main()
