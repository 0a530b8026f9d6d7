"""Deduplication: a hash set behaves like a set, in memory and on disk, however it is filled."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.duplicates import HashSet, hashes_of

batches = st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=12)


@given(batches, st.sampled_from([1, 4, 16, 1 << 20]))
def test_each_is_new_once(tmp_path_factory: pytest.TempPathFactory, numbers: list[list[int]], in_memory: int) -> None:
    seen, known = HashSet(tmp_path_factory.getbasetemp(), in_memory), set[int]()
    for batch in numbers:
        fresh = seen.add(np.asarray(batch, dtype=np.uint64))
        expected = []
        for number in batch:
            expected.append(number not in known)
            known.add(number)
        assert fresh.tolist() == expected
    assert sum(map(len, seen.runs)) == len(known)
    assert len(seen.runs) <= 8
    seen.close()


def test_hashes_beyond_the_memory_limit_go_to_disk_and_leave_nothing(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    numbers = draw.permutation(np.repeat(np.arange(30_000, dtype=np.uint64), 2))
    seen = HashSet(tmp_path, in_memory=1000)
    fresh = np.concatenate([seen.add(part) for part in np.array_split(numbers, 30)])
    assert fresh.sum() == 30_000
    assert list(tmp_path.iterdir())
    assert sum(len(run) for run in seen.runs if not isinstance(run, np.memmap)) <= 2000
    seen.close()
    assert not list(tmp_path.iterdir())


def test_different_texts_have_different_hashes() -> None:
    texts = [f"Satz {number}" for number in range(10_000)] + ["Satz 1", "\ud800"]
    hashes = hashes_of(texts)
    assert len(set(hashes.tolist())) == 10_001
    assert hashes[1] == hashes[10_000]


@given(st.lists(st.text()), st.integers(1, 5))
def test_texts_are_new_once_whatever_the_blocks(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int
) -> None:
    seen = HashSet(tmp_path_factory.getbasetemp(), in_memory=2)
    is_new = [seen.add(hashes_of(texts[start : start + size])).tolist() for start in range(0, len(texts), size)]
    assert [new for block in is_new for new in block] == [text not in texts[:i] for i, text in enumerate(texts)]
    seen.close()


def test_hashes_are_the_first_bytes_of_blake2b() -> None:
    """Shards of one corpus come from different machines."""
    expected = hashlib.blake2b("ü\ud800".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    assert hashes_of(["ü\ud800"]).tobytes() == expected
    assert len(hashes_of([])) == 0
