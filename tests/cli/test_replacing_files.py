"""Outputs replace nothing but older outputs of their kind, and files of a run not even by --force."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Corpus, Program, Result

from nmt.model.model_directory import load_tensors
from nmt.training.checkpoint import TrainingState, save_checkpoint

Write = Callable[..., Result]


@pytest.fixture
def writers(run: Path, corpus: Corpus, tmp_path: Path, command: Program) -> dict[str, Write]:
    """By name: a function that writes an output of this kind to a path."""
    place = tmp_path / "prepared"
    prepare = ("prepare", *corpus.train, "--run", place, "--tokenizer", run, "--max-length", 2)
    return {
        "report": lambda path, *more: command("report", run, "--html", path, *more),
        "attention": lambda path, *more: command("attention", "ich sehe", "--run", run, "--html", path, *more),
        "rejects": lambda path, *more: command(*prepare, "--rejects", path, *more),
        "export": lambda path, *more: command("export", "ctranslate2", "--run", run, "--output", path, *more),
        "average": lambda path, *more: command("average", "--run", run, "--output", path, *more),
    }


KINDS = ("report", "attention", "rejects", "export", "average")
FILES = ("report", "attention", "rejects")


@pytest.fixture
def run(run_copy: Path) -> Path:
    """A run that may be destroyed, with a checkpoint."""
    weights = load_tensors(run_copy / "model" / "model.safetensors")
    save_checkpoint(run_copy / "checkpoints", TrainingState(step=1), weights, {})
    (run_copy / "metrics.jsonl").write_text("", "utf-8")
    return run_copy


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_the_user_is_kept_unless_it_is_forced(
    kind: str, writers: dict[str, Write], corpus: Corpus, tmp_path: Path
) -> None:
    pytest.importorskip("ctranslate2") if kind == "export" else None
    path = tmp_path / "mine"
    for text in ("One sentence.\n", "a\tb\tc\td\te\n", "<!DOCTYPE html>\n<p>mine</p>\n", '{"nmt": 1}'):
        path.write_text(text, "utf-8")
        done = writers[kind](path)
        assert done.returncode == 1
        assert f"{path}: something else is there, so it is not replaced" in done.stderr
        assert "--force" in done.stderr
        assert path.read_text("utf-8") == text
    if kind in FILES:
        done = writers[kind](tmp_path)
        assert (done.returncode, "not replaced" in done.stderr) == (1, True)
    else:
        path.unlink()
        (path / "inner").mkdir(parents=True)
        (path / "config.json").write_text("{}", "utf-8")
        assert writers[kind](path).returncode == 1
        assert contents(path) == {path / "config.json": b"{}"}
    assert "something else is there" not in writers[kind](path, "--force").stderr
    assert not path.is_file() or b"<p>mine" not in path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_an_older_output_of_the_kind_is_replaced(kind: str, writers: dict[str, Write], tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2") if kind == "export" else None
    path = tmp_path / "output"
    if kind in FILES:
        path.touch()  # as mktemp makes it
    for _ in range(2):
        done = writers[kind](path)
        assert "something else is there" not in done.stderr
        assert contents(path) if path.is_dir() else path.stat().st_size
    if path.is_dir():
        (path / "notes.txt").write_text("mine", "utf-8")
        assert "something else is there" in writers[kind](path).stderr
        assert (path / "notes.txt").read_text("utf-8") == "mine"


PARTS = (
    "tokenizer.model",
    "data/test.source",
    "data/train/source.ids.npy",
    "data",
    "model/config.json",
    "model",
    "metrics.jsonl",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("more", [[], ["--force"]])
def test_the_files_of_a_run_are_never_replaced(
    kind: str, more: list[str], run: Path, writers: dict[str, Write], tmp_path: Path
) -> None:
    """`nmt report m --html m/tokenizer.model`, in this run and in another, also through a link."""
    pytest.importorskip("ctranslate2") if kind == "export" else None
    other = Path(shutil.copytree(run, tmp_path / "other"))
    (tmp_path / "link").symlink_to(other)
    before = contents(run) | contents(other)
    places = [other / part for part in PARTS] + [tmp_path / "link" / "metrics.jsonl", run / "tokenizer.model"]
    for path in places if kind == "report" else places[-4:]:
        done = writers[kind](path, *more)
        assert done.returncode == 2, path
        assert "a part of the run" in done.stderr
    assert contents(run) | contents(other) == before


def test_an_own_name_in_a_run_is_free(run: Path, writers: dict[str, Write]) -> None:
    assert writers["report"](run / "report.html").returncode == 0
    assert writers["average"](run / "averaged").returncode == 0
    assert b"nmt" in (run / "report.html").read_bytes()


def test_prepare_keeps_a_data_directory_that_is_not_its_own(
    run: Path, corpus: Corpus, tmp_path: Path, command: Program
) -> None:
    place = tmp_path / "project"
    (place / "data").mkdir(parents=True)
    (place / "data" / "corpus.txt").write_text("mine", "utf-8")
    prepare = ("prepare", *corpus.train, "--run", place, "--tokenizer", run)
    done = command(*prepare)
    assert done.returncode == 1
    assert f"{place / 'data'}: something else is there" in done.stderr
    assert (place / "data" / "corpus.txt").read_text("utf-8") == "mine"
    assert command(*prepare, "--force").returncode == 0
    assert not (place / "data" / "corpus.txt").exists()


def test_the_same_data_are_prepared_again_in_a_trained_run(run: Path, corpus: Corpus, command: Program) -> None:
    """A script that is run again does all its steps again; another set is refused before anything is lost."""
    before = contents(run)
    sets = ("--valid", *corpus.valid, "--test", *corpus.test, "--run", run)
    assert command("prepare", *corpus.train, *sets).returncode == 0
    assert contents(run).keys() == before.keys()
    before = contents(run)
    for change in (["--max-length", 5], ["--no-deduplicate", "--split", 3], ["--tokenizer", run, "--max-ratio", 1]):
        done = command("prepare", *corpus.train, *sets, *change)
        assert done.returncode != 0
        assert contents(run) == before


def test_a_tokenizer_of_somebody_else_is_not_replaced(corpus: Corpus, tmp_path: Path, command: Program) -> None:
    path = tmp_path / "run" / "tokenizer.model"
    path.parent.mkdir()
    path.write_text("of another program", "utf-8")
    train = ("tokenizer", "train", *corpus.train, "--vocab-size", 350, "--run", path.parent)
    done = command(*train)
    assert done.returncode == 1
    assert "it is not replaced" in done.stderr
    assert path.read_text("utf-8") == "of another program"
    assert command(*train, "--force").returncode == 0
