"""`nmt synthesize`: what is written, what is left out and why, and that a killed command goes on."""

import gzip
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


def killed_once(sign: Path, *arguments: object, stdin: bytes = b"") -> None:
    """Run the command, and kill it when this file has content."""
    with started(sign, *arguments, stdin=stdin) as process:
        process.kill()


def started(sign: Path, *arguments: object, stdin: bytes = b"") -> "subprocess.Popen[bytes]":
    """The command at work, since this file has content; more is to come on its stdin."""
    command = [sys.executable, "-m", "nmt", *map(str, arguments)]
    process, deadline = subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE), time.monotonic() + 60
    assert process.stdin
    process.stdin.write(stdin)
    while not (sign.exists() and sign.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


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
    killed_once(tmp_path / ".out.tsv.state", *arguments)
    assert not output.exists()
    assert command(*arguments).returncode == 0
    assert (output.read_bytes(), rejects[1].read_bytes()) == expected
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"left number {number}\tright number {number}\n" for number in range(3000)))
    return path


def test_what_was_killed_is_not_continued_with_other_columns(command: Program, pairs: Path, tmp_path: Path) -> None:
    program, output = teacher(tmp_path, "(time.sleep(0.0005), line[::-1])[1]"), tmp_path / "out.tsv"
    arguments = ("synthesize", "forward", pairs, "--teacher-command", program, "-o", output)
    killed_once(tmp_path / ".out.tsv.state", *arguments, "--columns", "1,2")
    assert command(*arguments, "--columns", "2,1").returncode == 0
    assert {row[0].split()[0] for row in rows(output)} == {"right"}


def test_what_came_from_a_pipe_is_not_continued(command: Program, pairs: Path, tmp_path: Path) -> None:
    program, output = teacher(tmp_path, "(time.sleep(0.0005), line[::-1])[1]"), tmp_path / "out.tsv"
    arguments = ("synthesize", "back", "-", "--teacher-command", program, "-o", output)
    killed_once(tmp_path / ".out.tsv.part", *arguments, stdin=pairs.read_bytes())
    done = command(*arguments, stdin="".join(f"other line {number}\n" for number in range(1500)))
    assert "1,500 of 1,500 pairs" in done.stderr
    assert {row[1].split()[0] for row in rows(output)} == {"other"}


def test_a_file_is_written_by_one_process_at_a_time(command: Program, pairs: Path, tmp_path: Path) -> None:
    program, output = teacher(tmp_path, "(time.sleep(0.001), line[::-1])[1]"), tmp_path / "out.tsv"
    arguments = ("synthesize", "forward", pairs, "--teacher-command", program, "-o", output)
    with started(tmp_path / ".out.tsv.state", *arguments) as process:
        refused = command(*arguments)
    assert refused.returncode == 1
    assert "being written by another nmt process" in refused.stderr
    assert process.returncode == 0
    assert len(rows(output)) == 3000


def test_pairs_go_into_a_pipe_and_a_full_disk_is_named(text: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-m", "nmt", "synthesize", "back", text, "--teacher-command", "rev", "-o"]
    done = subprocess.run([*arguments, "/dev/stdout"], env=environment(), capture_output=True, check=True)
    assert done.stdout.decode().splitlines() == [
        "enil llams eno\tone small line",
        "enil rehtona\tanother line",
        "os\tso",
    ]
    if Path("/dev/full").exists():
        full = subprocess.run([*arguments, "/dev/full"], env=environment(), capture_output=True, text=True)
        assert (full.returncode, full.stderr) == (1, "error: /dev/full: No space left on device\n")


@pytest.mark.parametrize("name", ["missing.txt", "", "one.tsv", "cut.gz"])
def test_what_cannot_be_read_is_an_error_with_a_program_too(command: Program, tmp_path: Path, name: str) -> None:
    (tmp_path / "one.tsv").write_text("only one column\n")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b"a line\n" * 99)[:-9])
    done = command("synthesize", "back", tmp_path / name, "--teacher-command", "cat", "-o", tmp_path / "out.tsv")
    assert done.returncode == 1
    assert "error: " in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*out.tsv*"))


def test_other_files_are_not_replaced(command: Program, text: Path, tmp_path: Path) -> None:
    before = text.read_bytes()
    arguments = ("synthesize", "back", text, "--teacher-command", "rev")
    for outputs in (
        ("-o", text),
        ("-o", tmp_path / "a", "--rejects", text),
        ("-o", tmp_path / "a", "--rejects", tmp_path / "a"),
    ):
        assert command(*arguments, *outputs).returncode == 2
    assert command(*arguments, "-o", tmp_path / "a.tsv.gz").returncode == 2
    assert command(*arguments, "-o", "-").returncode == 2
    assert text.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("diversify", "TEXT", "--forward", "model"), "needs pairs"),
        (("diversify", "TEXT", "TEXT"), "both directions"),
        (("forward", "TEXT", "--backward", "model"), "for diversify"),
        (("back", "TEXT", "--teacher-command", ""), "is empty"),
        (("back", "TEXT", "--teacher-command", "rev", "--tag", "<b t>"), "is not one word"),
        (("back", "TEXT", "--teacher-command", "rev", "--sample"), "--sample has no meaning"),
        (("back", "TEXT", "--teacher-command", "rev", "--model", "model"), "--model has no meaning"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(
    command: Program, text: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    given = [text if argument == "TEXT" else argument for argument in arguments]
    done = command("synthesize", *given, "-o", tmp_path / "out.tsv")
    assert done.returncode == 2
    assert message in done.stderr


def test_a_model_of_the_other_direction_is_pointed_out(command: Program, tmp_path: Path) -> None:
    golden, question = Path(__file__).parents[1] / "golden", "is it the right model?"
    korean, english = golden / "source.ko", golden / "beam5.en"
    options = ("--model", golden / "model-0.1", *QUICK, "-o", tmp_path / "out.tsv")
    assert question in command("synthesize", "back", korean, english, *options).stderr
    assert question in command("synthesize", "forward", english, *options).stderr
    assert question not in command("synthesize", "forward", korean, english, *options).stderr


def test_a_tag_is_spelled_as_the_tokenizer_has_it(command: Program, run: Path, corpus: Corpus, tmp_path: Path) -> None:
    output = tmp_path / "out.tsv"
    done = command(
        "synthesize", "forward", *corpus.valid, "--model", run / "model", "--tag", "bt", *QUICK, "-o", output
    )
    assert "--tag bt is not a symbol" in done.stderr


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sh -c 'read line; printf \"\\377\\n\"'", "line 1 that it wrote is not UTF-8"),
        ("false", "ended after 0 lines, with exit code 1"),
        ("head -n 1", "ended after 1 line, with exit code 0"),
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


def test_a_program_that_writes_without_reading_is_an_error(command: Program, tmp_path: Path) -> None:
    """It never takes the lines that wait for it in the pipe."""
    text = tmp_path / "text"
    text.write_text("a line that is not short\n" * 20_000)
    done = command("synthesize", "back", text, "--teacher-command", "yes", "-o", tmp_path / "out.tsv")
    assert done.returncode == 1
    assert "wrote more lines than the" in done.stderr


def test_the_programs_that_a_program_started_end_with_it(command: Program, text: Path, tmp_path: Path) -> None:
    program = f"sh -c 'sleep 60 & echo $! > {tmp_path / 'number'}; read line; exec sed p'"
    assert command("synthesize", "back", text, "--teacher-command", program, "-o", tmp_path / "out").returncode == 1
    status, end = Path("/proc", (tmp_path / "number").read_text().strip(), "stat"), time.monotonic() + 20
    while status.exists() and ") Z" not in status.read_text():  # it stays a zombie where nobody waits for orphans
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_hypothesis_nearest_to_the_reference_is_taken() -> None:
    synthesizer = Synthesizer(SynthesisConfig(min_score=-3.0), backward=False, seed=1)
    candidates = [Candidate("a red cat", -1.0), Candidate("the red dog", -2.0), Candidate("blue", -1.5)]
    examples = [Example("der rote Hund", "the red dog!"), Example("der Hund"), Example("x y", "blue sky")]

    def taught(given: object) -> object:
        return ((example, candidates) for example in examples)

    assert [pair.target for pair in synthesizer(examples, taught)] == ["the red dog", "a red cat", "blue"]
    candidates[2] = Candidate("blue sky", -4.0, "")
    assert [pair.reason for pair in synthesizer(examples, taught)] == ["kept", "kept", "score"]


def test_noise_drops_and_moves_words_a_little_and_the_same_each_time() -> None:
    words = [f"w{number}" for number in range(200)]
    noised = add_noise(" ".join(words), 0.1, 7).split()
    assert noised == add_noise(" ".join(words), 0.1, 7).split() != words
    assert 160 < len(noised) < 195
    places = [words.index(word) for word in noised]
    kept = sorted(places)
    assert max(abs(kept.index(place) - index) for index, place in enumerate(places)) <= 4
