"""What has been seen before, of many millions, in bounded memory.

Texts are told apart by hashes of 64 bits: among n different texts some pair is taken for one with a probability of
about n^2 / 2^65, one in 37 for a thousand million. Hashes are kept in sorted runs that are merged like the digits of a
binary counter carry, so that each is moved log n times; beyond the bound on memory, runs lie in a file.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

IN_MEMORY = 1 << 24
"""Hashes that are kept in memory, of 8 bytes each."""


def hashes_of(texts: Iterable[str]) -> Hashes:
    """A hash of each text."""
    digests = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8")


class HashSet:
    """A set of hashes that grows; beyond `in_memory` of them, on disk in a folder of its own below `directory`."""

    def __init__(self, directory: Path, in_memory: int = IN_MEMORY) -> None:
        self.directory, self.in_memory = directory, in_memory
        self.runs: list[Hashes] = []  # each sorted, and at least twice as long as the next
        self.folder: TemporaryDirectory[str] | None = None
        self.files = 0

    def add(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Which of these were not there yet, each the first time that it comes; all are afterwards."""
        distinct, first = np.unique(hashes, return_index=True)
        new = np.ones(len(distinct), dtype=bool)
        for run in self.runs:
            place = np.searchsorted(run, distinct)
            new &= run[np.minimum(place, len(run) - 1)] != distinct
        self._insert(distinct[new])
        fresh = np.zeros(len(hashes), dtype=bool)
        fresh[first[new]] = True
        return fresh

    def _insert(self, run: Hashes) -> None:
        if not len(run):
            return
        while self.runs and len(self.runs[-1]) < 2 * len(run):
            run = self._merged(self.runs.pop(), run)
        self.runs.append(run)

    def _merged(self, one: Hashes, other: Hashes) -> Hashes:
        """Two sorted runs as one, where there is room for it."""
        total = len(one) + len(other)
        if total <= self.in_memory:
            both = np.concatenate([one, other])
            both.sort(kind="stable")  # which merges runs that are sorted already
            return both
        merged = self._on_disk(total)
        step, read, written = max(1, self.in_memory // 4), 0, 0
        for start in range(0, len(one), step):  # a stretch of one, and what of the other belongs before its end
            stretch = one[start : start + step]
            last = start + step >= len(one)
            stop = len(other) if last else read + int(np.searchsorted(other[read:], stretch[-1]))
            part = np.sort(np.concatenate([stretch, other[read:stop]]), kind="stable")
            merged[written : written + len(part)] = part
            read, written = stop, written + len(part)
        return merged

    def _on_disk(self, length: int) -> Hashes:
        if self.folder is None:
            self.folder = TemporaryDirectory(prefix=".seen-", dir=self.directory)
        self.files += 1
        path = Path(self.folder.name) / f"{self.files}.npy"
        made: Hashes = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint64, shape=(length,))
        path.unlink()  # it goes when it is no longer mapped
        return made

    def close(self) -> None:
        """Give memory and disk back."""
        self.runs = []
        if self.folder is not None:
            self.folder.cleanup()
