"""Reading sentence pairs: two files or one table, compressed or not; what does not pair up is refused by name."""

import gzip
import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import NmtError
from nmt.text.corpus import SentencePair, read_pairs

STRANGE = "a\rb\u2028c\x85d\fe\0f"


def write(folder: Path, **contents: str | bytes) -> tuple[Path, ...]:
    paths = []
    for name, content in contents.items():
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        paths.append(path)
    return tuple(paths)


def test_two_files_are_paired_line_by_line(tmp_path: Path) -> None:
    files = write(tmp_path, de=f"eins\n{STRANGE}\ndrei", en="one\ntwo\nthree\n")
    assert list(read_pairs(files)) == [
        SentencePair("eins", "one", 1),
        SentencePair(STRANGE, "two", 2),
        SentencePair("drei", "three", 3),
    ]


def test_each_file_may_be_compressed_on_its_own(tmp_path: Path) -> None:
    files = write(tmp_path, de=gzip.compress(b"eins\nzwei\n"), en=lzma.compress(b"one\ntwo\n"))
    assert [(one.source, one.target) for one in read_pairs(files)] == [("eins", "one"), ("zwei", "two")]


def test_a_table_gives_its_first_two_columns(tmp_path: Path) -> None:
    """Tatoeba's files have the licence in a third column."""
    files = write(tmp_path, table=f"eins\tone\tCC-BY 2.0\n{STRANGE}\t{STRANGE}\n\tempty source\nleer\t\n")
    assert [(one.source, one.target) for one in read_pairs(files)] == [
        ("eins", "one"),
        (STRANGE, STRANGE),
        ("", "empty source"),
        ("leer", ""),
    ]


def test_a_compressed_table_is_read(tmp_path: Path) -> None:
    files = write(tmp_path, table=gzip.compress(b"eins\tone\n"))
    assert list(read_pairs(files)) == [SentencePair("eins", "one", 1)]


def test_a_line_without_a_tab_is_named(tmp_path: Path) -> None:
    files = write(tmp_path, table="eins\tone\nzwei two\n")
    with pytest.raises(NmtError, match=rf"{files[0]}, line 2: no tab"):
        list(read_pairs(files))


@given(st.integers(0, 40), st.integers(0, 40))
def test_unequal_files_are_refused_with_both_counts(
    tmp_path_factory: pytest.TempPathFactory, sources: int, targets: int
) -> None:
    """zip() stops at the shorter file: everything behind the first missing line is lost, or wrong, silently."""
    files = write(tmp_path_factory.getbasetemp(), longer="x\n" * sources, other="y\n" * targets)
    if sources == targets:
        assert len(list(read_pairs(files))) == sources
        return
    with pytest.raises(NmtError) as caught:
        list(read_pairs(files))
    assert caught.value.problem == f"{files[0]} has {sources} lines but {files[1]} has {targets}"


def test_large_counts_are_right_too(tmp_path: Path) -> None:
    files = write(tmp_path, de="x\n" * 12_345, en="y\n" * 5)
    with pytest.raises(NmtError) as caught:
        list(read_pairs(files))
    assert caught.value.problem == f"{files[0]} has 12,345 lines but {files[1]} has 5"


def test_files_from_windows_lose_their_mark_and_carriage_returns(tmp_path: Path) -> None:
    """A byte order mark would be the first word of the corpus, and \\r the last of every sentence."""
    files = write(tmp_path, de="\ufeffeins\r\nzw\rei\r\n\ufeffdrei\r\n", en=b"one\r\ntwo\r\nthree")
    assert [(one.source, one.target) for one in read_pairs(files)] == [
        ("eins", "one"),
        ("zw\rei", "two"),
        ("\ufeffdrei", "three"),  # only the file's first character is a mark
    ]
    (table,) = write(tmp_path, table="\ufeffeins\tone\r\nzwei\ttwo\r\n")
    assert [(one.source, one.target) for one in read_pairs((table,))] == [("eins", "one"), ("zwei", "two")]


@pytest.mark.parametrize("count", [0, 3])
def test_another_number_of_files_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(NmtError, match=f"got {count} files"):
        list(read_pairs((tmp_path / "x",) * count))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    (there,) = write(tmp_path, there="x\n")
    for files in ((there, tmp_path / "nothing"), (tmp_path / "nothing", there), (tmp_path / "nothing",)):
        with pytest.raises(NmtError, match="nothing: no such file"):
            list(read_pairs(files))
