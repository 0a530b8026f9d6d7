"""`nmt synthesize`: what is written, what is left out and why, and that a killed command goes on."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Corpus, Program, environment

from nmt.config.synthesis import SynthesisConfig
from nmt.decoding.synthesis import Candidate, Example, Synthesizer, add_noise

QUICK = ("--beam", 2, "--max-length", 9, "--threads", 1)


def teacher(folder: Path, body: str) -> str:
    """A program that translates each `line` by a Python expression."""
    path = folder / "teacher.py"
    path.write_text(f"import sys, time\nfor line in sys.stdin:\n    line = line[:-1]\n    print({body}, flush=True)\n")
    return f"{sys.executable} {path}"


def rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "mono.txt"
    path.write_text("one small line\n\nanother line\none small line\nso\n", encoding="utf-8")
    return path


def test_back_translation_writes_the_source_and_forward_the_target(
    command: Program, text: Path, tmp_path: Path
) -> None:
    program, output = teacher(tmp_path, "line[::-1]"), tmp_path / "out.tsv"
    common = ("--teacher-command", program, "--output", output, "--tag", "<bt>")
    done = command("synthesize", "back", text, *common)
    assert done.returncode == 0, done.stderr
    assert rows(output) == [["<bt> " + row[::-1], row] for row in ("one small line", "another line", "so")]
    assert "3 of 5 pairs; left out: empty 1, duplicate 1" in done.stderr
    command("synthesize", "forward", text, *common)
    assert rows(output)[0] == ["<bt> one small line", "enil llams eno"]


@pytest.mark.parametrize(
    ("body", "options", "reason"),
    [
        ("line.upper()", (), "copy"),
        ("line * 9", (), "length"),
        ("''", (), "failed"),
        ("line.upper()", ("--keep-copies", "--keep-duplicates"), ""),
    ],
)
def test_rejects_have_their_reasons(
    command: Program, text: Path, tmp_path: Path, body: str, options: tuple[str, ...], reason: str
) -> None:
    output, rejects = tmp_path / "out.tsv", tmp_path / "rejects.tsv"
    program = teacher(tmp_path, body)
    files = ("--teacher-command", program, "--output", output, "--rejects", rejects)
    assert command("synthesize", "back", text, *files, *options).returncode == 0
    reasons = [row[0] for row in rows(rejects)]
    assert len(rows(output)) + len(reasons) == 5
    assert set(reasons) - {"empty", "duplicate"} == ({reason} if reason else set())


def test_a_model_is_a_teacher_and_prepare_reads_what_it_wrote(command: Program, tmp_path: Path) -> None:
    golden, outputs = Path(__file__).parents[1] / "golden", [tmp_path / "a.tsv", tmp_path / "b.tsv"]
    for output in outputs:
        options = ("--model", golden / "model-0.1", "--threads", 1, "--output", output)
        done = command("synthesize", "forward", golden / "source.ko", *options)
        assert done.returncode == 0, done.stderr
    assert outputs[0].read_bytes() == outputs[1].read_bytes()
    sources = (golden / "source.ko").read_text(encoding="utf-8").splitlines()
    translations = (golden / "beam5.en").read_text(encoding="utf-8").splitlines()
    written = {(source, target) for source, target in rows(outputs[0])}
    assert len(written & set(zip(sources, translations, strict=True))) > 0.5 * len(written) > 0
    options = ("--tokenizer", golden / "model-0.1", "--run", tmp_path / "run", "--no-clean")
    prepared = command("prepare", outputs[0], *options)
    assert prepared.returncode == 0, prepared.stderr


def test_diversification_translates_both_sides_with_each_model(
    command: Program, run: Path, corpus: Corpus, tmp_path: Path
) -> None:
    output, model = tmp_path / "out.tsv", run / "model"
    options = ("--forward", model, "--forward", model, "--backward", model, "--keep-duplicates", "--keep-copies")
    done = command("synthesize", "diversify", *corpus.valid, *options, *QUICK, "-o", output)
    assert done.returncode == 0, done.stderr
    lines = len(corpus.valid[0].read_text(encoding="utf-8").splitlines())
    assert f"of {3 * lines} pairs" in done.stderr
    refused = command("synthesize", "diversify", *corpus.valid, "--run", run, "-o", output)
    assert refused.returncode == 2


def test_killed_and_run_again_it_gives_the_same_bytes(command: Program, tmp_path: Path) -> None:
    text, output = tmp_path / "mono.txt", tmp_path / "out.tsv"
    text.write_text("".join(f"line number {number % 4000}\n" for number in range(6000)), encoding="utf-8")
    rejects = ("--rejects", tmp_path / "rejects.tsv")
    program = teacher(tmp_path, "(time.sleep(0.0005), line[::-1])[1]")
    arguments = ("synthesize", "back", text, "--teacher-command", program, "-o", output, *rejects)
    assert command(*arguments).returncode == 0
    expected = output.read_bytes(), rejects[1].read_bytes()
    for path in (output, rejects[1]):
        path.unlink()
    process = subprocess.Popen([sys.executable, "-m", "nmt", *map(str, arguments)], env=environment())
    state, deadline = tmp_path / ".out.tsv.state", time.monotonic() + 60
    while not state.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not output.exists()
    assert command(*arguments).returncode == 0
    assert (output.read_bytes(), rejects[1].read_bytes()) == expected
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("false", "ended early"),
        ("head -n 1", "ended early"),
        ("sed p", "more lines"),
        ("no-such-program", "No such file"),
    ],
)
def test_a_program_that_does_not_give_a_line_for_each_is_an_error(
    command: Program, text: Path, tmp_path: Path, program: str, message: str
) -> None:
    done = command("synthesize", "back", text, "--teacher-command", program, "-o", tmp_path / "out.tsv")
    assert done.returncode == 1
    assert message in done.stderr
    assert not (tmp_path / "out.tsv").exists()


def test_the_hypothesis_nearest_to_the_reference_is_taken() -> None:
    synthesizer = Synthesizer(SynthesisConfig(min_score=-3.0), backward=False, seed=1)
    candidates = [Candidate("a red cat", -1.0), Candidate("the red dog", -2.0), Candidate("blue", -1.5)]
    examples = [Example("der rote Hund", "the red dog!"), Example("der Hund"), Example("x y", "blue sky")]

    def taught(given: object) -> object:
        return ((example, candidates) for example in examples)

    assert [pair.target for pair in synthesizer(examples, taught)] == ["the red dog", "a red cat", "blue"]
    candidates[2] = Candidate("blue sky", -4.0, is_loop=False)
    assert [pair.reason for pair in synthesizer(examples, taught)] == ["kept", "kept", "score"]


def test_noise_drops_and_moves_words_a_little_and_the_same_each_time() -> None:
    words = [f"w{number}" for number in range(200)]
    noised = add_noise(" ".join(words), 0.1, 7).split()
    assert noised == add_noise(" ".join(words), 0.1, 7).split() != words
    assert 160 < len(noised) < 195
    places = [words.index(word) for word in noised]
    kept = sorted(places)
    assert max(abs(kept.index(place) - index) for index, place in enumerate(places)) <= 4
