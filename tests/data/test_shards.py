"""Shards, processes and files: however the work is divided, the bytes stay the same."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import Corpus, sets_of
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.corpus import PrepareConfig
from nmt.data import cleaning, prepare, shards
from nmt.errors import NmtError
from nmt.text.tokenizer import Tokenizers

CONFIG = PrepareConfig(max_length=20, split=5)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (cleaning, prepare, shards):
        monkeypatch.setattr(module, "BLOCK", 7)


@pytest.fixture(scope="module")
def files(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The corpus twice over, with what cleaning drops in between."""
    folder = tmp_path_factory.mktemp("files")
    sides = [path.read_text("utf-8").splitlines() for path in corpus.train]
    pairs = list(zip(*sides, strict=True))
    pairs = [
        *pairs,
        ("", "x"),
        ("a", "a"),
        *pairs[:50],
        ("Öffne {0}", "open"),
        ("neu und nur hier", "new and only here"),
    ]
    files = folder / "train.de", folder / "train.en"
    for side, path in enumerate(files):
        path.write_text("".join(pair[side] + "\n" for pair in pairs), encoding="utf-8")
    return files


def arrays(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((directory / "train").iterdir())}


def prepare_arrays(
    files: Sequence[tuple[Path, ...]], tokenizers: Tokenizers, output: Path, config: PrepareConfig, threads: int = 1
) -> dict[str, bytes]:
    prepare.prepare(sets_of(list(files)), tokenizers, output, config, threads, rejects=output.with_suffix(".rejects"))
    return arrays(output)


def test_neither_processes_nor_files_nor_shards_change_a_byte(
    files: tuple[Path, Path], tokenizers: Tokenizers, tmp_path: Path
) -> None:
    expected = prepare_arrays([files], tokenizers, tmp_path / "one", CONFIG)
    rejected = (tmp_path / "one.rejects").read_bytes()
    assert prepare_arrays([files], tokenizers, tmp_path / "three", CONFIG, threads=3) == expected
    assert (tmp_path / "three.rejects").read_bytes() == rejected

    for number in (2, 3, 1):  # in any order, on any machine
        config = replace(CONFIG, shard=f"{number}/3")
        assert prepare.prepare(sets_of([files]), tokenizers, tmp_path / "merged", config) == {}
    assert prepare_arrays([files], tokenizers, tmp_path / "merged", replace(CONFIG, merge=3)) == expected
    assert (tmp_path / "merged.rejects").read_bytes() == rejected
    assert not (tmp_path / "merged.shards").exists()

    whole, config = [path.read_text("utf-8").splitlines(True) for path in files], replace(CONFIG, split=0)
    parts = []
    for name, cut in (("a", slice(0, 33)), ("b", slice(33, None))):
        parts.append(tuple(tmp_path / f"{name}.{side}" for side in ("de", "en")))
        for path, lines in zip(parts[-1], whole, strict=True):
            path.write_text("".join(lines[cut]), encoding="utf-8")
    expected = prepare_arrays([files], tokenizers, tmp_path / "whole", config)
    assert prepare_arrays(parts, tokenizers, tmp_path / "two", config) == expected


def test_rejects_have_their_rule_and_line(files: tuple[Path, Path], tokenizers: Tokenizers, tmp_path: Path) -> None:
    content = prepare.prepare(
        sets_of([files]), tokenizers, tmp_path / "data", PrepareConfig(), rejects=tmp_path / "rejects"
    )
    rows = [line.split("\t") for line in (tmp_path / "rejects").read_text("utf-8").splitlines()]
    dropped = content["sets"]["train"]["dropped"]
    assert {rule: sum(row[0] == rule for row in rows) for rule in dropped} == dropped
    assert len(rows) == sum(dropped.values()) == content["sets"]["train"]["read"] - content["sets"]["train"]["pairs"]
    assert rows[0] == ["empty", "1", "201", "", "x"]
    assert rows[1] == ["identical", "1", "202", "a", "a"]
    assert rows[-1] == ["placeholders", "1", "253", "Öffne {0}", "open"]


def test_shards_of_another_whole_or_in_pieces_are_refused(
    files: tuple[Path, Path], tokenizers: Tokenizers, tmp_path: Path
) -> None:
    sets, output = sets_of([files]), tmp_path / "data"
    with pytest.raises(NmtError, match="missing shards: 1-of-2, 2-of-2"):
        prepare.prepare(sets, tokenizers, output, replace(CONFIG, merge=2))
    for number in (1, 2):
        prepare.prepare(sets, tokenizers, output, replace(CONFIG, shard=f"{number}/2"))
    with pytest.raises(NmtError, match="made from other files or with other settings"):
        prepare.prepare(sets, tokenizers, output, replace(CONFIG, merge=2, max_length=30))
    shard = tmp_path / "data.shards" / "2-of-2"
    whole = shard.read_bytes()
    for broken in (whole[:5], whole[:-100], whole[:2000] + b"\xff" * 8 + whole[2008:], b"", whole[: len(whole) // 2]):
        shard.write_bytes(broken)
        with pytest.raises(NmtError, match="2-of-2: "):
            prepare.prepare(sets, tokenizers, output, replace(CONFIG, merge=2))
        assert not output.exists()


@given(st.integers(0, 40), st.integers(1, 12))
def test_every_block_is_in_exactly_one_shard(blocks: int, total: int) -> None:
    selected = [
        list(shards.Shards(Path("data"), PrepareConfig(shard=f"{number}/{total}"), {}).select(range(blocks)))
        for number in range(1, total + 1)
    ]
    assert sorted(block for shard in selected for block in shard) == list(range(blocks))
    assert max(map(len, selected)) - min(map(len, selected)) <= 1


@pytest.mark.parametrize("total", [1, 5, 60])
def test_any_number_of_shards_merges_to_the_same_rows(
    corpus: Corpus, tokenizers: Tokenizers, tmp_path: Path, total: int
) -> None:
    """With more shards than blocks some are empty, and are still part of the whole."""
    sets, config = sets_of([corpus.train], corpus.valid), PrepareConfig(deduplicate="near")
    whole = prepare.prepare(sets, tokenizers, tmp_path / "whole", config)
    calls = list[int]()
    for number in range(total, 0, -1):
        shard = replace(config, shard=f"{number}/{total}")
        prepare.prepare(sets, tokenizers, tmp_path / "data", shard, progress=calls.append)
    assert sum(1 for call in calls if call == 7) == min(total, 29)  # each shard counts its own blocks of 7 pairs
    merged = prepare.prepare(sets, tokenizers, tmp_path / "data", replace(config, merge=total))
    assert merged["sha256"] == whole["sha256"]
    assert merged["sets"] == whole["sets"]


def test_a_shard_of_fewer_blocks_than_the_corpus_has_is_noticed(
    corpus: Corpus, tokenizers: Tokenizers, tmp_path: Path
) -> None:
    sets, output = sets_of([corpus.train]), tmp_path / "data"
    prepare.prepare(sets, tokenizers, output, PrepareConfig(shard="1/1"))
    path = output.with_name("data.shards") / "1-of-1"
    data = path.read_bytes()
    cut, start = 0, 0
    while start < len(data):  # the last record, with its length of eight bytes
        cut, start = start, start + 8 + int.from_bytes(data[start : start + 8], "little")
    path.write_bytes(data[:cut])
    with pytest.raises(NmtError, match=r"data\.shards: the shards are incomplete"):
        prepare.prepare(sets, tokenizers, output, PrepareConfig(merge=1))
    assert not output.exists()
