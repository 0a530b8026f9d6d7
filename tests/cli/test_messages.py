"""When the input or the environment is at fault: one message that names it, exit code 1, and nothing half-written."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Corpus, Program, environment

from nmt.files.lock import locked


def snapshot(*places: Path) -> dict[str, bytes]:
    """Every file under these places, hidden ones too, but for the lock, which says nothing when nobody holds it."""
    files = (path for place in places for path in sorted(place.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path): path.read_bytes() for path in files}


class Place:
    """A run, and a folder of input files around it, good and bad."""

    def __init__(self, run: Path, corpus: Corpus) -> None:
        self.run, self.folder = run, run.parent
        self.source, self.target = corpus.train
        self.empty = self.write("empty", "")
        self.blank = self.write("blank", "\n  \n")
        self.short = self.write("short", "one line\n")
        self.config = self.write("nmt.toml", "[train]\nbatch-token = 100\n[translate]\nbeams = 3\n")
        self.latin = self.folder / "latin"
        self.latin.write_bytes(b"gut\nGr\xfc\xdfe\n")

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content, encoding="utf-8")
        return path


@pytest.fixture
def place(run_copy: Path, corpus: Corpus) -> Place:
    return Place(run_copy, corpus)


def without(name: str) -> Callable[[Place], None]:
    return lambda place: (place.run / name).unlink()


def truncated(name: str) -> Callable[[Place], None]:
    def cut(place: Place) -> None:
        path = place.run / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return cut


def replaced(name: str, content: str) -> Callable[[Place], None]:
    return lambda place: (place.run / name).write_text(content, encoding="utf-8") and None


def nothing(place: Place) -> None:
    """The run is whole."""


Arguments = Callable[[Place], list[object]]
PROBLEMS: dict[str, tuple[Callable[[Place], None], Arguments, tuple[str, ...]]] = {
    "tokenizer train: missing file": (
        nothing,
        lambda p: ["tokenizer", "train", p.folder / "none"],
        ("none: no such file",),
    ),
    "tokenizer train: second file missing": (
        nothing,
        lambda p: ["tokenizer", "train", p.source, p.folder / "none", "--vocab-size", 350],
        ("none: no such file",),
    ),
    "tokenizer train: directory": (
        nothing,
        lambda p: ["tokenizer", "train", p.folder],
        ("is a directory", "name a file"),
    ),
    "tokenizer train: empty corpus": (nothing, lambda p: ["tokenizer", "train", p.empty], ("empty: no text there",)),
    "tokenizer train: blank corpus": (nothing, lambda p: ["tokenizer", "train", p.blank], ("blank: no text there",)),
    "tokenizer train: too small": (
        nothing,
        lambda p: ["tokenizer", "train", p.source, "--vocab-size", 30],
        ("--vocab-size 30 is too small", "set --vocab-size above"),
    ),
    "tokenizer encode: missing tokenizer": (
        without("tokenizer.model"),
        lambda p: ["tokenizer", "encode", p.source],
        ("no tokenizer in", "nmt tokenizer train"),
    ),
    "tokenizer encode: truncated tokenizer": (
        truncated("tokenizer.model"),
        lambda p: ["tokenizer", "encode", p.source],
        ("tokenizer.model: not a SentencePiece model",),
    ),
    "prepare: missing file": (nothing, lambda p: ["prepare", p.source, p.folder / "none"], ("none: no such file",)),
    "prepare: directory": (nothing, lambda p: ["prepare", p.source, p.folder], ("is a directory",)),
    "prepare: unequal lines": (
        nothing,
        lambda p: ["prepare", p.source, p.short],
        ("train.de has 200 lines", "short has 1"),
    ),
    "prepare: unequal validation set": (
        nothing,
        lambda p: ["prepare", p.source, p.target, "--valid", p.source, p.short],
        ("train.de has 200 lines", "short has 1"),
    ),
    "prepare: table without tabs": (nothing, lambda p: ["prepare", p.source], ("train.de, line 1: no tab",)),
    "prepare: three files": (nothing, lambda p: ["prepare", p.source, p.source, p.source], ("got 3 files",)),
    "prepare: empty corpus": (nothing, lambda p: ["prepare", p.empty, p.empty], ("no pair of", "left to train on")),
    "prepare: missing tokenizer": (
        without("tokenizer.model"),
        lambda p: ["prepare", p.source, p.target],
        ("no tokenizer in", "nmt tokenizer train"),
    ),
    "prepare: two validation sets": (
        nothing,
        lambda p: ["prepare", p.source, p.target, "--valid", p.source, p.target, "--valid-tsv", p.short],
        ("--valid and --valid-file",),
    ),
    "prepare: an option for a file": (
        nothing,
        lambda p: ["prepare", p.source, p.target, "--valid", p.source, "--split", 3],
        ("--valid takes two files", "--split", "--valid-file"),
    ),
    "prepare: bad number": (
        nothing,
        lambda p: ["prepare", p.source, p.target, "--max-ratio", "0.5"],
        ("--max-ratio 0.5 must be above 1",),
    ),
    "train: missing tokenizer": (without("tokenizer.model"), lambda p: ["train"], ("no tokenizer in",)),
    "train: missing data": (without("data/data.json"), lambda p: ["train"], ("no prepared data", "nmt prepare")),
    "train: another tokenizer": (
        replaced("data/data.json", '{"format": 1, "tokenizer": {"source": "0", "target": "0"}}'),
        lambda p: ["train"],
        ("prepared with another tokenizer", "nmt prepare"),
    ),
    "train: damaged data": (
        truncated("data/train/source.ids.npy"),
        lambda p: ["train"],
        ("source.ids.npy", "nmt prepare"),
    ),
    "train: validation text of other lengths": (
        replaced("data/valid.target", "one line\n"),
        lambda p: ["train"],
        ("valid.source has 8 lines", "valid.target has 1", "nmt prepare"),
    ),
    "train: GPU absent": (nothing, lambda p: ["train", "--device", "cuda:99"], ("--device cuda:99", "no such GPU")),
    "train: unknown preset": (nothing, lambda p: ["train", "--preset", "huge"], ("--preset huge is unknown", "small")),
    "train: unknown key": (
        nothing,
        lambda p: ["train", "--config", p.config],
        ("nmt.toml: [train] batch_token: unknown setting; did you mean batch_tokens?",),
    ),
    "check: a table of its own": (
        lambda p: p.config.write_text("[check]\nmax_ratio = 0.5"),
        lambda p: ["check", p.config, p.config, "--config", p.config],
        ("nmt.toml: [check] max-ratio 0.5 must be above 1",),
    ),
    "average: not a checkpoint": (nothing, lambda p: ["average", p.folder], ("not a checkpoint", "step-000500")),
    "train: missing settings": (nothing, lambda p: ["train", "--config", p.folder / "none"], ("none: no such file",)),
    "train: several problems": (
        nothing,
        lambda p: ["train", "--steps", 0, "--beta2", 2, "--keep", 0],
        ("--steps 0", "--beta2 2", "--keep 0"),
    ),
    "translate: missing model": (
        without("model/config.json"),
        lambda p: ["translate"],
        ("model: not a model directory", "nmt train"),
    ),
    "translate: truncated weights": (
        truncated("model/model.safetensors"),
        lambda p: ["translate"],
        ("model.safetensors", "copy the directory again"),
    ),
    "translate: truncated tokenizer": (
        truncated("model/tokenizer.model"),
        lambda p: ["translate"],
        ("tokenizer.model", "copy the directory again"),
    ),
    "translate: foreign model": (
        replaced("model/config.json", '{"architectures": ["MarianMTModel"], "d_model": 512}'),
        lambda p: ["translate"],
        ("config.json: model format None",),
    ),
    "translate: no JSON": (
        replaced("model/config.json", "{"),
        lambda p: ["translate"],
        ("config.json: not readable as JSON",),
    ),
    "translate: missing file": (nothing, lambda p: ["translate", p.folder / "none"], ("none: no such file",)),
    "translate: directory": (nothing, lambda p: ["translate", p.folder], ("is a directory",)),
    "translate: GPU absent": (nothing, lambda p: ["translate", "--device", "cuda:99"], ("--device cuda:99",)),
    "translate: unknown device": (nothing, lambda p: ["translate", "--device", "tpux"], ("--device tpux is unknown",)),
    "translate: unknown key": (
        nothing,
        lambda p: ["translate", "--config", p.config],
        ("nmt.toml: [translate] beams: unknown setting; did you mean beam?",),
    ),
    "translate: more than the beam": (
        nothing,
        lambda p: ["translate", "--beam", 2, "--n-best", 3],
        ("--n-best 3 is more than --beam 2",),
    ),
    "translate: strict": (
        nothing,
        lambda p: ["translate", p.latin, "--strict"],
        ("latin, line 2: invalid UTF-8 at byte 3 (0xfc)",),
    ),
    "eval: n best": (nothing, lambda p: ["eval", "--n-best", 2], ("leave out --n-best",)),
    "eval: missing reference": (
        nothing,
        lambda p: ["eval", p.source, "--reference", p.folder / "none"],
        ("none: no such file",),
    ),
    "eval: no test set": (without("data/test.target"), lambda p: ["eval"], ("has no test set", "--reference")),
    "average: no checkpoints": (nothing, lambda p: ["average"], ("checkpoints: no checkpoints",)),
    "info: nothing there": (nothing, lambda p: ["info", p.folder / "none"], ("not a run, a model or prepared data",)),
}


USAGE = {
    "prepare: two validation sets",
    "prepare: an option for a file",
    "prepare: bad number",
    "train: unknown preset",
    "train: several problems",
    "translate: more than the beam",
    "eval: n best",
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_one_message_an_exit_code_and_no_change_to_the_run(
    command: Program, place: Place, name: str
) -> None:
    """Forty lines of traceback are how other toolkits say that a file is missing."""
    spoil, arguments, words = PROBLEMS[name]
    spoil(place)
    before = snapshot(place.run)
    done = command(*arguments(place), "--run", place.run, "--quiet", stdin=b"ich sehe\n")
    assert done.returncode == (2 if name in USAGE else 1), done.stderr
    problem, *hint = done.stderr.splitlines()
    assert problem.startswith("error: ")
    assert len(hint) <= 1
    assert all(line.startswith("  ") for line in hint)
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert snapshot(place.run) == before


def test_a_process_ends_with_the_problem_and_what_to_do(nmt: Program, place: Place) -> None:
    done = nmt("prepare", place.source, place.short, "--run", place.run)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.splitlines() == [
        f"error: {place.source} has 200 lines but {place.short} has 1",
        "  each line must translate the same line of the other file; nmt check locates the missing lines",
    ]


def test_debug_shows_the_traceback_and_the_message(command: Program, place: Place) -> None:
    done = command("prepare", place.source, place.short, "--run", place.run, "--debug")
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "has 200 lines but" in done.stderr.splitlines()[-2]


def test_a_defect_of_ours_is_called_that(command: Program, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(directory: Path) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("nmt.text.tokenizer.Tokenizers.load", broken)
    done = command("prepare", place.source, place.target, "--run", place.run)
    assert done.returncode == 1
    assert "internal error: KeyError: 'surprise'" in done.stderr
    assert "--debug" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has a device that is always full")
def test_a_full_disk_is_one_message(nmt: Program, place: Place) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nmt", "tokenizer", "encode", "--run", place.run, place.source],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
        )
    assert done.returncode == 1
    assert "standard output: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments", [["tokenizer", "train", "FILE", "--vocab-size", 350], ["prepare", "FILE", "FILE"], ["train"]]
)
def test_a_run_where_another_nmt_is_at_work_is_left_alone(
    command: Program, place: Place, arguments: list[object]
) -> None:
    """Two trainings in one run would write over each other's checkpoints."""
    before = snapshot(place.run)
    with locked(place.run):
        done = command(*[place.source if one == "FILE" else one for one in arguments], "--run", place.run)
    assert done.returncode == 1
    assert f"{place.run}: in use by another nmt process" in done.stderr
    assert snapshot(place.run) == before


def interruptible() -> None:
    """A shell's background ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_an_interrupt_is_exit_code_130_without_a_traceback(place: Place) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "nmt", "tokenizer", "encode", "--run", place.run],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        preexec_fn=interruptible,
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"ich sehe den Hund\n" * 2500)
    process.stdin.flush()
    assert process.stdout.read(10)  # it is at work, and now waits for more
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in errors


def interrupted(arguments: list[str], library: Path) -> "subprocess.CompletedProcess[str]":
    """Run Python where modules of a folder come before others."""
    env = environment({"PYTHONPATH": f"{library}:{ROOT}"})
    return subprocess.run(
        [sys.executable, *arguments], env=env, preexec_fn=interruptible, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("within", ["    import slow", "    def read(): import slow", "    import outer"])
def test_a_signal_while_a_library_is_imported_comes_right_after_it(tmp_path: Path, name: str, within: str) -> None:
    """Libraries import others on trial, and take whatever is raised to mean that these are missing."""
    (tmp_path / "outer.py").write_text("try:\n    import slow\n    slow.read\nexcept BaseException:\n    pass\n")
    (tmp_path / "slow.py").write_text(
        f"import os, signal\ntry:\n    os.kill(os.getpid(), signal.{name})\n    read = complete = True\n"
        "except BaseException:\n    complete = False\n"
    )
    code = (
        "import sys, typer\nfrom nmt.cli.errors import reported\ntry:\n  with reported(debug=False):\n"
        f"{within}\n    {'read()' if 'def' in within else 'pass'}\n    print('the end')\n"
        "except typer.Exit as end:\n    print(sys.modules['slow'].complete)\n    sys.exit(end.exit_code)\n"
    )
    done = interrupted(["-c", code], tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.Signals[name], "True\n", "")


def test_an_interrupt_of_the_start_is_silent(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = interrupted(["-m", "nmt"], tmp_path)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


# ---------------------------------------------------------------------------------------------------------- settings


def test_one_settings_file_serves_all_commands(command: Program, place: Place) -> None:
    """`tokenizer train` is not `train`: each has its own table."""
    path = place.write("all.toml", "[train]\nsteps = 5\n[prepare]\nmax-length = 100\n[translate]\nbeam = 1\n")
    done = command(
        "tokenizer", "train", place.source, "--vocab-size", 350, "--run", place.folder / "new", "--config", path
    )
    assert done.returncode == 0, done.stderr


def test_flags_win_over_the_file(command: Program, place: Place) -> None:
    path = place.write("short.toml", "[prepare]\nmax-length = 2\n")
    arguments = ("prepare", place.source, place.target, "--run", place.run, "--force", "--config", path)
    assert "no pair of" in command(*arguments).stderr
    done = command(*arguments, "--max-length", 100)
    assert done.returncode == 0
    assert "train: kept 200 of 200 pairs" in done.stderr


def test_the_run_is_taken_from_the_environment(nmt: Program, place: Place) -> None:
    done = nmt("tokenizer", "encode", stdin=b"ich\n", env={"NMT_RUN": str(place.run)})
    assert (done.returncode, done.stdout) == (0, "▁ich\n".encode())
    assert nmt("tokenizer", "encode", stdin=b"ich\n", cwd=place.folder).stdout == "▁ich\n".encode()  # ./run


def test_quiet_says_nothing_but_warnings(command: Program, place: Place) -> None:
    arguments = ("tokenizer", "train", place.source, "--run", place.folder / "new")
    loud, quiet = (command(*arguments, "--vocab-size", 300, *more).stderr for more in ([], ["--quiet"]))
    assert "300 pieces" in loud
    assert quiet == ""
    assert "warning: the corpus fills" in command(*arguments, "--vocab-size", 3000, "--quiet").stderr


def test_output_is_utf8_whatever_the_locale(nmt: Program, place: Place) -> None:
    """Under LC_ALL=C other tools die at the first letter beyond ASCII."""
    env = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "NMT_RUN": os.fspath(place.run)}
    done = nmt("tokenizer", "encode", stdin="höre 한\n".encode(), env=env)
    assert done.returncode == 0
    assert done.stdout.decode().startswith("▁höre")
