"""Reports on runs: names that are unique, and scores that are compared where the test sets are the same."""

import shutil
from pathlib import Path

import pytest
from sacrebleu.metrics import BLEU, CHRF

from nmt.errors import NmtError, UsageError
from nmt.runs.report import describe_runs


def copy_of(run: Path, directory: Path, translation: str | None = None) -> Path:
    """A copy of a run with a translation of its test set."""
    shutil.copytree(run, directory)
    if translation is not None:
        (directory / "eval").mkdir()
        (directory / "eval" / "test.translation").write_text(translation, "utf-8")
    return directory


@pytest.fixture
def target(run: Path) -> str:
    return (run / "data" / "test.target").read_text("utf-8")


def test_a_single_run_has_confidence_intervals_and_no_p_values(run: Path, target: str, tmp_path: Path) -> None:
    translation = target.replace("dog", "cat")
    (description,) = describe_runs([copy_of(run, tmp_path / "run", translation)])
    references = [target.splitlines()]
    for metric, kind in zip(description["scores"], (BLEU, CHRF), strict=True):
        assert metric["value"] == pytest.approx(kind().corpus_score(translation.splitlines(), references).score)
        assert metric["interval"] is not None
        assert metric["p_value"] is None
    assert description["name"] == "run"
    assert description["model"]["shape"]["dim"] == 16
    assert description["data"]["sets"]["train"]["pairs"] == 200
    assert (description["state"], description["evaluation"], description["settings"]) == ({}, None, {})


def test_runs_with_the_same_test_set_are_compared_with_the_first_of_them(
    run: Path, target: str, tmp_path: Path
) -> None:
    own = copy_of(run, tmp_path / "own", target)
    (own / "data" / "test.target").write_text(target.upper(), "utf-8")
    first, second = copy_of(run, tmp_path / "first", target), copy_of(run, tmp_path / "second", target)
    untranslated = copy_of(run, tmp_path / "untranslated")
    stages = list[str]()
    descriptions = describe_runs([own, untranslated, first, second], stages.append)
    assert [description["test_set"] for description in descriptions] == [1, 0, 2, 2]
    tested = {run["name"]: [metric["p_value"] for metric in run["scores"]] for run in descriptions}
    assert tested == {"own": [None, None], "untranslated": [], "first": [None, None], "second": [1.0, 1.0]}
    assert stages == [*(f"reading {path}" for path in (own, untranslated, first, second)), stages[-1]]


def test_runs_of_the_same_name_are_named_by_their_paths(run: Path, tmp_path: Path) -> None:
    paths = [copy_of(run, tmp_path / folder / "run") for folder in ("a", "b")]
    assert [run["name"] for run in describe_runs(paths)] == [str(path) for path in paths]
    with pytest.raises(UsageError, match="a run is given twice"):
        describe_runs([paths[0], paths[0] / ".." / "run"])


@pytest.mark.parametrize("lines", [0, 7, 9])
def test_a_translation_of_another_length_is_not_scored(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, lines: int
) -> None:
    """It is of a test set that was prepared anew since."""
    (description,) = describe_runs([copy_of(run, tmp_path / "run", "x\n" * lines)])
    assert description["scores"] == []
    assert f"test.translation has {lines} lines, but the reference has 8: run nmt eval again" in caplog.text


def test_a_log_alone_makes_a_run(tmp_path: Path) -> None:
    """A training that was started, and has no model yet."""
    with pytest.raises(NmtError, match="not a trained run"):
        describe_runs([tmp_path])
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train", "step": 5, "loss": 2.5}\n', "utf-8")
    (description,) = describe_runs([tmp_path])
    assert description["train"] == [{"kind": "train", "step": 5, "loss": 2.5}]
    assert (description["data"], description["model"], description["scores"]) == (None, None, [])


def test_the_hardware_of_a_log_is_shown_where_it_is_complete(tmp_path: Path) -> None:
    whole = '{"kind": "start", "step": 0, "device": "cpu", "threads": 2, "processes": 1, "precision": "float32"}\n'
    part = '{"kind": "start", "step": 0, "device": "cpu", "threads": "two", "processes": 1, "precision": "float32"}\n'
    (tmp_path / "metrics.jsonl").write_text(part + whole, "utf-8")
    (description,) = describe_runs([tmp_path])
    assert [line["threads"] for line in description["start"]] == [2]
