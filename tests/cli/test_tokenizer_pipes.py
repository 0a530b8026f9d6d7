"""`nmt tokenizer encode | nmt tokenizer decode`: lines stay lines, and text comes back."""

from pathlib import Path

from conftest import Corpus, Program

from nmt.text.tokenizer import Tokenizers

LINES = ["ich sehe den Hund.", "", "  ", "</s> <pad> <0x41>", "a\rb\u2028c\x85d\fe\0f", "한국어 🙂", "\ufeffGrüße  x"]
TEXT = "".join(line + "\n" for line in LINES).encode()


def test_encode_and_decode_are_pipes_that_give_the_text_back(nmt: Program, run: Path) -> None:
    encoded = nmt("tokenizer", "encode", "--run", run, stdin=TEXT)
    assert encoded.returncode == 0
    assert encoded.stderr == ""
    decoded = nmt("tokenizer", "decode", "--run", run, stdin=encoded.stdout)
    tokenizer = Tokenizers.load(run).source
    assert decoded.stdout.decode().split("\n") == [*map(tokenizer.normalize, LINES), ""]


def test_a_whole_corpus_comes_back_byte_by_byte(command: Program, run: Path, corpus: Corpus, tmp_path: Path) -> None:
    pieces = tmp_path / "pieces"
    pieces.write_bytes(command("tokenizer", "encode", corpus.train[0], "--run", run).stdout)
    assert command("tokenizer", "decode", pieces, "--run", run).stdout == corpus.train[0].read_bytes()


def test_decoding_a_newlines_byte_does_not_make_a_line(command: Program, run: Path) -> None:
    done = command("tokenizer", "decode", "--run", run, stdin="▁ich <0x0A> ▁sehe\n▁du\n".encode())
    assert done.stdout.count(b"\n") == 2


def test_empty_input_is_empty_output(command: Program, run: Path) -> None:
    for verb in ("encode", "decode"):
        done = command("tokenizer", verb, "--run", run)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", "")


def test_invalid_bytes_are_replaced_with_a_warning_or_refused(command: Program, run: Path) -> None:
    done = command("tokenizer", "encode", "--run", run, stdin=b"ich\nh\xf6re\n")
    assert done.returncode == 0
    assert done.stdout.count(b"\n") == 2
    assert "warning: standard input, line 2: invalid UTF-8 at byte 2 (0xf6)" in done.stderr
    strict = command("tokenizer", "encode", "--run", run, "--strict", stdin=b"ich\nh\xf6re\n")
    assert strict.returncode == 1
    assert "line 2: invalid UTF-8 at byte 2 (0xf6)" in strict.stderr


def test_separate_tokenizers_are_chosen_by_side(command: Program, corpus: Corpus, tmp_path: Path) -> None:
    train = ("tokenizer", "train", *corpus.train, "--separate", "--vocab-size", 350, "--run", tmp_path)
    assert command(*train).returncode == 0
    assert sorted(path.name for path in tmp_path.glob("t*")) == ["tokenizer.source.model", "tokenizer.target.model"]
    source, target = (
        command("tokenizer", "encode", "--side", side, "--run", tmp_path, stdin="höre\n".encode()).stdout.decode()
        for side in ("source", "target")
    )
    assert source == "▁höre\n"
    assert "<0xC3> <0xB6>" in target  # English has no ö
