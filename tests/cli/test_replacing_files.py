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
        (path / "inner").rmdir()
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
        for more in [], ["--force"]:
            done = writers[kind](path, *more)
            assert "something else is there, so it is not replaced, not even by --force" in done.stderr
            assert "add --force" not in done.stderr
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


@pytest.mark.parametrize("kind", ["export", "average"])
def test_a_run_is_never_replaced_nor_a_directory_with_anything_else(
    kind: str, run: Path, writers: dict[str, Write], tmp_path: Path
) -> None:
    """`nmt average --run m --output m --force`, and with the directory of all runs, or one inside an older output."""
    pytest.importorskip("ctranslate2") if kind == "export" else None
    (tmp_path / "runs" / "train").mkdir(parents=True)
    shutil.copytree(run, tmp_path / "runs" / "train" / "first")
    assert writers[kind](tmp_path / "older").returncode == 0
    (tmp_path / "older" / ".git").mkdir()
    (tmp_path / "older" / ".git" / "HEAD").write_text("ref: refs/heads/main\n", "utf-8")
    (tmp_path / "untrained").mkdir()
    shutil.copy(run / "tokenizer.model", tmp_path / "untrained")
    (tmp_path / "link").symlink_to(run)
    before = contents(tmp_path)
    for name in ("run", "runs", "older", "untrained", "link", "runs/train"):
        for more in [], ["--force"]:
            done = writers[kind](tmp_path / name, *more)
            assert (done.returncode, "not even by --force" in done.stderr) == (1, True), name
            assert "add --force" not in done.stderr
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", ["export", "average"])
def test_force_replaces_an_output_without_a_mark_and_a_file(
    kind: str, writers: dict[str, Write], tmp_path: Path
) -> None:
    pytest.importorskip("ctranslate2") if kind == "export" else None
    path = tmp_path / "output"
    path.write_text("mine", "utf-8")
    assert writers[kind](path, "--force").returncode == 0
    config = path / "config.json"
    config.write_text(config.read_text("utf-8").replace('"nmt":', '"other":'), "utf-8")
    done = writers[kind](path)
    assert (done.returncode, "add --force" in done.stderr) == (1, True)
    assert writers[kind](path, "--force").returncode == 0
    assert '"nmt":' in config.read_text("utf-8")
    assert not list(tmp_path.glob(".output.*"))


@pytest.mark.parametrize("kind", ["export", "average"])
def test_the_current_directory_is_not_replaced(
    kind: str, run: Path, tmp_path: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell would be left in a directory that is not there any more."""
    pytest.importorskip("ctranslate2") if kind == "export" else None
    place = tmp_path / "place"
    (place / "train").mkdir(parents=True)
    start = ("export", "ctranslate2") if kind == "export" else ("average",)
    for inside, output in ((place, "."), (place / "train", ".."), (place / "train", "../../place"), (place, "/")):
        monkeypatch.chdir(inside)
        done = command(*start, "--run", run, "--output", output, "--force")
        assert (done.returncode, "the current directory" in done.stderr) == (1, True)
    assert list(place.iterdir()) == [place / "train"]


def test_the_model_of_the_current_directory_is_read(
    run: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run / "model")
    assert command("translate", "--model", ".", stdin="ich\n").returncode == 0


PLACES = (
    *("data", "data/dropped.tsv", "data/data.json", "data/train/x", "data.shards/1-of-2", "model", "model/x", ".lock"),
    *(
        "tokenizer.model",
        "tokenizer.source.model",
        "checkpoints",
        "config.toml",
        "metrics.jsonl",
        "eval",
        "tensorboard",
    ),
)


def test_the_places_of_a_new_run_are_kept_for_its_parts(
    run: Path, corpus: Corpus, tmp_path: Path, command: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--rejects RUN/data/dropped.tsv` of the first `prepare` would be lost when RUN/data appears."""
    monkeypatch.chdir(tmp_path)
    prepare = ("prepare", *corpus.train, "--tokenizer", run)
    for place in PLACES:
        done = command(*prepare, "--run", "new", "--rejects", tmp_path / "new" / place, "--force")
        assert (done.returncode, "a part of the run" in done.stderr) == (2, True), place
    assert not (tmp_path / "new").exists()
    (tmp_path / "big").mkdir()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "data").symlink_to(tmp_path / "big")
    assert command(*prepare, "--run", "linked", "--rejects", "linked/data/dropped.tsv").returncode == 2
    for place in ("dropped.tsv", "eval/dropped.tsv", "data.tsv"):
        assert command(*prepare, "--run", "new", "--rejects", f"new/{place}").returncode == 0
        assert (tmp_path / "new" / place).exists()


def test_data_beside_a_tokenizer_are_not_a_run(run: Path, corpus: Corpus, tmp_path: Path, command: Program) -> None:
    """A project with a SentencePiece model of its own, and a corpus in data/."""
    place = tmp_path / "project"
    (place / "data").mkdir(parents=True)
    shutil.copy(run / "tokenizer.model", place)
    (place / "data" / "data.csv").write_text("mine", "utf-8")
    prepare = ("prepare", *corpus.train, "--tokenizer", place / "tokenizer.model")
    for _ in range(2):
        done = command(*prepare, "--run", tmp_path / "new", "--rejects", place / "data" / "dropped.tsv")
        assert done.returncode == 0
    assert command(*prepare, "--run", tmp_path / "new", "--rejects", place / "tokenizer.model").returncode == 2


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
    assert command(*prepare, "--force").returncode == 1
    assert (place / "data" / "corpus.txt").read_text("utf-8") == "mine"
    (place / "data" / "corpus.txt").rename(place / "data" / "valid.source")
    assert "add --force" in command(*prepare).stderr
    assert command(*prepare, "--force").returncode == 0


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
