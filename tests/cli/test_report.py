"""`nmt report` in the terminal and for programs."""

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
    """The shared run after some updates of its own."""
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
def test_a_curve_keeps_to_its_width_and_reaches_from_bottom_to_top(values: list[float], width: int) -> None:
    curve = sparkline(values, width)
    assert len(curve) == min(width, len(values))
    if len(set(values)) > 1 and len(values) <= width:
        assert {"▁", "█"} <= set(curve)


def test_a_run_in_the_terminal(command: Program, trained: Path) -> None:
    done = command("report", trained)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("trained  de-en, 200 pairs, ")
    assert {"loss", "learning", "gradient"} <= {line.split()[0] for line in lines[2:]}


def test_programs_get_all_of_the_log(command: Program, trained: Path) -> None:
    """Also what it runs on, and how large gradients were."""
    found = json.loads(command("report", "--run", trained, "--json").stdout)[0]
    logged = [json.loads(line) for line in (trained / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert found["start"] + found["train"] + found["valid"] == sorted(
        logged, key=lambda line: ("start", "train", "valid").index(line["kind"])
    )
    assert found["start"][0]["device"]
    assert all(line["gradient_norm"] > 0 for line in found["train"])
    assert found["data"]["sets"]["train"]["pairs"] == 200
    assert found["settings"]["peak_rate"] > 0


def test_a_directory_that_is_no_run_is_named(command: Program, tmp_path: Path) -> None:
    done = command("report", tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"{tmp_path}: no run that was trained" in done.stderr


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b'{"kind": "train"}\n[1]\n{"step": "x"}\n', b"null\n" * 3])
def test_a_log_that_is_no_log_is_left_out(command: Program, run: Path, tmp_path: Path, content: bytes) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_bytes(content)
    done = command("report", tmp_path / "run")
    assert (done.returncode, done.stdout.startswith(b"run  de-en")) == (0, True)


def test_what_cannot_be_read_is_left_out_with_a_warning(command: Program, trained: Path, tmp_path: Path) -> None:
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


def test_scores_of_another_model_are_told_as_such(command: Program, trained: Path, run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    assert command("eval", "--run", copy, "--beam", 1).returncode == 0
    assert "translated with beam 1, length penalty 1.0\n" in command("report", copy).stdout.decode()
    shutil.copytree(run / "model", copy / "model", dirs_exist_ok=True)
    assert "by another model than the run has now" in command("report", copy).stdout.decode()


def test_a_run_is_named_once(command: Program, trained: Path) -> None:
    done = command("report", trained, trained.parent / "x" / ".." / "trained")
    assert done.returncode == 2
    assert "named twice" in done.stderr


def test_a_reader_who_leaves_early_is_no_error(trained: Path) -> None:
    program = [sys.executable, "-m", "nmt", "report", "--run", str(trained)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (0, b"")
