"""`nmt check`: what stands in the files is what the report says, and nothing is changed."""

import json
from pathlib import Path
from typing import Any

from conftest import Program, sets_of

from nmt.config import CleaningConfig
from nmt.data.check import check
from nmt.text.tokenizer import Tokenizers


def write(folder: Path, name: str, source: list[bytes], target: list[bytes]) -> tuple[Path, Path]:
    files = folder / f"{name}.de", folder / f"{name}.en"
    for path, lines in zip(files, (source, target), strict=True):
        path.write_bytes(b"".join(line + b"\n" for line in lines))
    return files


def corpus(folder: Path) -> Any:
    """Two hundred pairs of which seven are odd, each in its own way."""
    source = [f"Satz {'lang ' * (i % 9)}{chr(97 + i % 26) * 3} {i}".encode() for i in range(200)]
    target = [f"Sentence {'long ' * (i % 9)}{chr(97 + i % 26) * 3} {i}".encode() for i in range(200)]
    source[10], target[10] = source[9], target[9]  # a duplicate
    source[20] = b""  # blank
    source[30] = b"ung\xfcltig"  # invalid UTF-8
    source[40] = target[40] = b"the same on both sides"
    source[50] = b"kurz"
    target[50] = b"very long " * 30
    source[60], target[60] = b"ein Test mit \x07 Glocke", b"a test with a bell"
    valid = write(folder, "valid", [source[70], b"ganz neu"], [target[70], b"all new"])
    return sets_of([write(folder, "train", source, target)], valid)


def test_everything_odd_is_found_with_its_line(tmp_path: Path, tokenizers: Tokenizers) -> None:
    sets = corpus(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    found = check(sets, CleaningConfig(), tokenizers)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    train, valid = found["corpora"]
    assert (train["pairs"], valid["pairs"], valid["set"]) == (200, 2, "valid")
    assert train["files"][0]["invalid_utf8"] == {"count": 1, "lines": [31]}
    assert train["files"][0]["controls"] == {"count": 1, "lines": [61]}
    assert train["files"][0]["blank"] == 1
    lines = {rule: [one["line"] for one in case["examples"]] for rule, case in train["rules"].items()}
    assert lines == {
        "empty": [21],
        "broken encoding": [31],
        "identical": [41],
        "ratio": [51],
        "control characters": [61],
    }
    assert [one["line"] for one in train["duplicates"]["pair"]["examples"]] == [11]
    assert train["leakage"]["valid"]["exact"]["examples"][0]["line"] == 71
    assert sum(train["length_histogram"]["counts"][0]) == 200
    assert sum(train["ratio_histogram"]["counts"]) == 199
    assert train["vocabulary"][0]["unknown"] == 0
    json.dumps(found)


def test_files_that_part_are_told_with_the_place(tmp_path: Path) -> None:
    sets = corpus(tmp_path)
    path = sets.train[0].files[1]
    lines = path.read_bytes().split(b"\n")
    lines[100:100] = [b"a line of its own that nobody translated, and rather a long one, too"]
    path.write_bytes(b"\n".join(lines))
    (train, _) = check(sets, CleaningConfig())["corpora"]
    assert train["drift"]["longer"] == "target"
    ((place),) = train["drift"]["extra"]
    assert place["lines"] == 1
    assert abs(place["line"] - 101) <= 2
    assert train["pairs"] == 200


def test_the_report_is_drawn_and_printed_for_programs(command: Program, tmp_path: Path) -> None:
    sets = corpus(tmp_path)
    train, valid = sets.train[0].files, sets.valid.files
    drawn = command("check", *train, "--valid", *valid, "--run", tmp_path / "none")
    assert drawn.returncode == 0
    for text in (
        "200 pairs",
        "stands in the valid set",
        "identical: dropped by prepare",
        "with invalid UTF-8",
        "line 31",
    ):
        assert text in drawn.stdout.decode(), text
    found = command("check", *train, "--json", "--run", tmp_path / "none")
    assert json.loads(found.stdout)["corpora"][0]["pairs"] == 200
    assert not found.stderr
