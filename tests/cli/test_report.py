"""`nmt report` in the terminal and as JSON."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Program, environment, untouched_logging
from hypothesis import given
from hypothesis import strategies as st

from nmt.cli.views.runs import sparkline


@pytest.fixture(scope="module")
def trained(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tiny run, trained for a few steps."""
    from typer.testing import CliRunner

    from nmt.cli.app import app

    copy = tmp_path_factory.mktemp("report") / "trained"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("model", "checkpoints", "config.toml"))
    options = "--preset tiny --dim 16 --heads 2 --feed-forward 32 --steps 20 --log-every 5 --validate-every 10 --quiet"
    with untouched_logging():
        done = CliRunner().invoke(app, ["train", "--run", str(copy), *options.split()])
    assert done.exit_code == 0, done.stderr
    return copy


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(1, 40))
def test_a_sparkline_fits_its_width_and_reaches_from_bottom_to_top(values: list[float], width: int) -> None:
    curve = sparkline(values, width)
    assert len(curve) == min(width, len(values))
    if len(set(values)) > 1 and len(values) <= width:
        assert {"▁", "█"} <= set(curve)


def test_a_run_in_the_terminal(command: Program, trained: Path) -> None:
    done = command("report", trained)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("trained  de-en, 200 pairs, ")
    logged = [json.loads(line) for line in (trained / "metrics.jsonl").read_text("utf-8").splitlines()]
    flops = sum(line["flops"] for line in logged if line["kind"] == "train")
    assert lines[1].strip().startswith(f"20 steps ({flops:.2g} FLOPs) in ")
    assert {"loss", "learning", "gradient"} <= {line.split()[0] for line in lines[2:]}


def test_json_has_the_whole_log(command: Program, trained: Path) -> None:
    """With the hardware and the gradient norms."""
    report = json.loads(command("report", "--run", trained, "--json").stdout)[0]
    logged = [json.loads(line) for line in (trained / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert report["start"] + report["train"] + report["valid"] == sorted(
        logged, key=lambda line: ("start", "train", "valid").index(line["kind"])
    )
    assert report["start"][0]["device"]
    assert all(line["gradient_norm"] > 0 for line in report["train"])
    assert report["data"]["sets"]["train"]["pairs"] == 200
    assert report["settings"]["learning_rate"] > 0


def test_a_directory_that_is_not_a_run_is_named(command: Program, tmp_path: Path) -> None:
    done = command("report", tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"{tmp_path}: not a trained run: it has neither metrics.jsonl nor a model" in done.stderr


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'{"kind": "train"}\n[1]\n{"step": "x"}\n', b"null\n" * 3])
def test_a_malformed_log_is_ignored(command: Program, run: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_bytes(content)
    done = command("report", tmp_path / "run")
    assert (done.returncode, done.stdout.startswith(b"run  de-en")) == (0, True)


def test_unreadable_parts_are_left_out_with_a_warning(command: Program, trained: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    (copy / "eval").mkdir()
    (copy / "eval" / "test.json").write_text("{", "utf-8")
    (copy / "data" / "data.json").write_text("[]", "utf-8")
    done = command("report", trained, copy)
    assert done.returncode == 0
    assert f"{copy / 'eval' / 'test.json'}: not readable as JSON" in done.stderr
    assert f"{copy / 'data' / 'data.json'}: expected a JSON object" in done.stderr
    assert "copy  " in done.stdout.decode()


def test_scores_of_an_earlier_model_are_marked(command: Program, trained: Path, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    assert command("eval", "--run", copy, "--beam", 1).returncode == 0
    assert "translated with beam size 1, length penalty 1.0\n" in command("report", copy).stdout.decode()
    shutil.copytree(run / "model", copy / "model", dirs_exist_ok=True)
    assert ", by an earlier model: run nmt eval again" in command("report", copy).stdout.decode()


def test_a_run_that_is_given_twice_is_refused(command: Program, trained: Path) -> None:
    done = command("report", trained, trained.parent / "x" / ".." / "trained")
    assert done.returncode == 2
    assert "a run is given twice" in done.stderr


def test_a_closed_pipe_is_not_an_error(trained: Path) -> None:
    program = [sys.executable, "-m", "nmt", "report", "--run", str(trained)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")


def test_scores_of_different_test_sets_are_not_put_side_by_side_unsaid(
    command: Program, trained: Path, tmp_path: Path
) -> None:
    runs = []
    for name, change in ("one", str), ("other", str.upper), ("third", str):
        runs.append(Path(shutil.copytree(trained, tmp_path / name)))
        target = change((trained / "data" / "test.target").read_text("utf-8"))
        (runs[-1] / "data" / "test.target").write_text(target, "utf-8")
        (runs[-1] / "eval").mkdir()
        (runs[-1] / "eval" / "test.translation").write_text(target, "utf-8")
    text = command("report", *runs).stdout.decode()
    assert [line.split()[:3] for line in text.splitlines() if line.startswith("  test") and "chrF" in line] == [
        ["test", "set", number] for number in ("1", "2", "1")
    ]
    assert "scores on different test sets cannot be compared" in text
    same = command("report", runs[0], runs[2]).stdout.decode()
    assert "test set 1" not in same
    assert "cannot be compared" not in same
