"""`nmt check`: the report matches the files, which stay as they are."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from conftest import Program, sets_of

from nmt.config.corpus import CleaningConfig, TokenizerConfig
from nmt.data.check import check, vocabulary_report
from nmt.errors import NmtError
from nmt.text.tokenizer import Tokenizers, train_tokenizers


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
    source[80] += " fÃ¼r".encode()
    source[60], target[60] = b"ein Test mit \x07 Glocke", b"a test with a bell"
    valid = write(folder, "valid", [source[70], b"ganz neu"], [target[70], b"all new"])
    return sets_of([write(folder, "train", source, target)], valid)


def test_everything_odd_is_found_with_its_line(tmp_path: Path, tokenizers: Tokenizers) -> None:
    sets = corpus(tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    report = check(sets, CleaningConfig(), tokenizers)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    train, valid = report["corpora"]
    assert (train["pairs"], valid["pairs"], valid["set"]) == (200, 2, "valid")
    assert train["files"][0]["invalid_utf8"] == {"count": 1, "lines": [31]}
    assert train["files"][0]["controls"] == {"count": 1, "lines": [61]}
    assert train["files"][0]["blank"] == 1
    example = {"line": 81, "repair": "…c 80 fÃ¼r -> …c 80 für"}
    assert train["repaired"] == {"count": 1, "examples": [example]}
    lines = {rule: [example["line"] for example in case["examples"]] for rule, case in train["rules"].items()}
    assert lines == {
        "empty": [21],
        "broken encoding": [31],
        "identical": [41],
        "ratio": [51],
        "control characters": [61],
    }
    assert [example["line"] for example in train["duplicates"]["pair"]["examples"]] == [11]
    assert train["leakage"]["valid"]["exact"]["examples"][0]["line"] == 71
    assert sum(train["length_histogram"]["counts"][0]) == 200
    assert sum(train["ratio_histogram"]["counts"]) == 199
    assert train["vocabulary"][0]["unknown"] == 0
    json.dumps(report)


def test_excess_lines_are_located(tmp_path: Path) -> None:
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
        "overlap with the valid set",
        "identical: dropped by prepare",
        "with invalid UTF-8",
        "line 31",
    ):
        assert text in drawn.stdout.decode(), text
    printed = command("check", *train, "--json", "--run", tmp_path / "none")
    assert json.loads(printed.stdout)["corpora"][0]["pairs"] == 200
    assert not printed.stderr


def test_the_worst_examples_come_first_and_only_a_few(tmp_path: Path) -> None:
    """Of ten misfits, the five with the highest ratio: lengths of 400 to 409 over a single character."""
    source = [b"x"] * 10 + [b"a normal line"] * 3
    target = [b"y" * (400 + (7 * i) % 10) for i in range(10)] + [b"another one"] * 3
    (train,) = check(sets_of([write(tmp_path, "train", source, target)]), CleaningConfig())["corpora"]
    ratio = train["rules"]["ratio"]
    assert ratio["count"] == 10
    assert [example["line"] for example in ratio["examples"]] == [8, 5, 2, 9, 6]
    assert all(len(example["target"]) == 160 for example in ratio["examples"])


def test_lengths_and_ratios_are_counted_by_hand(tmp_path: Path) -> None:
    source = [b"", b"abc", "äöü".encode(), b"x" * 20, b"one two three"]
    target = [b"x", b"abc def", b"x", b"y" * 40, b"a"]
    (train,) = check(sets_of([write(tmp_path, "train", source, target)]), CleaningConfig())["corpora"]
    assert train["characters"] == [0 + 3 + 3 + 20 + 13, 1 + 7 + 1 + 40 + 1]
    assert train["words"] == [0 + 1 + 1 + 1 + 3, 1 + 2 + 1 + 1 + 1]
    assert train["length_histogram"]["counts"] == [[1, 2, 1, 1, 0, 0, 0, 0, 0, 0], [0, 4, 0, 0, 1, 0, 0, 0, 0, 0]]
    assert train["ratio_histogram"]["counts"] == [1, 1, 0, 0, 0, 0, 0, 2, 0]  # 1/13, 1/3, 40/20, 7/3
    assert "lengths" not in train  # five pairs are too few for a fit


def test_every_kind_of_duplicate_is_counted(tmp_path: Path) -> None:
    source = [b"rot 1", b"rot 1", b"ROT 2", b"rot 1", b"blau"]
    target = [b"red 1", b"red 1", b"Red 3!", b"crimson", b"crimson"]
    (train,) = check(sets_of([write(tmp_path, "train", source, target)]), CleaningConfig())["corpora"]
    lines = {kind: [example["line"] for example in case["examples"]] for kind, case in train["duplicates"].items()}
    assert lines == {"pair": [2], "near": [2, 3], "source": [2, 4], "target": [2, 5]}


def test_leakage_is_searched_in_both_directions_and_between_held_out_sets(tmp_path: Path) -> None:
    train = write(tmp_path, "train", [b"eins", b"zwei", b"drei"], [b"one", b"two", b"three"])
    valid = write(tmp_path, "valid", [b"eins", b"vier"], [b"x", b"y"])
    test = write(tmp_path, "test", [b"z", b"VIER!"], [b"Two.", b"w"])
    reports = check(sets_of([train], valid, test), CleaningConfig())["corpora"]
    counts = [
        {name: (case["exact"]["count"], case["nearly"]["count"]) for name, case in report["leakage"].items()}
        for report in reports
    ]
    assert counts == [{"valid": (1, 0), "test": (0, 1)}, {"test": (0, 1)}, {"valid": (0, 1)}]
    assert [report.get("set") for report in reports] == [None, "valid", "test"]


def test_line_ends_and_encodings_of_files_are_reported(tmp_path: Path) -> None:
    source = [b"eins\r", b"\r", b"dr\xffei", b"vier\x1b"]
    report = check(sets_of([write(tmp_path, "train", source, [b"x"] * 4)]), CleaningConfig())["corpora"][0]
    assert report["files"][0] == {
        "path": str(tmp_path / "train.de"),
        "format": "plain",
        "lines": 4,
        "blank": 1,
        "crlf": 2,
        "invalid_utf8": {"count": 1, "lines": [3]},
        "controls": {"count": 1, "lines": [4]},
    }


def test_a_table_is_checked_like_two_files(tmp_path: Path) -> None:
    files = write(tmp_path, "train", [b"eins", b"eins", b""], [b"one", b"one", b"x"])
    table = tmp_path / "train.tsv"
    table.write_bytes(b"eins\tone\neins\tone\n\tx\n")
    two, one = (check(sets_of([paths]), CleaningConfig())["corpora"][0] for paths in (files, (table,)))
    for key in ("pairs", "characters", "words", "rules", "duplicates", "ratio_histogram"):
        assert one[key] == two[key]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_pipes_are_refused_because_files_are_read_several_times(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NmtError, match="pipe: is a pipe, but check reads files several times"):
        check(sets_of([(tmp_path / "pipe",)]), CleaningConfig())


def test_the_vocabulary_report_counts_pieces_by_hand(tmp_path: Path) -> None:
    """Bytes only: each of the three characters of `ich`, four bytes of an emoji, and a space before each line."""
    (tmp_path / "text").write_text("ich\n", encoding="utf-8")
    tokenizer = train_tokenizers([tmp_path / "text"], TokenizerConfig(type="byte")).source
    report = vocabulary_report(tokenizer, ["ich", "🙂 x"])
    pieces = (1 + 3) + (1 + 4 + 1 + 1)
    assert report == {
        "sentences": 2,
        "words": 3,
        "pieces": pieces,
        "pieces_per_word": pieces / 3,
        "longest": 7 + 1,
        "unknown": 0,
        "bytes": 8 / pieces,
        "used": 9 / 262,
        "lost": 0,
        "lost_characters": {},
    }


def test_characters_that_a_tokenizer_rewrites_are_counted(tmp_path: Path) -> None:
    """NFKC writes both wide signs as ASCII; white space that is folded is no loss."""
    (tmp_path / "text").write_text("好，好！ a\u3000b\n" * 5, encoding="utf-8")
    lines = ["好，好！", "a，\u3000 b", "plain"]
    for rules, lost in (("auto", {}), ("nmt_nfkc", {"，": 2, "！": 1})):
        config = TokenizerConfig(vocab_size=300, normalization=rules)
        report = vocabulary_report(train_tokenizers([tmp_path / "text"], config).source, lines)
        assert report["lost_characters"] == lost
        assert report["lost"] == pytest.approx(sum(lost.values()) / 14)


def test_marks_in_another_order_are_not_lost(tmp_path: Path) -> None:
    """A composed letter with a mark below is the letter with both marks, whichever is written first."""
    (tmp_path / "text").write_text("ab\n", encoding="utf-8")
    tokenizer = train_tokenizers([tmp_path / "text"], TokenizerConfig(vocab_size=270)).source
    assert vocabulary_report(tokenizer, ["e\u0329\u0301", "\u00e9\u0329", "o\u0316\u0308"])["lost_characters"] == {}


def test_utf_16_is_reported_where_it_can_be_read_and_refused_elsewhere(tmp_path: Path) -> None:
    """XML declares its encoding; lines in UTF-16 would all be invalid."""
    unit = '<tu><tuv xml:lang="de"><seg>Hund</seg></tuv><tuv xml:lang="en"><seg>dog</seg></tuv></tu>'
    memory = f'<?xml version="1.0" encoding="utf-16"?><tmx><header/><body>{unit}</body></tmx>'
    (tmp_path / "x.tmx").write_bytes(memory.encode("utf-16"))
    (report,) = check(sets_of([(tmp_path / "x.tmx",)]), CleaningConfig())["corpora"]
    assert (report["pairs"], report["files"][0]["utf16"]) == (1, True)
    (tmp_path / "x.tsv").write_bytes("Hund\tdog\n".encode("utf-16"))
    with pytest.raises(NmtError, match=r"x\.tsv: is in UTF-16"):
        check(sets_of([(tmp_path / "x.tsv",)]), CleaningConfig())
