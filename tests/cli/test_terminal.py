"""What people see on a terminal: of any width, in any encoding, and whatever text holds."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from conftest import ROOT, Corpus, Program, environment
from rich.cells import cell_len

from nmt.cli.app import app
from nmt.cli.views.console import Page, table
from nmt.cli.views.runs import sparkline

ESCAPE = "\x1b[31mrot\x1b[0m"
SHOWN = "␛[31mrot␛[0m"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


class Terminal:
    """The program on a terminal of its own: what it writes to stdout and stderr, and what is typed."""

    def __init__(self, *arguments: object) -> None:
        self.master, slave = pty.openpty()
        command = [sys.executable, "-m", "nmt", *map(str, arguments)]
        variables = environment({"TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "100"})
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=variables, cwd=ROOT)
        os.close(slave)
        self.output = ""

    def read_until(self, text: str, count: int = 1) -> str:
        """All output so far, once it holds this text so many times; or what there is at the end or after a minute."""
        end = time.monotonic() + 60
        while self.output.count(text) < count and time.monotonic() < end:
            if select.select([self.master], [], [], 1)[0]:
                try:
                    self.output += os.read(self.master, 65536).decode()
                except OSError:  # Linux reports the end like this
                    break
        return self.output

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())


# ----------------------------------------------------------------------------------------------------------------- help


def leaves(command: typer.core.TyperGroup | object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    return [path] if inner is None else [leaf for name in inner for leaf in leaves(inner[name], (*path, name))]


@pytest.mark.parametrize("width", [40, 50, 80, 100])
def test_names_of_options_are_never_cut(width: int, command: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in leaves(typer.main.get_command(app)):
        monkeypatch.setenv("COLUMNS", "1000")
        wanted = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", command(*path, "--help").stdout.decode()))
        monkeypatch.setenv("COLUMNS", str(width))
        text = command(*path, "--help").stdout.decode()
        assert "…" not in text
        assert wanted <= set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)), path
        panels = [line for line in text.splitlines() if line.startswith(("│", "╭", "╰"))]
        assert {cell_len(line) for line in panels} == {width}


@pytest.mark.parametrize("name", ["train", "translate", "eval", "prepare"])
def test_help_has_examples_that_are_real_commands(name: str, command: Program) -> None:
    text = command(name, "--help").stdout.decode()
    examples = re.findall(r"^ +(?:nmt|torchrun .* -m nmt) (.*)$", text, re.MULTILINE)
    assert 2 <= len(examples) <= 4
    for example in examples:
        options = re.findall(r"--[a-z-]+", example)
        assert all(f"{option} " in text or f"{option}," in text for option in options)


def test_help_can_be_read_in_ascii_and_by_head(nmt: Program) -> None:
    done = nmt("prepare", "--help", env=ASCII)
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"--no-check-placeholders" in done.stdout
    line = f"{sys.executable} -m nmt train --help | head -1"
    piped = subprocess.run(["bash", "-c", line], env=environment(), cwd=ROOT, capture_output=True, text=True)
    assert piped.stderr == ""


def test_preset_names_are_completed(nmt: Program) -> None:
    words = {"_NMT_COMPLETE": "complete_bash", "COMP_WORDS": "nmt train --preset b", "COMP_CWORD": "3"}
    code = "from nmt.cli.app import main; main()"
    variables = environment(words)
    done = subprocess.run([sys.executable, "-c", code], env=variables, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == ["base", "big"]


# ------------------------------------------------------------------------------------------------------------- any text


def test_corpus_text_cannot_control_the_terminal(command: Program, tmp_path: Path) -> None:
    """A line of a corpus from the web could set the title of the window, or worse."""
    files = tmp_path / "a.de", tmp_path / "a.en"
    files[0].write_text(f"{ESCAPE} gut\n" * 3, "utf-8")
    files[1].write_text("a red\x9b2J one\n" * 3, "utf-8")
    done = command("check", *files)
    assert SHOWN in done.stdout.decode()
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.stdout.decode())


def test_messages_show_the_control_characters_of_what_they_name(command: Program, tmp_path: Path) -> None:
    done = command("info", tmp_path / f"none{ESCAPE}")
    assert (done.returncode, ESCAPE in done.stderr, SHOWN in done.stderr) == (1, False, True)


def test_views_show_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    names = table(ESCAPE, "x")
    names.add_row(ESCAPE, ESCAPE)
    Page().print_table(names)
    assert "\x1b" not in (shown := capsys.readouterr().out)
    assert shown.count("␛[31mrot") == 3


# ------------------------------------------------------------------------------------------------- widths and encodings


@pytest.mark.parametrize("width", [20, 50, 80])
def test_no_column_of_scores_vanishes(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    scores = table("system", "BLEU", "chrF", "TER", "COMET")
    scores.add_row("second-model-with-back-translation.en", *["12.34 ± 0.56"] * 4)
    Page().print_table(scores)
    shown = capsys.readouterr().out
    assert shown.count("12.34 ± 0.56") == 4
    names = [re.split("  | $", line.removeprefix(" "))[0] for line in shown.splitlines()[1:]]
    assert "".join(names) == "second-model-with-back-translation.en"


def test_curves_and_signs_have_look_alikes_in_ascii() -> None:
    code = (
        "from nmt.cli.views.console import Page; from nmt.cli.views.runs import sparkline; "
        f"Page().print(sparkline(range(8), 8), {'▏▌█░▓ 1 ± 2 ü'!a})"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(ASCII), cwd=ROOT, capture_output=True)
    assert done.stdout.decode("ascii").split(" ", 1) == ["_.,-=+*#", "|##.% 1 ~ 2 ?\n"]
    assert len(set(sparkline(range(8), 8))) == 8


# ---------------------------------------------------------------------------------------------------- prompts


def test_typed_lines_are_answered_one_by_one_after_a_prompt(run_copy: Path) -> None:
    config = run_copy / "model" / "config.json"
    content = json.loads(config.read_text("utf-8"))
    content["made"]["languages"] = {"source": "de", "target": "en"}
    config.write_text(json.dumps(content), "utf-8")
    terminal = Terminal("translate", "--run", run_copy, "--beam", 1, "--max-length", 8)
    assert terminal.read_until("de> ").endswith("de> ")
    terminal.type("ich sehe den Hund\n")
    assert terminal.read_until("de> ", 2).endswith("de> ")
    terminal.type("\x04")
    terminal.read_until("never")
    assert terminal.process.wait(30) == 0
    lines = terminal.output.splitlines()
    assert lines[0] == "de> ich sehe den Hund"
    assert len(lines) == 3


def test_there_is_no_prompt_where_text_is_piped(nmt: Program, run: Path, corpus: Corpus) -> None:
    done = nmt("translate", "--run", run, "--beam", 1, "--max-length", 8, stdin=b"ich sehe\n")
    assert done.stdout.count(b"\n") == 1
    assert "> " not in done.stderr
