"""A run that release 0.1 began is resumed by every later one, and becomes the model that release 0.1 made of it.

It was trained on 900 pairs of the embedded corpus by

    nmt train --preset tiny --dim 16 --feed-forward 32 --heads 2 --encoder-layers 1 --decoder-layers 1
        --batch-tokens 256 --accumulate 2 --optimizer muon --ema 0.9 --subword-sampling 0.1 --token-masking 0.1
        --r-drop 1 --dropout 0.2 --corpus-weights a.ko=1,web=2 --peak-rate 4e-3 --warmup 10 --clip 2
        --precision float32 --device cpu --threads 1 --save-every 20 --validate-every 20 --log-every 5 --keep 1
        --average 2 --schedule linear --steps 60

and stopped by SIGTERM after step 21. `run-0.1.metrics.jsonl` is the log of the same command without the signal. Both
were written by that release (commit 7eb86ad); they must never be made anew.
"""

import shutil
from pathlib import Path

import pytest
from conftest import Program

from nmt.training.metrics_log import read_log

GOLDEN = Path(__file__).parents[1] / "golden"


def log_of(path: Path) -> dict[tuple[str, int], dict[str, float]]:
    return {(line["kind"], line["step"]): line for line in read_log(path)}


def test_a_run_of_release_0_1_is_resumed_exactly(command: Program, tmp_path: Path) -> None:
    run = Path(shutil.copytree(GOLDEN / "run-0.1", tmp_path / "run"))
    done = command("train", "--run", run)
    assert done.returncode == 0, done.stderr
    expected, resumed = log_of(GOLDEN / "run-0.1.metrics.jsonl"), log_of(run / "metrics.jsonl")
    later = [key for key in expected if key[0] in ("train", "valid", "average") and key[1] > 25]
    assert ("average", 60) in later
    for key in later:
        for name in ("loss", "perplexity"):
            assert resumed[key][name] == pytest.approx(expected[key][name], rel=1e-4), key


@pytest.mark.parametrize("arguments", [["info"], ["report"], ["eval", "--beam", "1", "--max-length", "8"]])
def test_a_run_of_release_0_1_is_read_by_every_command(command: Program, tmp_path: Path, arguments: list[str]) -> None:
    run = Path(shutil.copytree(GOLDEN / "run-0.1", tmp_path / "run"))
    done = command(*arguments, *([run] if arguments == ["info"] else []), "--run", run)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr


def test_old_names_of_settings_are_not_changes_of_a_run(command: Program, tmp_path: Path) -> None:
    run = Path(shutil.copytree(GOLDEN / "run-0.1", tmp_path / "run"))
    done = command("train", "--run", run, "--peak-rate", "4e-3", "--clip", "2", "--steps", "22")
    assert done.returncode == 0, done.stderr
    changed = next(line for line in done.stderr.splitlines() if "settings changed" in line)
    assert changed.split(": ")[-1] == "steps 60 -> 22"
