"""The log: what it holds after a restart, means of what was finite, and the same numbers for TensorBoard."""

import json
import math
import sys
from pathlib import Path

import pytest
import torch

from nmt.errors import NmtError
from nmt.training.metrics_log import MetricsLog, read_log
from nmt.training.monitor import means
from nmt.training.step import StepResult


def test_what_was_logged_behind_the_step_and_lines_that_were_cut_are_taken_out(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.truncate(3)  # there is none yet
    for step in range(1, 6):
        log.append("train", {"step": step, "loss": 1.0})
    with open(log.path, "a", encoding="utf-8") as stream:
        stream.write('{"kind": "train", "st')
    log.truncate(3)
    assert [json.loads(line)["step"] for line in log.path.read_text(encoding="utf-8").splitlines()] == [1, 2, 3]


def test_a_translation_may_hold_what_python_takes_for_the_end_of_a_line(tmp_path: Path) -> None:
    """And a process may be killed in the middle of a letter."""
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append("valid", {"step": 1, "samples": ["a\u2028b\x85c\fd 한국어"]})
    whole = log.path.read_bytes()
    log.path.write_bytes(whole + '{"kind": "valid", "step": 1, "samples": ["한'.encode()[:-1])
    log.truncate(1)
    assert log.path.read_bytes() == whole


def test_every_line_is_json_also_without_a_finite_loss(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append("train", {"step": 1, "loss": math.nan, "learning_rate": math.inf, "epoch": 0})
    line = json.loads(log.path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert line == {"kind": "train", "step": 1, "loss": None, "learning_rate": None, "epoch": 0}


def test_a_windows_means_are_of_tokens_and_leave_out_what_is_not_finite() -> None:
    steps = [
        StepResult(torch.tensor([loss, entropy, source, target]), torch.tensor(entropy / 10))
        for loss, entropy, source, target in ((30.0, 20.0, 9, 10), (math.nan, math.nan, 50, 60), (90.0, 70.0, 21, 20))
    ]
    mean = means(steps)
    assert (mean.loss, mean.cross_entropy) == (pytest.approx(120 / 30), pytest.approx(90 / 30))
    assert (mean.source_tokens, mean.target_tokens) == (80, 90)
    assert mean.gradient_norm == pytest.approx((2 + 7) / 2)


def test_the_log_of_release_0_1_is_read_by_its_present_names(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"kind": "train", "step": 1, "rate": 0.1, "utilisation": 0.5}\n{"kind": "mean", "step": 2}\n', "utf-8"
    )
    assert read_log(path) == [
        {"kind": "train", "step": 1, "learning_rate": 0.1, "mfu": 0.5},
        {"kind": "average", "step": 2},
    ]


def test_tensorboard_gets_the_same_numbers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = MetricsLog(tmp_path / "metrics.jsonl", tmp_path / "tensorboard")
    for step in (10, 20):
        log.append("train", {"step": step, "loss": 5.0 - step / 10})
    log.append("valid", {"step": 20, "bleu": 31.5, "samples": ["a translation"]})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(one.step, one.value) for one in events.Scalars("train/loss")] == [(10, 4.0), (20, 3.0)]
    assert [(one.step, one.value) for one in events.Scalars("valid/bleu")] == [(20, 31.5)]
    assert set(events.Tags()["scalars"]) == {"train/loss", "valid/bleu"}


def test_without_tensorboard_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(NmtError, match="--tensorboard requires") as caught:
        MetricsLog(tmp_path / "metrics.jsonl", tmp_path / "tensorboard")
    assert "pip install" in caught.value.hint
