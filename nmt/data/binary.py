"""Token rows on disk: one flat `.npy` array of ids and one of offsets, both memory-mapped when read.

Row i is `ids[offsets[i]:offsets[i + 1]]`. Files are ordinary: `numpy.load(path, mmap_mode="r")` reads them.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt.errors import NmtError

logger = logging.getLogger("nmt")

Ids = npt.NDArray[np.integer]

STRETCH = 1 << 20
"""Rows whose lengths are in memory together when all are looked at."""


class ArrayWriter:
    """Append to a one-dimensional `.npy` file whose length is not known before the end."""

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.length = 0
        self.stream = open(path, "wb")
        self._write_header()
        self.start = self.stream.tell()

    def _write_header(self) -> None:
        # numpy leaves room in the header for the first dimension to grow, so it can be written again in place
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self.stream, header)

    def append(self, values: npt.ArrayLike) -> None:
        """Add values at the end."""
        array = np.asarray(values, dtype=self.dtype)
        self.stream.write(array.tobytes())
        self.length += len(array)

    def close(self) -> None:
        """Write the final header."""
        self.stream.seek(0)
        self._write_header()
        assert self.stream.tell() == self.start
        self.stream.close()


class RowWriter:
    """Write rows of tokens as `NAME.ids.npy` and `NAME.offsets.npy`."""

    def __init__(self, directory: Path, name: str, vocabulary: int) -> None:
        """`vocabulary` decides the width of an id: two bytes where they are enough."""
        self.ids = ArrayWriter(directory / f"{name}.ids.npy", np.uint16 if vocabulary <= 1 << 16 else np.uint32)
        self.offsets = ArrayWriter(directory / f"{name}.offsets.npy", np.int64)
        self.offsets.append([0])

    def add(self, ids: Ids, lengths: Ids) -> None:
        """Add rows at the end: their tokens in a row, and how many each has."""
        start = self.ids.length
        self.ids.append(ids)
        self.offsets.append(start + np.cumsum(lengths))

    def close(self) -> None:
        """Finish both files."""
        self.ids.close()
        self.offsets.close()

    def __enter__(self) -> "RowWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RowLengths:
    """Lengths of rows, read from disk as they are asked for."""

    def __init__(self, offsets: Ids) -> None:
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: npt.NDArray[np.int64], /) -> npt.NDArray[np.int64]:
        """The lengths of some rows."""
        lengths: npt.NDArray[np.int64] = self.offsets[rows + 1] - self.offsets[rows]
        return lengths


class Rows:
    """Rows of tokens, read from disk as they are asked for."""

    def __init__(self, directory: Path, name: str) -> None:
        """Raises NmtError when the files are missing or damaged."""
        self.name = directory / name
        self.ids = _load(directory / f"{name}.ids.npy", kind="u")
        self.offsets = _load(directory / f"{name}.offsets.npy", kind="i")
        where, hint = directory / f"{name}.offsets.npy", "run nmt prepare again"
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.ids):
            raise NmtError(f"{where}: does not fit {name}.ids.npy", hint)
        if any(lengths.min() < 1 for lengths in self.stretches()):
            raise NmtError(f"{where}: offsets do not rise", hint)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> "RowLengths":
        """How many tokens each row has."""
        return RowLengths(self.offsets)

    def stretches(self) -> Iterator[npt.NDArray[np.int64]]:
        """The lengths of all rows, a stretch of them at a time."""
        for start in range(0, len(self), STRETCH):
            yield np.diff(self.offsets[start : start + STRETCH + 1])

    def __getitem__(self, index: int) -> Ids:
        """The tokens of one row."""
        row: Ids = self.ids[self.offsets[index] : self.offsets[index + 1]]
        return row


def _load(path: Path, kind: str) -> Ids:
    try:
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file", "run nmt prepare") from None
    except Exception as error:  # a damaged header is parsed as Python text, or as a zip file's: many ways to fail
        logger.debug("%s: %s", path, error)
        raise NmtError(f"{path}: not a readable .npy array", "it is damaged; run nmt prepare again") from None
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind not in kind:
        raise NmtError(f"{path}: not an array of token rows", "run nmt prepare again")
    return array
