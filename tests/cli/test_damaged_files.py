"""Damaged files make a command end with a short message, never with a traceback: the short form of fuzz_files.py."""

from pathlib import Path

import pytest
from conftest import Program, untouched_logging
from fuzz_files import TARGETS, Target, cases, make_run, problem_of
from typer.testing import CliRunner

from nmt.cli.app import app

CASES = 5


def call(arguments: list[str]) -> tuple[int, str]:
    with untouched_logging():
        done = CliRunner().invoke(app, arguments, input="ab cd\nef\n", prog_name="nmt")
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("whole"), call)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.pattern} {' '.join(target.command)}")
def test_a_damaged_file_is_used_or_refused_in_words(whole: Path, target: Target, tmp_path: Path) -> None:
    for what, _, arguments in cases(whole, tmp_path, target, CASES, seed=1):
        assert problem_of(call, arguments) == "", what


def test_a_pickle_in_a_models_place_is_never_run(command: Program, run_copy: Path, tmp_path: Path) -> None:
    """Written by hand: a pickle that would create a file."""
    mark = tmp_path / "was-run"
    pickle = f"cbuiltins\nopen\n(S'{mark}'\nS'w'\ntR.".encode()
    for name in ("model.safetensors", "tokenizer.model", "config.json"):
        path = run_copy / "model" / name
        content = path.read_bytes()
        path.write_bytes(pickle)
        done = command("translate", "--run", run_copy, stdin=b"ich\n")
        assert (done.returncode, done.stdout) == (1, b"")
        path.write_bytes(content)
    assert not mark.exists()
