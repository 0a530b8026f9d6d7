"""Evaluation sets and systems are read line by line, and named so that they can be distinguished."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Corpus

from nmt.config.evaluation import MetricConfig
from nmt.errors import NmtError, UsageError
from nmt.evaluation.evaluation_set import EvaluationSet, held_out_test, read_evaluation_set, read_systems
from nmt.files.run_directory import RunDirectory

Write = Callable[..., Path]
TEST = EvaluationSet([["a", "b"]])


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(name, *lines)` writes a file of lines."""

    def write(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return path

    return write


def test_without_references_the_set_is_the_test_set_of_the_run(run: Path, corpus: Corpus) -> None:
    test = read_evaluation_set(RunDirectory(run), [], None, MetricConfig())
    source, target = (path.read_text("utf-8").splitlines() for path in corpus.test)
    assert (test.sources, test.references) == (source, [target])
    assert test.exposure is None
    assert test.pairs("compare") == list(zip(source, target, strict=True))


def test_several_references_and_a_source_are_read_from_files(run: Path, write: Write) -> None:
    references = [write("one", "a", "b"), write("two", "c", "d")]
    test = read_evaluation_set(RunDirectory(run), references, write("source", "x", "y"), MetricConfig())
    assert (test.references, test.sources) == ([["a", "b"], ["c", "d"]], ["x", "y"])
    assert test.pairs("compare") == [("x", "a"), ("y", "b")]


def test_references_alone_leave_the_source_unknown(run: Path, write: Write) -> None:
    """The source of the run's test set belongs to other references."""
    test = read_evaluation_set(RunDirectory(run), [write("reference", "a")], None, MetricConfig())
    assert test.sources is None
    with pytest.raises(UsageError, match="--alignment needs the source, too") as caught:
        test.pairs("--alignment")
    assert caught.value.hint == "give --source FILE"


def test_a_source_of_another_length_is_refused_with_both_counts(run: Path, write: Write) -> None:
    source = write("source", "x", "y", "z")
    with pytest.raises(NmtError, match=r"source has 3 lines, but the reference has 1"):
        read_evaluation_set(RunDirectory(run), [write("reference", "a")], source, MetricConfig())


def test_a_run_without_a_test_set_is_named(tmp_path: Path, run_copy: Path) -> None:
    for side in ("source", "target"):
        with pytest.raises(NmtError, match=rf"data/test\.{side}: the run has no test set") as caught:
            held_out_test(RunDirectory(tmp_path), side)
        assert "--reference" in caught.value.hint
    with pytest.raises(NmtError, match="empty: no such run directory"):
        held_out_test(RunDirectory(tmp_path / "empty"), "source")
    (run_copy / "data" / "test.target").unlink()
    with pytest.raises(NmtError, match="the run has no test set"):
        read_evaluation_set(RunDirectory(run_copy), [], None, MetricConfig())


@pytest.mark.parametrize(
    ("config", "tokenizer"),
    [
        (MetricConfig(), "13a"),
        (MetricConfig(target_language="zh-TW"), "zh"),
        (MetricConfig(target_language="ko"), "ko-mecab"),
        (MetricConfig(target_language="ko", tokenize="char"), "char"),
    ],
)
def test_the_tokenizer_follows_the_target_language_unless_chosen(
    run: Path, write: Write, config: MetricConfig, tokenizer: str
) -> None:
    for references in ([], [write("reference", "a")]):
        assert read_evaluation_set(RunDirectory(run), references, None, config).tokenizer == tokenizer


def test_the_target_language_of_the_run_counts_for_its_own_test_set_alone(run_copy: Path, write: Write) -> None:
    path = run_copy / "data" / "data.json"
    path.write_text(path.read_text("utf-8").replace('"target": "en"', '"target": "ja"'), "utf-8")
    run, config = RunDirectory(run_copy), MetricConfig()
    assert read_evaluation_set(run, [], None, config).tokenizer == "ja-mecab"
    assert read_evaluation_set(run, [write("reference", "a")], None, config).tokenizer == "13a"


def test_systems_are_named_by_their_files(write: Write) -> None:
    systems = read_systems([write("x/one", "A", "B"), write("y/two", "C", "D")], TEST)
    assert systems == {"one": ["A", "B"], "two": ["C", "D"]}


def test_systems_of_the_same_file_name_are_named_by_their_paths(write: Write) -> None:
    """Two runs have their translations in files of the same name: one must not replace the other."""
    paths = [write("first/test.en", "A", "B"), write("second/test.en", "C", "D"), write("third", "E", "F")]
    assert list(read_systems(paths, TEST)) == [str(path) for path in paths]


def test_a_system_that_is_given_twice_is_refused(write: Write) -> None:
    path = write("one", "A", "B")
    with pytest.raises(UsageError, match="the same file is given twice"):
        read_systems([path, path], TEST)


@pytest.mark.parametrize("lines", [[], ["A"], ["A", "B", "C"]])
def test_a_system_with_another_number_of_lines_is_refused(write: Write, lines: list[str]) -> None:
    with pytest.raises(NmtError, match=rf"two has {len(lines)} lines?, but the reference has 2") as caught:
        read_systems([write("one", "A", "B"), write("two", *lines)], TEST)
    assert "line N of one must be the translation of line N of the other" in caught.value.hint


def test_compressed_systems_are_read_and_invalid_utf8_is_refused_when_strict(tmp_path: Path) -> None:
    path = tmp_path / "system.gz"
    path.write_bytes(gzip.compress(b"A\nB\xff\n"))
    assert read_systems([path], TEST) == {"system.gz": ["A", "B\ufffd"]}
    with pytest.raises(NmtError, match="line 2: invalid UTF-8"):
        read_systems([path], TEST, strict=True)


SOURCES = ["<2cs> one", " <2ja> two", "three", "<2cs> four", "<2cs>five"]


def test_a_set_has_directions_by_the_tags_of_its_sources() -> None:
    lines = ["a", "b", "c", "d", "e"]
    test = EvaluationSet([lines, lines[::-1]], SOURCES)
    assert test.directions() == {"<2cs>": [0, 3, 4], "<2ja>": [1], "no tag": [2]}
    part = test.part([0, 3, 4], "char")
    assert (part.references, part.tokenizer) == ([["a", "d", "e"], ["e", "b", "a"]], "char")
    assert part.sources == [SOURCES[0], SOURCES[3], SOURCES[4]]


@pytest.mark.parametrize("sources", [None, ["<2cs> a", "<2cs> b"], ["a <2cs>", "2ja b"]])
def test_a_set_of_one_direction_has_none(sources: list[str] | None) -> None:
    assert TEST._replace(sources=sources).directions() == {}
