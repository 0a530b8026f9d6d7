"""Kills and full disks, with real processes and a real small file system: a run survives them."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import environment

from nmt.training.checkpoint import load_newest

KILLS = 50
SMALL = (
    "--dim 16 --feed-forward 16 --heads 2 --encoder-layers 1 --decoder-layers 1 --batch-tokens 100 --log-every 1 "
    "--schedule inverse-sqrt"
)

KILLER = """
import os, random, signal, sys, time
from pathlib import Path

import torch

from nmt.config.model import ModelConfig
from nmt.config.training import TrainingConfig
from nmt.data.dataset import TrainingData
from nmt.files.run_directory import RunDirectory
from nmt.text.tokenizer import Tokenizers
from nmt.training.progress import Reporter
from nmt.training.checkpoint import clear_leftovers, load_newest
from nmt.training.trainer import Trainer

folder, kills = Path(sys.argv[1]), int(sys.argv[2])
steps = int(sys.argv[3])
torch.set_num_threads(1)


def train():
    tokenizers = Tokenizers.load(folder)
    shape = dict(dim=16, feed_forward=16, heads=2, encoder_layers=1, decoder_layers=1, max_length=48, dropout=0.1)
    size = len(tokenizers.source)
    model = ModelConfig(source_vocabulary=size, target_vocabulary=size, shared_vocabulary=True, **shape)
    training = TrainingConfig(steps=steps, batch_tokens=100, warmup=4, save_every=1, validate_every=10**6, average=2,
                              ema=0.9, log_every=1)
    data = TrainingData.open(folder / "data", 48)
    trainer = Trainer(RunDirectory(folder), model, training, data, tokenizers, torch.device("cpu"), torch.float32, {})
    clear_leftovers(trainer.run.checkpoints)
    if checkpoint := load_newest(trainer.run.checkpoints):
        trainer.restore(checkpoint)
    save = trainer.save

    def told():
        save()
        with open(folder / "saved", "a") as stream:
            print(trainer.state.step, file=stream)

    trainer.save = told
    trainer.train(Reporter())


def fork(function):
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        code = function() or 0
    finally:
        os._exit(code)


def check():
    saved = [int(line) for line in (folder / "saved").read_text().split()]
    clear_leftovers(folder / "checkpoints")
    checkpoint = load_newest(folder / "checkpoints")
    print(saved[-1], checkpoint.state.step, flush=True)


draw = random.Random(1)
for _ in range(kills):
    pid = fork(train)
    before = (folder / "saved").stat().st_size if (folder / "saved").exists() else 0
    while not (folder / "saved").exists() or (folder / "saved").stat().st_size == before:
        time.sleep(0.001)
    time.sleep(draw.uniform(0, 0.1))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.waitpid(fork(check), 0)
if not kills:
    train()
"""


def killed(folder: Path, kills: int, steps: int) -> list[list[int]]:
    """Train in processes that are killed; for each: the step that was saved last, and that of the newest checkpoint."""
    done = subprocess.run(
        [sys.executable, "-c", KILLER, folder, str(kills), str(steps)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [[int(step) for step in line.split()] for line in done.stdout.splitlines()]


def test_fifty_kills_lose_no_saved_step_and_change_nothing(run_copy: Path) -> None:
    """Killed anywhere, while it saves too; what is left in the end is what was never killed, to the last bit."""
    never = shutil.copytree(run_copy, run_copy.with_name("never"))
    lives = killed(run_copy, KILLS, 100_000)
    assert len(lives) == KILLS
    for saved, found in lives:
        assert saved <= found <= saved + 1  # + 1: killed between the rename and the note of it
    steps = lives[-1][1]
    assert steps > KILLS
    killed(never, 0, steps)
    interrupted, whole = (load_newest(place / "checkpoints") for place in (run_copy, never))
    assert interrupted is not None
    assert whole is not None
    assert interrupted.state.step == whole.state.step == steps
    for found, expected in ((interrupted.weights, whole.weights), (interrupted.moments, whole.moments)):
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def can_mount() -> bool:
    """Whether a user of this machine may mount a small file system of its own."""
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, check=False
    )
    return tried.returncode == 0


@pytest.mark.skipif(not can_mount(), reason="this machine lets no user mount a file system")
def test_a_full_disk_is_a_clear_error_and_the_checkpoints_before_are_whole(run_copy: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    train = f"{sys.executable} -m nmt train --run {small}/run --steps 1000 --save-every 1 --keep 1000 {SMALL}"
    script = f"""
        mount -t tmpfs -o size=1536k tmpfs {small} && cp -r {run_copy} {small}/run && rm -r {small}/run/model
        {train} 2> {tmp_path}/stderr; echo $?
        ls -A {small}/run/checkpoints
        cp -r {small}/run/checkpoints {tmp_path}/checkpoints
        rm -r {small}/run/checkpoints/step-000001 {small}/run/checkpoints/step-000002
        {train} --keep 2 --steps 40 2>> {tmp_path}/stderr; echo $?
    """
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    errors = (tmp_path / "stderr").read_text(encoding="utf-8")
    code, *names, again = done.stdout.split()
    assert code == "1", errors
    problem, *_ = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert "No space left on device" in problem
    assert f"{small}/run" in problem
    assert "Traceback" not in errors
    assert all(name.startswith("step-") for name in names)  # nothing half-written is left
    newest = load_newest(tmp_path / "checkpoints")
    assert newest is not None
    assert newest.state.step == len(names) > 2
    assert again == "0", errors  # with room again it goes on
    assert "resuming from step" in errors
    assert list(small.iterdir()) == []  # the file system was the child's own
