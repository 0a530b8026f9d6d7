"""`nmt translate` with PO and XLIFF files, and with lines that have placeholders and tags."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from conftest import Program, environment

from nmt.text.formats.po import PoFile
from nmt.text.inline_codes import find_codes

PO = """# Hand made
msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

#: main.c:7
#, c-format
msgid "ich sehe %d Hund"
msgid_plural "ich sehe %d Hunde"
msgstr[0] ""
msgstr[1] ""

msgid "<b>ich</b> sehe {0}\\n"
msgstr ""

msgid "ich sehe"
msgstr "I see"
"""
XLIFF = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2"><file source-language="de"
 target-language="en" original="x" datatype="plaintext"><body>
<trans-unit id="1"><source>ich <g id="1">sehe</g> <x id="2"/> den Hund</source></trans-unit></body></file></xliff>"""
QUICK = ("--beam", 2, "--max-length", 9, "--threads", 1)


def codes_of(text: str) -> Counter[str]:
    return Counter(text[code.start : code.end] for code in find_codes(text))


@pytest.fixture
def po(tmp_path: Path) -> Path:
    (tmp_path / "app.po").write_text(PO, encoding="utf-8")
    return tmp_path / "app.po"


def test_a_po_file_is_filled_and_keeps_everything_else(command: Program, run: Path, po: Path) -> None:
    """Even by a model that never learned: what it writes has the placeholders of the source, or is not taken."""
    output = po.with_name("out.po")
    done = command("translate", po, "-o", output, "--run", run, *QUICK, "--allow-incomplete")
    assert done.returncode == 0
    assert done.stdout == b""
    assert "of 2 untranslated entries" in done.stderr
    before, after = PO.split("\n"), output.read_text(encoding="utf-8").split("\n")
    kept = [line for line in before if line != 'msgstr ""' and "msgstr[" not in line and "#, " not in line]
    assert [line for line in after if line in kept] == kept
    for entry in list(PoFile(output.read_bytes(), output))[1:]:
        for text in filter(None, entry.translations):
            assert codes_of(text) == codes_of(entry.texts["msgid"]) or "see" in text


def test_standard_input_is_a_document_where_that_is_said(command: Program, run: Path, po: Path) -> None:
    filled = command("translate", "--format", "po", "--run", run, *QUICK, "--allow-incomplete", stdin=PO.encode())
    assert filled.stdout.startswith(b"# Hand made\nmsgid")
    as_lines = command("translate", "--run", run, *QUICK, "--allow-incomplete", stdin=PO.encode())
    assert as_lines.stdout.count(b"\n") == PO.count("\n")
    assert "looks like PO" in as_lines.stderr
    as_text = command("translate", po, "--format", "plain", "--run", run, *QUICK, "--allow-incomplete")
    assert as_text.stdout == as_lines.stdout


def test_a_file_can_be_filled_in_place(command: Program, run: Path, tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_text(XLIFF, encoding="utf-8")
    assert command("translate", path, "-o", path, "--run", run, *QUICK, "--allow-incomplete").returncode == 0
    filled = path.read_text(encoding="utf-8")
    assert filled.count('<g id="1">') == filled.count('<x id="2"/>') in (1, 2)
    assert command("translate", path, "--run", run, *QUICK, "--allow-incomplete").stdout.decode() == filled


def test_json_tells_what_was_translated(command: Program, run: Path, po: Path) -> None:
    options = ("--json", "--n-best", 2, "--output", po, "--allow-incomplete")
    done = command("translate", po, "--run", run, *QUICK, *options)
    objects = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [(one["line"], one["text"]) for one in objects] == [
        (7, "ich sehe %d Hund"),
        (7, "ich sehe %d Hunde"),
        (14, "<b>ich</b> sehe {0}\n"),
    ]
    assert all("score" in one and "n_best" in one for one in objects)


@pytest.mark.parametrize("options", [("--scores",), ("--align",), ("--n-best", 2), ("--json",)])
def test_options_of_lines_are_refused_for_documents(
    command: Program, run: Path, po: Path, options: tuple[object, ...]
) -> None:
    done = command("translate", po, "--run", run, *options)
    assert done.returncode == 2
    assert f"{options[0]}: not for a file in PO" in done.stderr


@pytest.mark.parametrize("option", ["--retranslate", "--no-fuzzy"])
def test_options_of_documents_are_refused_for_lines(command: Program, run: Path, option: str) -> None:
    done = command("translate", "--run", run, option, stdin=b"ich\n")
    assert done.returncode == 2
    assert f"{option}: not for lines of text" in done.stderr


def test_text_that_stays_untranslated_is_reported_and_fails(command: Program, run: Path, po: Path) -> None:
    """No translation may have a word of the source here, so none has its placeholder."""
    po.write_text(PO.replace("%d", "%(sehe)s"), encoding="utf-8")
    options = ("--forbid", "sehe", "--forbid", "(", *QUICK)
    output = po.with_name("out.po")
    done = command("translate", po, "-o", output, "--run", run, *options)
    incomplete = done.returncode == 1
    assert incomplete == ("stays untranslated" in done.stderr) == ("lest placeholders" in done.stderr)
    assert output.exists()
    assert command("translate", po, "--run", run, *options, "--allow-incomplete").returncode == 0


@pytest.mark.parametrize(
    "content", [b'msgid "a"\nmsgid "b"\n', b"\xff\xfe\0", b"<xliff>", b"", b'msgid "x\xff"\nmsgstr ""\n']
)
def test_a_file_that_cannot_be_read_is_one_line(command: Program, run: Path, tmp_path: Path, content: bytes) -> None:
    for suffix in ("po", "xlf"):
        path, output = tmp_path / f"x.{suffix}", tmp_path / f"out.{suffix}"
        path.write_bytes(content)
        done = command("translate", path, "-o", output, "--run", run, *QUICK)
        assert done.returncode in (0, 1)
        assert done.returncode == 0 or not output.exists()
        assert done.stderr.count("\n") <= 3


def test_output_to_a_file_appears_when_it_is_complete(run: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.txt"
    options = ["--run", str(run), "-o", str(output), "--buffer-lines", "1", "--threads", "1"]
    process = subprocess.Popen(
        [sys.executable, "-m", "nmt", "translate", *options],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdin
    process.stdin.write(b"ich\n" * 3)
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out.txt.*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not output.exists()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert not list(tmp_path.iterdir())


def test_lines_go_to_a_file(command: Program, run: Path, tmp_path: Path) -> None:
    printed = command("translate", "--run", run, *QUICK, stdin=b"ich\n\nsehe\n").stdout
    done = command("translate", "--run", run, *QUICK, "-o", tmp_path / "out", stdin=b"ich\n\nsehe\n")
    assert (done.stdout, (tmp_path / "out").read_bytes()) == (b"", printed)
