"""Check and benchmark nmt on a GPU in about ten minutes: correctness, throughput and its bottlenecks.

    pip install '.[test]' && python benchmarks/gpu.py --output benchmarks/results/gpu.txt

Requires only a checkout of nmt and a GPU. Each part runs in its own process, so a failure or timeout does not affect
the others; output, with the cause of a failure, is written immediately.

versions    installed versions, and the attention kernels used in training and in decoding
commands    small trainings through the command line: complete, resumed, from a model, with EMA, R-Drop, Muon
tests       tests/gpu: the same tests as on the emulated device; kernels against float64 on the CPU, eager and compiled
memory      a training whose batches do not fit into memory: it splits them into parts
training    small with batches of 2,000 tokens per side, base and big with 8,000 and 25,000: kernel by kernel, with no
            host-device synchronization; as CUDA graphs; and compiled, as graphs: source + target tokens/s without
            padding, MFU of the measured matmul peak, kernels per step, idle share, memory
decoding    1,000 lines, base with random weights, 25 tokens each, beam sizes 1 and 5; CTranslate2 float16 if present

The text is random, with sentence lengths as in news (median 24 tokens). `--device cpu --quick` tests the script itself
without a GPU; its figures are meaningless.
"""

import argparse
import platform
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import numpy as np
import torch

from nmt import __version__
from nmt.config.model import ModelConfig
from nmt.config.presets import PRESETS
from nmt.config.search import SearchConfig
from nmt.config.setting import build
from nmt.config.training import TrainingConfig
from nmt.data.batches import Position
from nmt.data.dataset import Dataset
from nmt.data.token_store import TokenRowWriter
from nmt.decoding.engine import Request
from nmt.decoding.torch_engine import TorchEngine
from nmt.decoding.translator import length_batches
from nmt.model.transformer import Transformer
from nmt.runtime import choose_device, choose_dtype, device_name, peak_memory, synchronize, use_device
from nmt.text.tokenizer import END
from nmt.training.checkpoint import TrainingState
from nmt.training.distributed import Processes
from nmt.training.optimizer import MasterWeights
from nmt.training.step import StepRunner
from nmt.training.throughput import measure_peak_flops, training_flops

ROOT = Path(__file__).parents[1]
VOCABULARY, PAIRS = 32_000, 20_000
PARTS = {"versions": 60, "commands": 150, "tests": 200, "memory": 60, "training": 330, "decoding": 120}
"""Time limit of each part in seconds; an H100 needs about ten minutes in all."""
TARGETS = {"base": 0.30, "big": 0.40}
"""Target MFU with batches of 25,000 tokens."""


class Plan:
    """Sizes, device and data of the measurements."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.device = choose_device(given.device)
        use_device(self.device)
        self.dtype = choose_dtype("auto", self.device, exact=False)
        self.quick: bool = given.quick
        self.sizes = (
            {"tiny": [500]} if given.quick else {"small": [2_000], **{size: [8_000, 25_000] for size in TARGETS}}
        )
        self.steps, self.lines = (4, 20) if given.quick else (40, 1000)
        self.pairs = 2_000 if given.quick else PAIRS

    def make_pairs(self, folder: Path) -> Dataset:
        """Write random sentence pairs whose source and target have similar lengths."""
        random = np.random.default_rng(0)
        source = np.exp(random.normal(np.log(24), 0.5, self.pairs)).clip(2, 200).astype(int)
        target = (source * np.exp(random.normal(0, 0.15, self.pairs))).clip(2, 200).astype(int)
        for side, lengths in (("source", source), ("target", target)):
            with TokenRowWriter(folder, side, VOCABULARY) as writer:
                writer.add(random.integers(4, VOCABULARY, lengths.sum()), lengths)
        return Dataset.open(folder, 256)

    def model(self, size: str, **changes: Any) -> Transformer:
        """Build a model of a preset's shape with random weights."""
        fixed = dict(source_vocabulary=VOCABULARY, target_vocabulary=VOCABULARY, shared_vocabulary=True)
        torch.manual_seed(0)
        model = Transformer(build(ModelConfig, {**PRESETS[size], **changes}, **fixed)).to(self.device)
        model.place_positions(self.device, self.dtype)
        return model

    def runner(
        self, size: str, data: Dataset, budget: int, *, compiled: bool = False, graphs: bool = False
    ) -> StepRunner:
        """Build the runner of the steps of `nmt train --preset SIZE`."""
        training = build(TrainingConfig, {**PRESETS[size], "batch_tokens": budget, "cuda_graphs": graphs})
        model = self.model(size).train()
        if compiled:
            model.compile_layers()
        return StepRunner(model, MasterWeights(model, training, self.dtype), training, data, None, Processes())


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
        runner = plan.runner("tiny" if plan.quick else "base", plan.make_pairs(Path(folder)), 2_000)
        batches, state = runner.batches(Position(0, 0)), TrainingState()
        runner.run(batches, state)
        kernels, _, _ = profiled(plan, lambda: runner.run(batches, state), 1)
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
    where = ["tests/gpu/test_kernels.py", "-k", "dropout"] if plan.quick else ["tests/gpu", "-n", "4"]
    command = [sys.executable, "-m", "pytest", "-q", "-x" if plan.quick else "--maxfail=5", "--tb=short", *where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(done.stdout[-4000:])
    if done.returncode:
        raise RuntimeError("some of tests/gpu failed")


def memory(plan: Plan) -> None:
    if plan.device.type != "cuda":
        print("only on CUDA can memory be limited")
        return
    with tempfile.TemporaryDirectory() as folder:
        runner = plan.runner("base", plan.make_pairs(Path(folder)), 25_000)
        batches, state = runner.batches(Position(0, 0)), TrainingState()
        runner.run(batches, state)
        needed, total = torch.cuda.max_memory_allocated(), torch.cuda.mem_get_info()[1]
        held = torch.cuda.memory_allocated()
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction((held + (needed - held) / 3) / total)
        for _ in range(3):
            state.step += 1
            norm = float(runner.run(batches, state).norm)
        print(f"with a third of the memory for a step: {state.parts} parts, gradient norm {norm:.2f}")
        assert state.parts > 1, "memory did not run out"


def training(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as folder:
        data = plan.make_pairs(Path(folder))
        for compiled, graphs in ((False, False), (False, True), (True, True)):
            for size, budgets in plan.sizes.items():
                peak = measure_peak_flops(plan.device, plan.dtype, int(str(PRESETS[size]["dim"])))
                for budget in budgets:
                    name = f"{size}, {budget:,} tokens{', compiled' * compiled}"
                    name += f", target {TARGETS[size]:.0%}" if budget == 25_000 else ""
                    try:
                        measure(plan, plan.runner(size, data, budget, compiled=compiled, graphs=graphs), peak, name)
                    except Exception:
                        print(f"{name}: {traceback.format_exc(limit=-4)}", flush=True)


def measure(plan: Plan, runner: StepRunner, peak: float, name: str) -> None:
    """Time steps after a warm-up, and profile some of them.

    A host-device synchronization is an error, unless steps are recorded as graphs; they are in three epochs.
    """
    state, batches = TrainingState(), runner.batches(Position(0, 0))

    def step() -> torch.Tensor:
        state.step += 1
        return runner.run(batches, state).totals

    begin = time.perf_counter()
    while state.epoch < 3 if runner.config.cuda_graphs else state.step < plan.steps // 2:
        step()
    synchronize(plan.device)
    warm, rates, mfu = time.perf_counter() - begin, [], []
    for _ in range(5):
        begin = time.perf_counter()
        with never_waiting(plan.device) if not runner.config.cuda_graphs else nullcontext():
            totals = [step() for _ in range(plan.steps // 4)]
        synchronize(plan.device)
        seconds = time.perf_counter() - begin
        source, target_tokens = torch.stack(totals).sum(dim=0)[2:].tolist()
        rates.append((source + target_tokens) / seconds)
        mfu.append(training_flops(runner.model.config, int(source), int(target_tokens)) / seconds / peak)
    kernels, seconds_of, wall = profiled(plan, step, 5)
    busy = seconds_of.total()
    name += f", graphs of {len(runner.graphs[0].recordings)} shapes" if runner.graphs else ""
    print(
        f"{name}: {np.median(rates):,.0f} tokens/s "
        f"[{min(rates):,.0f} to {max(rates):,.0f}], MFU {np.median(mfu):.0%} of {peak / 1e12:,.1f} TFLOP/s"
        f"; {kernels.total() / 5:,.0f} kernels and {wall / 5 * 1e3:.1f} ms a step, "
        f"{max(0.0, 1 - busy / wall):.0%} idle; peak {peak_memory(plan.device):,.0f} MB, warm-up {warm:.0f} s\n    "
        + ", ".join(f"{name[:60]} {share / busy:.0%}" for name, share in seconds_of.most_common(8)),
        flush=True,
    )


@contextmanager
def never_waiting(device: torch.device) -> Iterator[None]:
    """Raise an error when the host waits for the GPU."""
    if device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def profiled(plan: Plan, work: Callable[[], object], times: int) -> tuple[Counter[str], Counter[str], float]:
    """Profile `times` runs; return the number of kernels and their seconds by name, and wall-clock seconds."""
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
    seconds: Counter[str] = Counter()
    for event in profile.key_averages():
        if gpu and not event.self_device_time_total:
            continue  # a call of the host
        kernels[event.key] += event.count
        seconds[event.key] += (event.self_device_time_total if gpu else event.self_cpu_time_total) / 1e6
    return kernels, seconds, wall


def decoding(plan: Plan) -> None:
    size, length = ("tiny", 6) if plan.quick else ("base", 25)
    model = plan.model(size).to(plan.dtype).eval()
    lengths = np.exp(np.random.default_rng(0).normal(np.log(24), 0.5, plan.lines)).clip(2, 200).astype(int)
    sources = [[*np.random.default_rng(n).integers(4, VOCABULARY, n).tolist(), END] for n in lengths]
    export = None
    for beam in (1, 5):
        work = partial(decode, plan, model, sources, beam, length)
        ours = plan.lines / median_seconds(work)
        print(f"beam {beam}: nmt {ours:,.0f} sentences/s, {ours * length:,.0f} tokens/s, {plan.dtype}", flush=True)
        kernels, seconds, wall = profiled(plan, work, 1)
        print(f"beam {beam}: {kernels.total():,} kernels, {max(0.0, 1 - seconds.total() / wall):.0%} idle", flush=True)
        try:
            export = export or exported(plan, model)
            theirs = plan.lines / median_seconds(partial(decode_by_ctranslate2, export, sources, beam, length))
        except Exception as error:
            print(f"beside CTranslate2: not measured: {error}", flush=True)
            continue
        print(
            f"beam {beam}: CTranslate2 float16 {theirs:,.0f} sentences/s; nmt {ours / theirs:.2f} times, target 1",
            flush=True,
        )


def median_seconds(work: Callable[[], object]) -> float:
    """The median time of three runs, after a warm-up."""
    times = []
    for _ in range(4):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times[1:]))


def decode_by_ctranslate2(export: Any, sources: list[list[int]], beam: int, length: int) -> None:
    """Translate as `decode` does."""
    export.translate_batch(
        [[f"p{token}" for token in source[:-1]] for source in sources], beam_size=beam, max_decoding_length=length,
        min_decoding_length=length, max_input_length=0, max_batch_size=100_000 // beam, batch_type="tokens",
    )  # fmt: skip


def decode(plan: Plan, model: Transformer, sources: list[list[int]], beam: int, length: int) -> None:
    """Translate with a fixed output length in tokens, in the same batches as `nmt translate`."""
    config = SearchConfig(beam=beam, loop_guard=False)
    engine = TorchEngine([model], plan.device)
    requests = [Request(source=source, max_length=length, min_length=length) for source in sources]
    for batch in length_batches([len(source) for source in sources], config.source_tokens(gpu=True)):
        engine.search([requests[index] for index in batch], config)


def exported(plan: Plan, model: Transformer) -> Any:
    """Convert the weights to CTranslate2, with the vocabulary p0, p1, ..."""
    import ctranslate2

    from nmt.exchange.ctranslate2 import model_files

    class Tokenizer:
        def pieces(self, tokens: Iterable[int]) -> list[str]:
            return [f"p{token}" for token in tokens]

        def vocabulary(self) -> list[str]:
            return self.pieces(range(VOCABULARY))

    both: Any = SimpleNamespace(source=Tokenizer(), target=Tokenizer())
    weights = {name: weight.detach().float().cpu().numpy() for name, weight in model.named_parameters()}
    files = model_files(model.config, weights, both, "float16")
    compute_type = "default" if plan.quick else "float16"
    return ctranslate2.Translator("model", device=plan.device.type, compute_type=compute_type, files=files)


# --------------------------------------------------------------------------------------------------------- entry point


def run_part(name: str, given: argparse.Namespace, output: TextIO) -> bool:
    """Run a part in its own process and stream its output; return whether it succeeded."""
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
    parser.add_argument("parts", nargs="*", help="parts to run: " + ", ".join(PARTS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to test this script itself")
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
