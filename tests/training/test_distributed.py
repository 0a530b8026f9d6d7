"""Several processes train as one does: the same updates, any number of them going on, and a death that is told."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import SMALL_MODEL, environment

from nmt.files.run_directory import list_checkpoints
from nmt.training.checkpoint import load_newest

SMALL = {
    **SMALL_MODEL,
    "dropout": 0.1,
    "batch-tokens": 120,
    "warmup": 4,
    "schedule": "inverse-sqrt",
    "log-every": 1,
    "patience": 0,
    "average": 1,
    "keep": 9,
    "precision": "float32",
    "threads": 1,
}


def start(run: Path, processes: int, *arguments: object, program: str = "") -> "subprocess.Popen[str]":
    """`program` runs in each process before nmt does."""
    options = [part for name, value in SMALL.items() for part in (f"--{name}", value)]
    alone = [sys.executable]
    many = [*alone, "-m", "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone"]
    end = ["--"] if processes > 1 else []  # of torchrun's own options
    nmt: list[object] = ["-m", *end, "nmt"]
    if program:
        script = run.with_name("program.py")
        script.write_text(f"{program}\nfrom nmt.cli.app import main\nmain()\n", encoding="utf-8")
        nmt = [*end, script]
    command = [*(many if processes > 1 else alone), *nmt, "train", "--run", run, *options, *arguments]
    return subprocess.Popen(
        list(map(str, command)), env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def train(run: Path, processes: int, *arguments: object, program: str = "") -> str:
    process = start(run, processes, *arguments, program=program)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return errors


def losses(run: Path) -> dict[int, float]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["step"]: line["loss"] for line in lines if line["kind"] == "train"}


def weights(run: Path) -> dict[str, torch.Tensor]:
    newest = load_newest(run / "checkpoints")
    assert newest is not None
    return newest.weights


def test_two_processes_make_the_updates_of_one_with_twice_the_accumulation(run_copy: Path) -> None:
    """Dropout too: its randomness follows from the batch, not from the process. And the other number goes on."""
    pair = shutil.copytree(run_copy, run_copy.with_name("pair"))
    train(run_copy, 1, "--steps", 12, "--accumulate", 4, "--validate-every", 5)
    told = train(pair, 2, "--steps", 7, "--accumulate", 2, "--validate-every", 5)
    assert told.count("parameters, 200 pairs") == 1  # the first process alone talks
    train(pair, 1, "--steps", 12, "--accumulate", 4, "--validate-every", 5)
    assert losses(pair) == pytest.approx(losses(run_copy), rel=1e-5)
    assert len(losses(pair)) == 12
    expected = weights(run_copy)
    for name, found in weights(pair).items():
        if name.endswith(
            "project_in.bias"
        ):  # a key's bias changes no softmax: its gradient is rounding, which Adam scales
            found, expected[name] = (torch.cat([one[:16], one[32:]]) for one in (found, expected[name]))
        torch.testing.assert_close(found, expected[name], rtol=1e-3, atol=1e-4)


def test_the_death_of_one_process_ends_the_training_soon_and_is_told(run_copy: Path) -> None:
    """Elsewhere the others wait for it for ever."""
    process = start(run_copy, 2, "--steps", 100_000, "--validate-every", 100_000, "--save-every", 5)
    deadline = time.monotonic() + 60
    while not list_checkpoints(run_copy / "checkpoints") and time.monotonic() < deadline:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
    assert len(children) == 2
    os.kill(int(children[1]), signal.SIGKILL)
    began = time.monotonic()
    _, errors = process.communicate(timeout=90)
    assert time.monotonic() - began < 60
    assert process.returncode != 0
    assert "another process of this training is gone" in errors or "Signal 9" in errors or "SIGKILL" in errors
    assert "StoppedBySignal" not in errors  # torchrun stops the survivor while it is leaving
    newest = load_newest(run_copy / "checkpoints")
    assert newest is not None
    train(run_copy, 1, "--steps", newest.state.step + 2)


def test_a_signal_stops_all_processes_after_saving(run_copy: Path) -> None:
    process = start(run_copy, 2, "--steps", 100_000, "--validate-every", 100_000, "--save-every", 100_000)
    log = run_copy / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and '"train"' in log.read_text("utf-8")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)  # torchrun passes it on
    process.communicate(timeout=90)
    assert process.returncode != 0
    newest = load_newest(run_copy / "checkpoints")
    assert newest is not None
    assert newest.state.step == max(losses(run_copy))


IMPATIENT = """
import os, time
import torch
import torch.distributed as dist
import nmt.training.distributed as distributed
import nmt.training.optimizer as optimizer
import nmt.training.trainer as trainer
from nmt.training.step import StepRunner
distributed.BEAT, distributed.GONE = 0.5, 3.0
rank = int(os.environ.get("RANK", 0))
"""
"""The parts of nmt that the programs below change, and less time to wait for a heartbeat."""


def test_a_checkpoint_that_takes_long_does_not_end_the_training(run_copy: Path) -> None:
    """Elsewhere the other ranks are in the next all-reduce by then, and it runs out of its time."""
    slow = """
save = trainer.save_checkpoint
def slowly(*arguments):
    time.sleep(4)
    return save(*arguments)
trainer.save_checkpoint = slowly
"""
    train(run_copy, 2, "--steps", 3, "--save-every", 2, "--validate-every", 9, program=IMPATIENT + slow)
    assert len(losses(run_copy)) == 3


def test_a_process_that_is_slow_is_not_taken_for_dead(run_copy: Path) -> None:
    slow = """
run = StepRunner.run
def slowly(self, batches, state):
    if rank and state.step == 2:
        time.sleep(6)
    return run(self, batches, state)
StepRunner.run = slowly
"""
    train(run_copy, 2, "--steps", 4, "--validate-every", 9, program=IMPATIENT + slow)
    assert len(losses(run_copy)) == 4


def test_a_process_without_a_heartbeat_ends_the_training(run_copy: Path) -> None:
    """A machine that is switched off closes no connection."""
    process = start(run_copy, 2, "--steps", 100_000, "--validate-every", 100_000, program=IMPATIENT)
    log = run_copy / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and '"train"' in log.read_text("utf-8")) and time.monotonic() < deadline:
        time.sleep(0.05)
    children = list(map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("ascii").split()))
    ranks = {b"LOCAL_RANK=1" in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"): child for child in children}
    os.kill(ranks[True], signal.SIGSTOP)
    began, told = time.monotonic(), ""
    assert process.stderr is not None
    while "sent no heartbeat" not in told and time.monotonic() - began < 40:
        told += process.stderr.readline()
    assert "a worker process died: rank 1 has sent no heartbeat for 3 s" in told
    while Path(f"/proc/{ranks[False]}").exists() and "zombie" not in state(ranks[False]):
        assert time.monotonic() - began < 50, "it says so, and waits on"
        time.sleep(0.1)
    os.kill(ranks[True], signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in told


def state(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(line for line in status.splitlines() if line.startswith("State:"))


COUNTING = """
all_reduce, counted = dist.all_reduce, []
def counting(*arguments, **options):
    counted.append(1)
    return all_reduce(*arguments, **options)
dist.all_reduce = counting
exchange = trainer.Trainer._count_seconds
def exchanging(self):
    found = exchange(self)
    if rank == 0:
        with open(self.run.path / "collectives", "a") as file:
            file.write(f"{len(counted)}\\n")
    counted.clear()
    return found
trainer.Trainer._count_seconds = exchanging
"""


@pytest.mark.parametrize(("bucket", "collectives"), [(1 << 23, 1), (2000, 4)])
def test_a_step_takes_one_collective_and_of_a_large_model_one_for_each_bucket(
    run_copy: Path, bucket: int, collectives: int
) -> None:
    """Gradients, losses, tokens, signals and seconds travel together, and to the same effect in any buckets."""
    pair = shutil.copytree(run_copy, run_copy.with_name("pair"))
    options = ["--steps", 6, "--validate-every", 99, "--save-every", 99, "--dropout", 0]
    train(run_copy, 2, *options, program=f"{IMPATIENT}{COUNTING}optimizer.BUCKET = {bucket}")
    counts = (run_copy / "collectives").read_text(encoding="ascii").split()
    assert len(counts) == 6
    assert set(counts[1:]) == {str(collectives)}  # before the first one the processes agree on other things
    train(pair, 1, "--accumulate", 2, *options)
    assert losses(run_copy) == pytest.approx(losses(pair), rel=1e-5)


def test_memory_that_runs_out_in_one_process_does_not_confuse_the_others(run_copy: Path) -> None:
    """Some of its gradients travel already by then: they are complete, and must not be sent again."""
    pair = shutil.copytree(run_copy, run_copy.with_name("pair"))
    failing = """
optimizer.BUCKET = 2000
collect, fails = optimizer.Gradient.collect, [rank == 1]
def failing(self, buckets=()):
    if fails and not buckets and fails.pop():
        raise torch.OutOfMemoryError("CUDA out of memory")
    return collect(self, buckets)
optimizer.Gradient.collect = failing
"""
    options = ["--steps", 4, "--validate-every", 99, "--save-every", 99, "--dropout", 0]
    train(run_copy, 2, *options, program=IMPATIENT + failing)
    train(pair, 2, *options)
    assert losses(run_copy) == pytest.approx(losses(pair), rel=1e-5)
