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
from conftest import environment

from nmt.training.state import list_checkpoints, load_newest

SMALL = {
    "dim": 16,
    "feed-forward": 16,
    "heads": 2,
    "encoder-layers": 1,
    "decoder-layers": 1,
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


def start(run: Path, processes: int, *arguments: object) -> "subprocess.Popen[str]":
    options = [part for name, value in SMALL.items() for part in (f"--{name}", value)]
    alone = [sys.executable, "-m"]
    many = [*alone, "torch.distributed.run", f"--nproc-per-node={processes}", "--standalone", "-m", "--"]
    command = [*(many if processes > 1 else alone), "nmt", "train", "--run", run, *options, *arguments]
    return subprocess.Popen(
        list(map(str, command)), env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def train(run: Path, processes: int, *arguments: object) -> str:
    process = start(run, processes, *arguments)
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
