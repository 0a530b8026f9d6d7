"""Token rows on disk: what is written is read back, by numpy alone too; damaged files are refused by name."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.cleaning import flat
from nmt.data.token_store import TokenRows, TokenRowWriter
from nmt.errors import NmtError


def write(directory: Path, chunks: list[list[list[int]]], vocabulary: int = 1000) -> None:
    with TokenRowWriter(directory, "x", vocabulary) as writer:
        for chunk in chunks:
            writer.add(*flat(chunk))


@given(st.data(), st.sampled_from([5, 1 << 16, (1 << 16) + 1, 1 << 20]))
def test_rows_written_are_rows_read(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, vocabulary: int
) -> None:
    """The largest token of the largest vocabulary for two bytes must not come back as another."""
    token = st.integers(0, vocabulary - 1) | st.just(vocabulary - 1)
    chunks = data.draw(st.lists(st.lists(st.lists(token, min_size=1, max_size=9), max_size=5), max_size=4))
    directory = tmp_path_factory.getbasetemp()
    write(directory, chunks, vocabulary)
    rows = [row for chunk in chunks for row in chunk]
    stored = TokenRows(directory, "x")
    assert len(stored) == len(rows)
    assert [row.tolist() for row in stored.read(range(len(stored)))] == rows
    assert stored.lengths[np.arange(len(rows))].tolist() == [len(row) for row in rows]


def test_the_files_are_plain_numpy_arrays(tmp_path: Path) -> None:
    write(tmp_path, [[[7, 8, 9], [4]], [[5, 6]]])
    ids, offsets = (np.load(tmp_path / f"x.{name}.npy", mmap_mode="r") for name in ("ids", "offsets"))
    assert ids.tolist() == [7, 8, 9, 4, 5, 6]
    assert offsets.tolist() == [0, 3, 4, 6]
    assert (ids.dtype, offsets.dtype) == (np.uint16, np.int64)


def test_many_rows_do_not_outgrow_the_header(tmp_path: Path) -> None:
    """The header holds the length, and is written before it is known."""
    write(tmp_path, [[[i % 1000] * 3 for i in range(50_000)]] * 3)
    stored = TokenRows(tmp_path, "x")
    assert len(stored) == 150_000
    assert stored.read([149_999])[0].tolist() == [999, 999, 999]
    assert np.load(tmp_path / "x.ids.npy").shape == (450_000,)


def test_rows_are_not_read_before_they_are_asked_for(tmp_path: Path) -> None:
    write(tmp_path, [[[1, 2]]])
    assert isinstance(TokenRows(tmp_path, "x").ids, np.memmap)


# --------------------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("part", ["ids", "offsets"])
def test_a_missing_file_is_named(tmp_path: Path, part: str) -> None:
    write(tmp_path, [[[1, 2]]])
    (tmp_path / f"x.{part}.npy").unlink()
    with pytest.raises(NmtError, match=rf"x\.{part}\.npy: no such file") as caught:
        TokenRows(tmp_path, "x")
    assert "nmt prepare" in caught.value.hint


@pytest.mark.parametrize("part", ["ids", "offsets"])
def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path: Path, part: str) -> None:
    write(tmp_path, [[[1, 2, 3], [4, 5]]])
    path = tmp_path / f"x.{part}.npy"
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(NmtError, match=r"x\."):
            TokenRows(tmp_path, "x")


@pytest.mark.parametrize("part", ["ids", "offsets"])
def test_a_damaged_header_is_an_nmt_error_or_harmless(tmp_path: Path, part: str) -> None:
    """numpy answers a broken header with many kinds of exceptions."""
    write(tmp_path, [[[1, 2, 3], [4, 5]]])
    path = tmp_path / f"x.{part}.npy"
    whole = path.read_bytes()
    for place in range(128):
        for byte in b"\0(',\xff":
            path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            try:
                rows = TokenRows(tmp_path, "x")
            except NmtError as error:
                assert "x." in error.problem
            else:
                assert sum(map(len, rows.read(range(len(rows))))) == len(rows.ids)


@pytest.mark.parametrize("part", ["ids", "offsets"])
@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 no zip", b"\x80\x04\x95", b"\x93NUMPY\x01\0"])
def test_another_file_is_refused(tmp_path: Path, part: str, content: bytes) -> None:
    write(tmp_path, [[[1, 2]]])
    (tmp_path / f"x.{part}.npy").write_bytes(content)
    with pytest.raises(NmtError, match=rf"x\.{part}\.npy"):
        TokenRows(tmp_path, "x")


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    write(tmp_path, [[[1, 2]]])
    np.save(tmp_path / "x.ids.npy", np.array([1, "two", None], dtype=object), allow_pickle=True)
    with pytest.raises(NmtError, match=r"x\.ids\.npy"):
        TokenRows(tmp_path, "x")


@pytest.mark.parametrize(
    ("ids", "offsets"),
    [
        ([1.5, 2.5], [0, 2]),  # no integers
        ([[1, 2]], [0, 2]),  # a matrix
        ([1, 2], [0, 3]),  # beyond the end
        ([1, 2], [0, 1]),  # before the end
        ([1, 2], [1, 2]),  # not from the start
        ([1, 2], []),
        ([1, 2, 3], [0, 2, 1, 3]),  # backwards
        ([1, 2], [0, 0, 2]),  # an empty row: not even the end of a sentence
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(tmp_path: Path, ids: object, offsets: list[int]) -> None:
    array = np.asarray(ids)
    np.save(tmp_path / "x.ids.npy", array.astype(np.uint16) if array.dtype.kind == "i" else array)
    np.save(tmp_path / "x.offsets.npy", np.asarray(offsets, dtype=np.int64))
    with pytest.raises(NmtError, match=r"x\."):
        TokenRows(tmp_path, "x")
