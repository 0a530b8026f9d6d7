"""Deduplication of many millions of texts in bounded memory.

Texts are compared by hashes of 64 bits: among 10^9 different texts, a collision has a probability of 1 in 37. Hashes
are kept in sorted runs, merged as the digits of a binary counter carry; beyond the memory limit, runs are files.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

IN_MEMORY = 1 << 24  # hashes kept in memory, of 8 bytes each


def hashes_of(texts: Iterable[str]) -> Hashes:
    """The hash of each text."""
    digests = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8")


class HashSet:
    """A growing set of hashes; beyond `in_memory` of them in a temporary folder below `directory`."""

    def __init__(self, directory: Path, in_memory: int = IN_MEMORY) -> None:
        self.directory, self.in_memory = directory, in_memory
        self.runs: list[Hashes] = []  # each sorted, and at least twice as long as the next
        self.folder: TemporaryDirectory[str] | None = None

    def add(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Add hashes, and return for each whether it is new: not in the set, nor earlier in `hashes`."""
        distinct, first = np.unique(hashes, return_index=True)
        new = np.ones(len(distinct), dtype=bool)
        for run in self.runs:
            place = np.searchsorted(run, distinct)
            new &= run[np.minimum(place, len(run) - 1)] != distinct
        if new.any():
            self._insert(distinct[new])
        is_new = np.zeros(len(hashes), dtype=bool)
        is_new[first[new]] = True
        return is_new

    def _insert(self, run: Hashes) -> None:
        while self.runs and len(self.runs[-1]) < 2 * len(run):
            run = self._merge(self.runs.pop(), run)
        self.runs.append(run)

    def _merge(self, left: Hashes, right: Hashes) -> Hashes:
        """Merge two sorted runs, in memory if they fit, else on disk."""
        total = len(left) + len(right)
        if total <= self.in_memory:
            merged = np.concatenate([left, right])
            merged.sort(kind="stable")  # merges runs that are sorted already
            return merged
        merged = self._on_disk(total)
        step, read, written = max(1, self.in_memory // 4), 0, 0
        for start in range(0, len(left), step):  # a stretch of the left run, and the right one up to its end
            stretch = left[start : start + step]
            last = start + step >= len(left)
            stop = len(right) if last else read + int(np.searchsorted(right[read:], stretch[-1]))
            part = np.sort(np.concatenate([stretch, right[read:stop]]), kind="stable")
            merged[written : written + len(part)] = part
            read, written = stop, written + len(part)
        return merged

    def _on_disk(self, length: int) -> Hashes:
        if self.folder is None:
            self.folder = TemporaryDirectory(prefix=".seen-", dir=self.directory)
        path = Path(self.folder.name) / "run.npy"
        run: Hashes = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint64, shape=(length,))
        path.unlink()  # the space is freed with the mapping
        return run

    def close(self) -> None:
        """Free memory and disk."""
        self.runs = []
        if self.folder is not None:
            self.folder.cleanup()
