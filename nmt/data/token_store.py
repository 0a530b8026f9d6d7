"""Token rows on disk: one flat `.npy` array of ids and one of row offsets, memory-mapped for reading.

Row i is `ids[offsets[i]:offsets[i + 1]]`. The files are ordinary: `numpy.load(path, mmap_mode="r")` reads them.
"""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nmt.errors import NmtError
from nmt.files.run_directory import token_arrays

logger = logging.getLogger("nmt")

Ids = npt.NDArray[np.integer]

BLOCK = 1 << 20  # rows whose lengths are read together


class ArrayWriter:
    """Append to a one-dimensional `.npy` file whose length is not known in advance."""

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        self.dtype = np.dtype(dtype)
        self.length = 0
        self.stream = open(path, "wb")
        self._write_header()
        self.start = self.stream.tell()

    def _write_header(self) -> None:
        # numpy pads the header for the first dimension to grow, so it can be rewritten in place
        header = {"descr": np.lib.format.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self.stream, header)

    def append(self, values: npt.ArrayLike) -> None:
        """Append values."""
        array = np.asarray(values, dtype=self.dtype)
        self.stream.write(array.tobytes())
        self.length += len(array)

    def close(self) -> None:
        """Write the final header."""
        self.stream.seek(0)
        self._write_header()
        assert self.stream.tell() == self.start
        self.stream.close()


class TokenRowWriter:
    """Write the token rows of one side of a set."""

    def __init__(self, directory: Path, side: str, vocabulary: int) -> None:
        """Ids take two bytes if the `vocabulary` permits."""
        ids, offsets = token_arrays(directory, side)
        self.ids = ArrayWriter(ids, np.uint16 if vocabulary <= 1 << 16 else np.uint32)
        self.offsets = ArrayWriter(offsets, np.int64)
        self.offsets.append([0])

    def add(self, ids: Ids, lengths: Ids) -> None:
        """Append rows: all their tokens, and the length of each row."""
        start = self.ids.length
        self.ids.append(ids)
        self.offsets.append(start + np.cumsum(lengths))

    def __enter__(self) -> "TokenRowWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self.ids.close()
        self.offsets.close()


class TokenRowLengths:
    """The lengths of rows, read from disk on access."""

    def __init__(self, offsets: Ids) -> None:
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, rows: npt.NDArray[np.int64], /) -> npt.NDArray[np.int64]:
        return self.offsets[rows + 1] - self.offsets[rows]


class TokenRows:
    """Token rows, read from disk on access."""

    def __init__(self, directory: Path, side: str) -> None:
        """Open the rows of one side of a set; NmtError if files are missing or damaged."""
        self.name = directory / side
        paths, hint = token_arrays(directory, side), "run nmt prepare again"
        self.ids, self.offsets = _load(paths[0], kind="u"), _load(paths[1], kind="i")
        self.lengths = TokenRowLengths(self.offsets)
        if not len(self.offsets) or self.offsets[0] != 0 or self.offsets[-1] != len(self.ids):
            raise NmtError(f"{paths[1]}: does not match {paths[0].name}", hint)
        if any(lengths.min() < 1 for lengths in self.length_blocks()):
            raise NmtError(f"{paths[1]}: the offsets do not increase", hint)

    def __len__(self) -> int:
        return len(self.lengths)

    def length_blocks(self) -> Iterator[npt.NDArray[np.int64]]:
        """The lengths of all rows, BLOCK at a time."""
        for start in range(0, len(self), BLOCK):
            yield np.diff(self.offsets[start : start + BLOCK + 1])

    def read(self, rows: Iterable[int]) -> list[Ids]:
        """The tokens of some rows."""
        return [self.ids[self.offsets[row] : self.offsets[row + 1]] for row in rows]


def _load(path: Path, kind: str) -> Ids:
    try:
        array = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file", "run nmt prepare") from None
    except Exception as error:  # a damaged header is parsed as Python, or as a zip file: many ways to fail
        logger.debug("%s: %s", path, error)
        raise NmtError(f"{path}: not a readable .npy array", "it is damaged; run nmt prepare again") from None
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype.kind != kind:
        raise NmtError(f"{path}: not an array of token rows", "run nmt prepare again")
    return array
