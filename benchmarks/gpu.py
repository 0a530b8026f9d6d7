"""A GPU: does everything work on it, is it right, how fast is it, and what limits it? In under ten minutes.

    pip install '.[test]' && python benchmarks/gpu.py --output benchmarks/results/gpu.txt

Needs nothing but a checkout of nmt and a GPU. Each part runs in a process of its own, which may fail or run out of its
time without harm to the others; what it prints, with the cause of a failure, is written as it comes.

versions    what is installed, and which kernels attention runs on in training and in decoding
commands    small trainings through the command line: to the end, resumed, from a model, with EMA, R-Drop, Muon
tests       tests/gpu: the same as on the emulated device, and kernels beside float64 on the CPU, eager and compiled
memory      a training whose batches do not fit: it goes on in parts
training    base and big, batches of 8,000 and 25,000 tokens a side, eager and compiled, while the host must not wait:
            tokens/s of both sides without padding, MFU of the measured matmul peak, kernels a step, share idle, memory
decoding    1,000 lines, base with random weights, 25 tokens each, beams of 1 and 5; beside CTranslate2 float16, if any

The text is random, with lengths as in news (a median of 24 tokens). With `--device cpu --quick` the script itself can
be tried without a GPU; those figures mean nothing.
"""

import argparse
import copy
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import numpy as np
import torch

from nmt import __version__
from nmt.config import PRESETS, ModelConfig, SearchConfig, TrainingConfig
from nmt.data.batches import Position
from nmt.data.binary import RowWriter
from nmt.data.noise import Noise
from nmt.data.pairs import Pairs
from nmt.decoding.engine import TorchEngine
from nmt.decoding.hypotheses import Request
from nmt.decoding.translate import length_batches
from nmt.model.transformer import Transformer
from nmt.model.weights import LoadedModel
from nmt.runtime import choose_device, choose_dtype, device_name, peak_memory, synchronize, use_device
from nmt.settings import build
from nmt.text.tokenizer import END
from nmt.training.distributed import Processes
from nmt.training.hardware import matrix_rate, training_flops
from nmt.training.optimizer import MasterWeights
from nmt.training.state import TrainingState
from nmt.training.update import Updater

ROOT = Path(__file__).parents[1]
VOCABULARY, PAIRS = 32_000, 100_000
PARTS = {"versions": 60, "commands": 150, "tests": 200, "memory": 60, "training": 330, "decoding": 120}
"""The parts, and the seconds that each may take; together they stay under ten minutes on an H100."""
TARGETS = {"base": 0.30, "big": 0.40}
"""MFU to reach with 25,000 tokens."""


class Plan:
    """What is measured, and where."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.device = choose_device(given.device)
        use_device(self.device)
        self.dtype = choose_dtype("auto", self.device, exact=False)
        self.quick: bool = given.quick
        self.sizes = {"tiny": 0.0} if given.quick else TARGETS
        self.budgets = [500] if given.quick else [8_000, 25_000]
        self.steps, self.lines = (4, 20) if given.quick else (40, 1000)
        self.pairs = 2_000 if given.quick else PAIRS

    def make_pairs(self, folder: Path) -> Pairs:
        """Random sentences of both sides, of like lengths."""
        random = np.random.default_rng(0)
        source = np.exp(random.normal(np.log(24), 0.5, self.pairs)).clip(2, 200).astype(int)
        target = (source * np.exp(random.normal(0, 0.15, self.pairs))).clip(2, 200).astype(int)
        for side, lengths in (("source", source), ("target", target)):
            with RowWriter(folder, side, VOCABULARY) as writer:
                writer.add(random.integers(4, VOCABULARY, lengths.sum()), lengths)
        return Pairs.open(folder, 256)

    def model(self, size: str, **changes: Any) -> Transformer:
        """A model of a preset's shape with random weights."""
        fixed = dict(source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY, shared_vocabulary=True)
        torch.manual_seed(0)
        model = Transformer(build(ModelConfig, {**PRESETS[size], **changes}, **fixed)).to(self.device)
        model.place_positions(self.device, self.dtype)
        return model

    def updater(self, size: str, pairs: Pairs, budget: int, *, compiled: bool = False) -> Updater:
        """The steps of `nmt train --preset SIZE`."""
        training = build(TrainingConfig, {**PRESETS[size], "batch_tokens": budget})
        model = self.model(size).train()
        if compiled:
            model.compile_layers()
        noise = Noise((), 0.0, 0.0, model.config.max_length)
        return Updater(model, MasterWeights(model, training, self.dtype), training, pairs, noise, Processes())


# ---------------------------------------------------------------------------------------------------------------- parts


def versions(plan: Plan) -> None:
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, nmt {__version__}, torch {torch.__version__}, {platform.platform()}"
    )
    if plan.device.type == "cuda":
        capability = ".".join(map(str, torch.cuda.get_device_capability(plan.device)))
        print(f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}, compute capability {capability}")
    memory = torch.get_device_module(plan.device).mem_get_info() if plan.device.type == "cuda" else (0, 0)
    print(f"{device_name(plan.device)}, {memory[1] / 2**30:.0f} GiB, {plan.dtype}")
    with tempfile.TemporaryDirectory() as folder:
        updater = plan.updater("tiny" if plan.quick else "base", plan.make_pairs(Path(folder)), 2_000)
        shares, state = updater.shares(Position(0, 0)), TrainingState()
        updater.update(shares, state)
        kernels, _, _ = profiled(plan, lambda: updater.update(shares, state), 1)
        print("attention in training:", ", ".join(attention_kernels(kernels)))
    model = plan.model("tiny" if plan.quick else "base").to(plan.dtype).eval()
    kernels, _, _ = profiled(plan, lambda: decode(plan, model, [[5, 6, 7, END]] * 8, beam=5, length=6), 1)
    print("attention in decoding:", ", ".join(attention_kernels(kernels)))


def attention_kernels(kernels: Counter[str]) -> list[str]:
    parts = ("flash", "fmha", "attention", "softmax", "cudnn")
    found = [name[:90] for name in kernels if any(part in name.lower() for part in parts)]
    return sorted(set(found)) or ["none found by name"]


def commands(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"

        def nmt(*arguments: object, output: bool = False) -> str:
            done = subprocess.run(
                [sys.executable, "-m", "nmt", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT
            )
            if done.returncode:
                raise RuntimeError(f"nmt {' '.join(map(str, arguments))}:\n{done.stderr[-1500:]}")
            return done.stdout if output else done.stderr

        data = ROOT / "data"
        nmt("tokenizer", "train", data / "train.ko", data / "train.en", "--run", run, "--vocab-size", 1500)
        files = ["--valid", data / "valid.ko", data / "valid.en", "--test", data / "test.ko", data / "test.en"]
        nmt("prepare", data / "train.ko", data / "train.en", *files, "--run", run)
        steps = 20 if plan.quick else 200
        each = ["--device", plan.device, "--preset", "tiny", "--log-every", 10]
        each += ["--validate-every", steps, "--save-every", steps // 4]
        for name, options in {
            "to the end, with the mean of checkpoints": ["--steps", steps // 2],
            "resumed": ["--steps", steps],
            "Adam, moving average": ["--optimizer", "adam", "--ema", 0.99, "--steps", steps],
            "R-Drop, subword sampling": ["--r-drop", 3, "--subword-sampling", 0.1, "--steps", steps],
            "from a model": ["--init-from", run / "model", "--steps", steps],
            "float32": ["--precision", "float32", "--steps", steps],
            "batch tokens auto": ["--batch-tokens", "auto", "--steps", steps],
        }.items():
            place = run
            if name not in ("to the end, with the mean of checkpoints", "resumed"):
                place = Path(folder) / name.replace(" ", "-")
                (place / "data").parent.mkdir()
                (place / "data").symlink_to(run / "data")
                (place / "tokenizer.model").symlink_to(run / "tokenizer.model")
            begin = time.perf_counter()
            told = nmt("train", "--run", place, *each, *options)
            last = [line for line in told.splitlines() if "validation" in line]
            print(
                f"{name}: {time.perf_counter() - begin:.0f} s; {last[-1] if last else told.splitlines()[-1]}",
                flush=True,
            )
        nmt("eval", "--run", run, "--device", plan.device)
        exact = ["--run", run, "--precision", "float32", data / "test.ko", "--device"]
        same = [nmt("translate", *exact, device, output=True) for device in (plan.device, "cpu")]
        lines = list(zip(*(one.splitlines() for one in same), strict=True))
        print(f"translations in float32: {sum(a == b for a, b in lines)} of {len(lines)} lines are those of the CPU")


def tests(plan: Plan) -> None:
    where = ["tests/gpu/test_kernels.py", "-k", "dropout"] if plan.quick else ["tests/gpu"]
    command = [sys.executable, "-m", "pytest", "-q", "-x" if plan.quick else "--maxfail=5", "--tb=short", *where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-4000:])
    if done.returncode:
        raise RuntimeError("some of tests/gpu failed")


def memory(plan: Plan) -> None:
    if plan.device.type != "cuda":
        print("only CUDA can be told to have less memory")
        return
    with tempfile.TemporaryDirectory() as folder:
        updater = plan.updater("base", plan.make_pairs(Path(folder)), 25_000)
        shares, state = updater.shares(Position(0, 0)), TrainingState()
        updater.update(shares, state)
        needed, total = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[1]
        held = torch.cuda.memory_allocated()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction((held + (needed - held) / 3) / total)
        for _ in range(3):
            state.step += 1
            norm = float(updater.update(shares, state).norm)
        print(f"with a third of the memory for a step: {state.parts} parts, gradient norm {norm:.2f}")
        assert state.parts > 1, "memory did not run out"


def training(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pairs = plan.make_pairs(Path(folder))
        for compiled in (False, True):
            for size, target in plan.sizes.items():
                rate = matrix_rate(plan.device, plan.dtype, int(str(PRESETS[size]["dim"])))
                for budget in plan.budgets:
                    try:
                        measure(plan, plan.updater(size, pairs, budget, compiled=compiled), rate, target, compiled)
                    except Exception:
                        print(
                            f"{size}, {budget:,} tokens, compiled {compiled}: {traceback.format_exc(limit=-4)}",
                            flush=True,
                        )


def measure(plan: Plan, updater: Updater, rate: float, target: float, compiled: bool) -> None:
    """Steps after a warm-up, under a check that the host never waits; and the profile of some."""
    state, shares = TrainingState(), updater.shares(Position(0, 0))

    def step() -> torch.Tensor:
        state.step += 1
        return updater.update(shares, state).totals

    begin = time.perf_counter()
    for _ in range(plan.steps // 2):
        step()
    synchronize(plan.device)
    warm, rates, shares_of_rate = time.perf_counter() - begin, [], []
    for _ in range(5):
        begin = time.perf_counter()
        with never_waiting(plan.device):
            totals = [step() for _ in range(plan.steps // 4)]
        synchronize(plan.device)
        seconds = time.perf_counter() - begin
        source, target_tokens = torch.stack(totals).sum(dim=0)[2:].tolist()
        rates.append((source + target_tokens) / seconds)
        shares_of_rate.append(training_flops(updater.model.config, int(source), int(target_tokens)) / seconds / rate)
    kernels, busy, wall = profiled(plan, step, 5)
    budget, dim = updater.config.batch_tokens, updater.model.config.dim
    verdict = f", target {target:.0%}" if budget == 25_000 else ""
    print(
        f"d {dim}, {budget:,} tokens{', compiled' if compiled else ''}: {np.median(rates):,.0f} tokens/s "
        f"[{min(rates):,.0f} to {max(rates):,.0f}], MFU {np.median(shares_of_rate):.0%} of {rate / 1e12:,.1f} TFLOP/s"
        f"{verdict}; {kernels.total() / 5:,.0f} kernels and {wall / 5 * 1e3:.1f} ms a step, "
        f"{max(0.0, 1 - busy / wall):.0%} idle; peak {peak_memory(plan.device):,.0f} MB, warm-up {warm:.0f} s",
        flush=True,
    )


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


def profiled(plan: Plan, work: Callable[[], object], times: int) -> tuple[Counter[str], float, float]:
    """Kernels by name of so many runs, the seconds in which any of them ran, and all seconds."""
    gpu = plan.device.type == "cuda"
    activity = torch.profiler.ProfilerActivity.CUDA if gpu else torch.profiler.ProfilerActivity.CPU
    synchronize(plan.device)
    begin = time.perf_counter()
    with torch.profiler.profile(activities=[activity]) as profile:
        for _ in range(times):
            work()
        synchronize(plan.device)
        wall = time.perf_counter() - begin
    kernels: Counter[str] = Counter()
    seconds = 0.0
    for event in profile.key_averages():
        kernels[event.key] += event.count
        seconds += (event.self_device_time_total if gpu else event.self_cpu_time_total) / 1e6
    return kernels, seconds, wall


def decoding(plan: Plan) -> None:
    size, length = ("tiny", 6) if plan.quick else ("base", 25)
    model = plan.model(size).to(plan.dtype).eval()
    lengths = np.exp(np.random.default_rng(0).normal(np.log(24), 0.5, plan.lines)).clip(2, 200).astype(int)
    sources = [[*np.random.default_rng(n).integers(4, VOCABULARY, n).tolist(), END] for n in lengths]
    export = None
    for beam in (1, 5):
        times = []
        for _ in range(4):
            begin = time.perf_counter()
            decode(plan, model, sources, beam, length)
            times.append(time.perf_counter() - begin)
        ours = plan.lines / float(np.median(times[1:]))
        print(f"beam {beam}: nmt {ours:,.0f} sentences/s, {ours * length:,.0f} tokens/s, {plan.dtype}", flush=True)
        try:
            export = export or exported(plan, model)
        except Exception as error:
            print(f"beside CTranslate2: not measured: {error}", flush=True)
            continue
        times = []
        pieces = [[f"p{token}" for token in source[:-1]] for source in sources]
        for _ in range(4):
            begin = time.perf_counter()
            export.translate_batch(
                pieces, beam_size=beam, max_decoding_length=length, min_decoding_length=length, max_input_length=0,
                max_batch_size=100_000 // beam, batch_type="tokens",
            )  # fmt: skip
            times.append(time.perf_counter() - begin)
        theirs = plan.lines / float(np.median(times[1:]))
        print(
            f"beam {beam}: CTranslate2 float16 {theirs:,.0f} sentences/s; nmt {ours / theirs:.2f} times, target 1",
            flush=True,
        )


def decode(plan: Plan, model: Transformer, sources: list[list[int]], beam: int, length: int) -> None:
    """Translations of exactly so many tokens, in batches as `nmt translate` makes them."""
    config = SearchConfig(beam=beam, loop_guard=False)
    engine = TorchEngine([model], plan.device)
    request = Request(max_length=length, min_length=length)
    for batch in length_batches([len(source) for source in sources], config.source_tokens(gpu=True)):
        engine.search([sources[index] for index in batch], [request] * len(batch), config)


def exported(plan: Plan, model: Transformer) -> Any:
    """The same weights in CTranslate2, whose vocabulary is p0, p1, ..."""
    import ctranslate2

    from nmt.export.ctranslate2 import make_spec

    class Tokenizer:
        def pieces(self, tokens: Iterable[int]) -> list[str]:
            return [f"p{token}" for token in tokens]

        def vocabulary(self) -> list[str]:
            return self.pieces(range(VOCABULARY))

    both: Any = SimpleNamespace(source=Tokenizer(), target=Tokenizer())
    spec = make_spec(LoadedModel(copy.deepcopy(model).float().cpu(), both, {}))
    spec.validate()
    spec.optimize(quantization="float16")
    spec.save(folder := tempfile.mkdtemp())
    return ctranslate2.Translator(folder, device=plan.device.type, compute_type="default" if plan.quick else "float16")


# --------------------------------------------------------------------------------------------------------- all of it


def run_part(name: str, given: argparse.Namespace, output: TextIO) -> bool:
    """A part in a process of its own, its lines as they come; whether it came to its end."""
    command = [sys.executable, "-u", __file__, "--device", given.device, "--part", name]
    command += ["--quick"] if given.quick else []
    begin = time.perf_counter()
    process = subprocess.Popen(
        ["timeout", str(PARTS[name]), *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    assert process.stdout is not None
    say(output, f"\n== {name}")
    for line in process.stdout:
        say(output, line.rstrip())
    code = process.wait()
    problem = {0: "", 124: f", out of its time of {PARTS[name]} s"}.get(code, f", failed with exit code {code}")
    say(output, f"-- {name}: {time.perf_counter() - begin:.0f} s{problem}")
    return code == 0


def say(output: TextIO, line: str) -> None:
    for stream in (sys.stdout, output):
        print(line, file=stream, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="the parts to run, of " + ", ".join(PARTS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try this script itself")
    parser.add_argument("--output", type=Path, default=Path("gpu.txt"))
    parser.add_argument("--part", choices=list(PARTS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        globals()[given.part](Plan(given))
        return
    with open(given.output, "w", encoding="utf-8") as output:
        failed = [name for name in given.parts or PARTS if not run_part(name, given, output)]
        say(output, f"\nfailed: {', '.join(failed) or 'nothing'}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
