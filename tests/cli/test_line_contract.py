"""`nmt translate`: N lines in are N lines out, in order, blank for blank, whatever bytes the lines are made of.

The most repeated breakage of other toolkits: str.splitlines and Python's text files see line ends where there are
none, blank lines are dropped or given to the model, and long ones are cut or take the batch with them.
"""

import gzip
import logging
import os
import random
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from conftest import Corpus, Program, environment, untouched_logging
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt import Translator
from nmt.config.corpus import TokenizerConfig
from nmt.config.search import SearchConfig
from nmt.decoding.line_parts import LineSplitter
from nmt.decoding.translation import Line
from nmt.errors import NmtError
from nmt.files.lines import read_text
from nmt.model.model_directory import load_model, save_model
from nmt.runtime import choose_device
from nmt.text.tokenizer import train_tokenizers

PARTS = [
    *(b"ich sehe", b"den", b"Hund", b".", b" ", b"  ", b"\t", b"\r", b"\f", b"\v", b"\0", b"\x1c", b"\x1e", b"\x7f"),
    *(
        part.encode()
        for part in ("\u2028", "\u2029", "\x85", "\xa0", "\u3000", "\ufeff", "🙂", "👩‍👩‍👧", "한국", "\ufffd")
    ),
    *(b"</s>", b"<pad>", b"<0x0A>", "▁".encode(), b"\xff", b"\xc3", b"\xe2\x80", b"\xed\xa0\x80", b"\xf0\x9f"),
]
FILES = st.tuples(st.lists(st.lists(st.sampled_from(PARTS), max_size=4).map(b"".join), max_size=4), st.booleans()).map(
    lambda drawn: b"\n".join(drawn[0]) + (b"\n" if drawn[1] else b"")
)
STRANGE = b"\n".join(
    [
        *PARTS,
        b"",
        b"   ",
        b"a\rb\0c",
        "🙂 ".encode() * 1250,
        b"x" * 5000,
        b"ich sehe den Hund. " * 263,
        b"\xff" * 5000,
        b"ich",
    ]
)
QUICK = ("--beam", 1, "--max-length", 2, "--threads", 1)


@pytest.fixture(autouse=True)
def without_warnings() -> Iterator[None]:
    """Thousands of warnings of invalid bytes would hide what a failure shows."""
    with untouched_logging():
        logging.getLogger("nmt").setLevel(logging.ERROR)
        yield


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return Translator.load(run / "model", engine="torch")


def lines_in(content: bytes) -> list[bytes]:
    """The lines of a file by the only rule there is; behind a final newline there is none."""
    lines = content.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def is_blank(line: bytes) -> bool:
    return not line.decode("utf-8", errors="replace").strip()


def check(content: bytes, output: bytes) -> None:
    expected, found = lines_in(content), output.split(b"\n")
    assert found.pop() == b""  # every line ends with a newline
    assert len(found) == len(expected)
    for line, translation in zip(expected, found, strict=True):
        assert translation == b"" or not is_blank(line), f"{line!r} gave {translation!r}"
        translation.decode("utf-8")


# ------------------------------------------------------------------------------------------------------- from Python


@settings(max_examples=1000)
@given(content=FILES, buffer=st.integers(1, 4))
def test_any_file_gives_as_many_lines_as_it_has(
    tmp_path_factory: pytest.TempPathFactory, translator: Translator, content: bytes, buffer: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines"
    path.write_bytes(content)
    config = SearchConfig(beam=1, max_length=1)
    found = [one.text for one in translator.stream(read_text(path), config, buffer)]
    check(content, "".join(text + "\n" for text in found).encode())


@settings(max_examples=40)
@given(content=FILES)
def test_a_lines_translation_does_not_depend_on_its_neighbours(
    tmp_path_factory: pytest.TempPathFactory, translator: Translator, content: bytes
) -> None:
    """Padding that leaks changes a translation when its batch changes."""
    path = tmp_path_factory.getbasetemp() / "neighbours"
    path.write_bytes(content)
    lines = list(read_text(path))
    config = SearchConfig(beam=2, max_length=4, batch_tokens=60)
    together = list(translator.stream(lines, config))
    alone = [one for line in lines for one in translator.stream([line], config)]
    assert [one.text for one in together] == [one.text for one in alone]
    assert [one.score for one in together] == pytest.approx([one.score for one in alone], rel=1e-5)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_does_not_grow_with_the_input(translator: Translator) -> None:
    draw, config = random.Random(6), SearchConfig(beam=1, max_length=2)
    lines = (" ".join(draw.choices(["ich", "du", "sehe", "Hund"], k=4)) for _ in range(6_000))
    stream = translator.stream(lines, config, buffer_lines=500)
    used = []
    for _ in range(3):
        assert sum(1 for _ in islice(stream, 2_000)) == 2_000
        used.append(resident_bytes())
    assert used[2] - used[0] < 2e6  # 4,000 of these translations, if kept, are 3 MB


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_order_is_kept_over_batches_and_buffers(translator: Translator) -> None:
    draw = random.Random(5)
    lines = [
        " ".join(draw.choice(["ich", "du", "sehe", "Hund", "heute"]) for _ in range(draw.randint(0, 12)))
        for _ in range(60)
    ]
    config = SearchConfig(beam=1, max_length=6, batch_tokens=40)
    alone = {line: translator.translate([line], beam_size=1, max_length=6)[0].text for line in set(lines)}
    assert len(set(alone.values())) > 10
    for buffer in (1, 7, 1000):
        assert [one.text for one in translator.stream(lines, config, buffer)] == [alone[line] for line in lines]


@pytest.mark.parametrize(
    "line",
    ["ich sehe den Hund. " * 263, "x" * 5000, "🙂 a " * 1250, "한" * 5000, "ich " * 1250, "。" * 5000, "\0" * 5000],
)
def test_a_line_of_5000_characters_is_translated_whole_and_gives_one_line(translator: Translator, line: str) -> None:
    """Its parts are the whole of it: what is behind the model's longest length is not cut off."""
    splitter = LineSplitter(translator.tokenizers, SearchConfig(), translator.engine.max_length)
    parts = [part.request.source for part in splitter.split(Line(line))]
    tokens = [token for part in parts for token in part[:-1]]
    decode = translator.tokenizers.source.decode
    normalize = translator.tokenizers.source.normalize
    assert "".join(decode([tokens])[0].split()) == "".join(normalize(line).split())
    assert all(len(part) <= translator.model.config.max_length for part in parts)
    (found,) = translator.translate([line], beam_size=1, max_length=1)
    assert "\n" not in found.text


# ----------------------------------------------------------------------------------------------------- from the shell


def test_strange_bytes_through_the_real_program(nmt: Program, run: Path) -> None:
    done = nmt("translate", "--run", run, *QUICK, "--buffer-lines", 7, stdin=STRANGE)
    assert done.returncode == 0
    check(STRANGE, done.stdout)
    number = lines_in(STRANGE).index(b"\xff") + 1
    assert f"warning: standard input, line {number}: invalid UTF-8 at byte 1 (0xff)" in done.stderr


def test_empty_input_is_empty_output(nmt: Program, command: Program, run: Path) -> None:
    done = nmt("translate", "--run", run)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")
    assert command("translate", "--run", run, *QUICK, stdin=b"\n").stdout == b"\n"


def test_files_compressed_files_and_stdin_give_the_same(command: Program, run: Path, tmp_path: Path) -> None:
    text = b"ich sehe den Hund.\n\nwir suchen heute"
    (tmp_path / "text").write_bytes(text)
    (tmp_path / "packed").write_bytes(gzip.compress(text))
    arguments = ("translate", "--run", run, *QUICK)
    expected = command(*arguments, stdin=text)
    assert expected.stdout.count(b"\n") == 3
    for name in ("text", "packed"):
        assert command(*arguments, tmp_path / name) == expected
    assert command(*arguments, "-", stdin=text) == expected


def test_a_model_directory_stands_alone(command: Program, run: Path, tmp_path: Path) -> None:
    text, options = b"ich sehe den Hund.\n", ("--beam", 1, "--max-length", 9, "--threads", 1)
    expected = command("translate", "--run", run, *options, stdin=text)
    shutil.copytree(run / "model", tmp_path / "anywhere")
    done = command("translate", "--run", tmp_path / "no run", "--model", tmp_path / "anywhere", *options, stdin=text)
    assert done == expected
    assert done.stdout != b"\n"


def test_n_best_gives_n_lines_for_each(command: Program, run: Path) -> None:
    arguments = ("translate", "--run", run, "--beam", 3, "--max-length", 3, "--threads", 1)
    done = command(*arguments, "--n-best", 3, "--scores", stdin=b"ich sehe\n\ndu\n")
    rows = [line.split("\t") for line in done.stdout.decode().removesuffix("\n").split("\n")]
    assert len(rows) == 9
    assert [text for _, text in rows[3:6]] == ["", "", ""]  # blank for blank
    for ranked in (rows[:3], rows[6:]):
        scores = [float(score) for score, _ in ranked]
        assert scores == sorted(scores, reverse=True)
    best = command(*arguments, stdin=b"ich sehe\n\ndu\n").stdout.decode().removesuffix("\n").split("\n")
    assert best == [rows[0][1], rows[3][1], rows[6][1]]


def start(run: Path, *arguments: object, stdin: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "nmt", "translate", "--run", run, *map(str, (*QUICK, *arguments))],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def test_a_line_comes_out_when_it_is_done_and_not_when_the_input_ends(run: Path) -> None:
    """Another program may wait for each answer before it asks again."""
    with start(run, "--buffer-lines", 1, stdin=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        for text in (b"ich sehe\n", b"du\n"):
            process.stdin.write(text)
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], 60)
            assert ready
            assert os.read(process.stdout.fileno(), 10_000).count(b"\n") == 1
        rest, errors = process.communicate()
    assert (process.returncode, rest, errors) == (0, b"", b"")


def test_a_reader_that_has_seen_enough_ends_the_program_quietly(run: Path, tmp_path: Path) -> None:
    """`nmt translate < large | head -1`: no BrokenPipeError, neither at the write nor at exit."""
    large = tmp_path / "large"
    large.write_bytes(b"ich sehe den Hund.\n" * 100_000)
    with open(large, "rb") as stream, start(run, "--buffer-lines", 20, stdin=stream.fileno()) as process:
        assert process.stdout
        assert process.stdout.readline().endswith(b"\n")
        process.stdout.close()
        assert process.stderr
        errors = process.stderr.read()
        assert process.wait(timeout=60) == 0
    assert errors == b""


def test_max_length_bounds_the_tokens_of_a_translation(run: Path) -> None:
    translator = Translator.load(run / "model", engine="torch")
    (found,) = translator.translate(["ich sehe den Hund"], beam_size=3, n_best=3, max_length=4)
    assert len(found.alternatives) == 3
    assert all(len(one.tokens) <= 4 for one in found.alternatives)


def test_one_string_in_place_of_lines_is_refused(run: Path) -> None:
    """Python would hand over its letters as lines."""
    with pytest.raises(NmtError, match="lines"):
        Translator.load(run / "model", engine="torch").translate("ich sehe")


def test_a_tag_is_put_before_each_line_and_one_that_was_not_trained_is_warned_of(
    command: Program, run_copy: Path, corpus: Corpus
) -> None:
    """A tag in front of each line of a file, and of each sentence of a long one, is nothing to edit by hand."""
    tokenizers = train_tokenizers(corpus.train, TokenizerConfig(vocab_size=400, symbol=["<2en>"]))
    loaded = load_model(run_copy / "model", choose_device("cpu"), torch.float32)
    save_model(run_copy / "model", loaded.model.config, dict(loaded.model.named_parameters()), tokenizers, {})
    lines = ["ich sehe den Hund.", "", "wir suchen"]
    options = ("--run", run_copy, "--beam", 1, "--max-length", 9, "--scores")
    tagged = command(
        "translate", *options, stdin="".join(f"<2en> {line}\n" if line else "\n" for line in lines).encode()
    )
    text = "".join(f"{line}\n" for line in lines).encode()
    done = command("translate", *options, "--tag", "2en", stdin=text)
    assert (done.returncode, done.stdout, done.stderr) == (0, tagged.stdout, "")
    assert done.stdout != command("translate", *options, stdin=text).stdout
    other = command("translate", *options, "--tag", "2fr", stdin=text)
    assert other.returncode == 0
    assert "--tag 2fr is not a symbol of the model's tokenizer" in other.stderr
