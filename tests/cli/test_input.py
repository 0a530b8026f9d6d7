"""What commands are given: compressed input, byte order marks, pipes, closed streams, names that are not UTF-8."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Corpus, Program, environment

MARK = "\ufeff".encode()
TABLE = b"ich sehe den Hund\tI see the dog\nwir suchen\twe seek\n"
MEMORY = (
    b"<tmx version='1.4'><body><tu><tuv xml:lang='de'><seg>ich sehe den Hund</seg></tuv><tuv xml:lang='en'>"
    b"<seg>I see the dog</seg></tuv></tu></body></tmx>"
)
QUICK = "--beam", 1, "--max-length", 4


@pytest.mark.parametrize("change", [gzip.compress, lambda text: MARK + text])
def test_translate_unpacks_standard_input_and_removes_its_mark(
    command: Program, run: Path, change: Callable[[bytes], bytes]
) -> None:
    text = "ich höre\nden Baum\n".encode()
    plain = command("translate", "--run", run, *QUICK, stdin=text)
    changed = command("translate", "--run", run, *QUICK, stdin=change(text))
    assert plain.stdout.count(b"\n") == 2
    assert changed == plain


def test_translate_warns_of_markup_but_not_of_objects_that_it_reads(command: Program, run: Path) -> None:
    done = command("translate", "--run", run, *QUICK, stdin=MEMORY)
    assert "standard input looks like TMX, and all of it is translated as text" in done.stderr
    done = command("translate", "--run", run, *QUICK, "--json", stdin=MARK + b'{"text": "Hund"}\n')
    assert (json.loads(done.stdout)["text"], done.stderr) == ("Hund", "")


def test_a_mark_in_settings_references_and_translations_changes_nothing(command: Program, tmp_path: Path) -> None:
    for name, mark in (("plain", b""), ("marked", MARK)):
        (tmp_path / name).write_bytes(mark + "Möwen fliegen heute über den See.\nGut so.\n".encode())
    (tmp_path / "settings.toml").write_bytes(MARK + b'[eval]\nmetric = ["bleu"]\n')
    for files in (("plain", "marked"), ("marked", "plain"), ("marked", "marked")):
        hypothesis, reference = (tmp_path / name for name in files)
        done = command("eval", hypothesis, "--reference", reference, "--config", tmp_path / "settings.toml", "--json")
        scores = json.loads(done.stdout)
        assert list(scores) == ["lines", "BLEU"]
        assert scores["BLEU"]["score"] == pytest.approx(100)


@pytest.mark.parametrize("text", [TABLE, MEMORY, gzip.compress(MEMORY), MARK + TABLE])
def test_score_knows_the_format_of_standard_input(command: Program, run: Path, text: bytes) -> None:
    expected = command("score", "-", "--run", run, stdin=TABLE)
    done = command("score", "-", "--run", run, stdin=text)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split(b"\n")[0] == expected.stdout.split(b"\n")[0]


def test_a_format_can_be_named(command: Program, run: Path) -> None:
    done = command("score", "-", "--run", run, "--format", "tsv", stdin=b'{"a":\t"b"}\n')
    assert done.returncode == 0
    done = command("score", "-", "--run", run, stdin=b'{"a":\t"b"}\n')
    assert "-, line 1: no source and target among a" in done.stderr


def test_a_tokenizer_is_trained_on_standard_input_and_files(command: Program, corpus: Corpus, tmp_path: Path) -> None:
    source, target = corpus.train
    options = "--vocab-size", 330, "--quiet", "--run"
    command("tokenizer", "train", *corpus.train, *options, tmp_path / "files")
    done = command("tokenizer", "train", "-", target, *options, tmp_path / "pipe", stdin=source.read_bytes())
    assert done.returncode == 0, done.stderr
    models = [(tmp_path / place / "tokenizer.model").read_bytes() for place in ("files", "pipe")]
    assert models[0] == models[1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_splitting_a_pipe_is_refused(command: Program, run_copy: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tsv")
    done = command("prepare", tmp_path / "pipe.tsv", "--split", 5, "--run", run_copy)
    assert done.returncode == 1
    assert "pipe.tsv: is a pipe, but --split reads files several times\n  save it to a file first" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="closes descriptors as a shell does")
@pytest.mark.parametrize(
    ("arguments", "closed", "problem"),
    [
        (
            ("tokenizer", "encode"),
            0,
            "standard input is closed, or was read already\n  give a file, or send text with <",
        ),
        (("tokenizer", "encode"), 1, "standard output is closed\n  send it to a file, or to /dev/null"),
        (("info",), 1, "standard output is closed\n  send it to a file, or to /dev/null"),
    ],
)
def test_a_closed_stream_is_a_problem_of_one_message(
    run: Path, arguments: tuple[str, ...], closed: int, problem: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nmt", *arguments, "--run", run],
        stdin=subprocess.DEVNULL if closed == 0 else (run / "data" / "test.source").open(),
        capture_output=True,
        env=environment(),
        preexec_fn=lambda: os.close(closed),
    )
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"error: {problem}\n"


def test_closed_standard_error_does_not_end_a_command(run: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nmt", "tokenizer", "encode", "--run", run],
        input=b"ung\xfcltig\n",
        stdout=subprocess.PIPE,
        env=environment(),
        preexec_fn=lambda: os.close(2),
    )
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("attention", "\udcfc"),
        ("translate", "--prefix", "gr\udcfcn"),
        ("translate", "--model", "m\udcff"),
        ("tokenizer", "train", "x.de", "--symbol", "\udce4"),
        ("info", "--run", "r\udcff"),
    ],
)
def test_text_and_directories_that_are_not_utf8_are_a_usage_error(command: Program, arguments: tuple[str, ...]) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert "is not UTF-8\n  write text and names of directories in UTF-8" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")
def test_files_may_have_names_that_are_not_utf8(
    command: Program, run_copy: Path, corpus: Corpus, tmp_path: Path
) -> None:
    """Names in Latin-1, from an old disk: they are read, and `?` stands for their bytes where UTF-8 is written."""
    files = [tmp_path / f"gr\udcfcn.{side}" for side in ("de", "en")]
    for file, original in zip(files, corpus.train, strict=True):
        file.write_bytes(original.read_bytes())
    rejects = tmp_path / "dropp\udce9.tsv"
    done = command("prepare", *files, "--run", run_copy, "--rejects", rejects, "--force")
    assert done.returncode == 0, done.stderr
    assert rejects.exists()
    assert "gr?n.de" in (run_copy / "data" / "data.json").read_text("utf-8")
    done = command("eval", files[1], "--reference", corpus.train[1], "--metric", "bleu")
    assert done.returncode == 0, done.stderr
    assert "gr?n.de" in command("check", *files).stdout.decode()
    done = command("translate", tmp_path / "not there \udcff", "--run", run_copy)
    assert "no such file" in done.stderr
