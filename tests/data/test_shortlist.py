"""Shortlists: the likely targets of each source token are those of IBM model 1, written as it is taught."""

from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data import shortlist
from nmt.data.shortlist import frequent_targets, likely_targets, write_shortlist
from nmt.data.token_store import TokenRows, TokenRowWriter
from nmt.text.tokenizer import Tokenizers

Pairs = list[tuple[list[int], list[int]]]


def rows(folder: Path, pairs: Pairs) -> tuple[TokenRows, TokenRows]:
    folder.mkdir(exist_ok=True)
    for side, texts in zip(("source", "target"), zip(*pairs, strict=True), strict=True):
        with TokenRowWriter(folder, side, vocabulary=100) as writer:
            for text in texts:
                writer.add(np.array(text), np.array([len(text)]))
    return TokenRows(folder, "source"), TokenRows(folder, "target")


def model_1(pairs: Pairs, iterations: int) -> dict[int, dict[int, float]]:
    """Translation probabilities p(target | source), from equal ones on (Brown et al. 1993, section 4.1)."""
    probability = {(s, t): 1.0 for source, target in pairs for s in source for t in target}
    for _ in range(iterations):
        counts = Counter[tuple[int, int]]()
        for source, target in pairs:
            for t in target:
                total = sum(probability[s, t] for s in source)
                for s in source:
                    counts[s, t] += probability[s, t] / total
        totals = Counter[int]()
        for (s, _), count in counts.items():
            totals[s] += count
        probability = {(s, t): count / totals[s] for (s, t), count in counts.items()}
    table = defaultdict[int, dict[int, float]](dict)
    for (s, t), value in probability.items():
        table[s][t] = value
    return table


@given(st.lists(st.tuples(*[st.lists(st.integers(2, 9), min_size=1, max_size=5)] * 2), min_size=1, max_size=8))
def test_likely_targets_are_the_most_probable_of_model_1(
    tmp_path_factory: pytest.TempPathFactory, pairs: Pairs
) -> None:
    table = model_1(pairs, iterations=3)
    found = likely_targets(*rows(tmp_path_factory.getbasetemp() / "rows", pairs), count=3)
    assert len(found) == 1 + max(table)
    for source, targets in enumerate(found):
        probable = sorted(table[source].values(), reverse=True)[:3]
        assert [table[source][int(target)] for target in targets[:3]] == pytest.approx(probable)
        for target in map(int, targets[3:]):  # those that no other source token makes more probable
            assert table[source][target] == pytest.approx(max(row.get(target, 0) for row in table.values()))
    assert {int(target) for targets in found for target in targets} == {t for _, target in pairs for t in target}


def test_a_word_and_its_translation_find_each_other(tmp_path: Path) -> None:
    """das Haus, das Buch, ein Buch: only together do they say that `das` is `the`."""
    das, ein, haus, buch = 4, 5, 6, 7
    the, a, house, book = 4, 5, 6, 7
    source, target = rows(tmp_path, [([das, haus], [the, house]), ([das, buch], [the, book]), ([ein, buch], [a, book])])
    found = [targets.tolist() for targets in likely_targets(source, target, count=1)]
    assert found == [[], [], [], [], [the], [a], [house], [book]]


def test_a_file_has_a_line_for_each_source_piece_and_one_for_all(run_copy: Path, tokenizers: Tokenizers) -> None:
    write_shortlist(run_copy / "shortlist.txt", run_copy / "data" / "train", tokenizers)
    lines = (run_copy / "shortlist.txt").read_text("utf-8").splitlines()
    table = {piece: row.split(" ") for piece, _, row in (line.partition("\t") for line in lines)}
    assert len(table) == len(lines)
    assert set(table) - {""} <= set(tokenizers.source.vocabulary())
    _, target = (TokenRows(run_copy / "data" / "train", side) for side in ("source", "target"))
    used = set(tokenizers.target.pieces(set(target.ids.tolist())))
    listed = {piece for row in table.values() for piece in row}
    assert used <= listed <= set(tokenizers.target.vocabulary())
    assert {f"<0x{byte:02X}>" for byte in range(256)} <= set(table[""])


def test_a_sample_is_as_large_as_may_be_and_has_the_rare_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortlist, "_BLOCK", 100)
    monkeypatch.setattr(shortlist, "_BLOCKS", 30)
    random = np.random.default_rng(2)
    pairs: Pairs = [(random.permutation([4, 4, 5]).tolist(), [4, 5]) for _ in range(3000)]
    pairs[1450:1450] = [([4, 6], [7]), ([5, 8], [9])]
    pairs[250:250] = [([4, 7], [8])] * 10
    sides = rows(tmp_path, pairs)
    read = {row for start in range(0, len(pairs), 200) for row in range(start, min(start + 100, len(pairs)))}
    assert set(shortlist._sample(*sides).tolist()) == read
    for links in (600, 3000):
        monkeypatch.setattr(shortlist, "_LINKS", links)
        sample = shortlist._sample(*sides)
        assert set(sample.tolist()) <= read
        tokens = Counter(token for row in sample for token in pairs[row][0])
        assert tokens[6] == tokens[8] == 1
        assert sum(len(pairs[row][0]) * len(pairs[row][1]) for row in sample) == pytest.approx(links, rel=0.2)


def test_what_is_in_memory_at_once_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    pairs: Pairs = [tuple(random.integers(2, 9, random.integers(1, 6)).tolist() for _ in "st") for _ in range(50)]
    sides = rows(tmp_path, pairs)
    together = likely_targets(*sides)
    monkeypatch.setattr(shortlist, "_PART", 20)
    assert len(shortlist._parts(*sides, shortlist._sample(*sides))) > 5
    for one, other in zip(together, likely_targets(*sides), strict=True):
        assert one.tolist() == other.tolist()


def test_frequent_targets_are_counted_in_the_whole_set(tmp_path: Path) -> None:
    _, target = rows(tmp_path, [([4], [9, 3]), ([4], [7, 9, 3]), ([4], [3])])
    assert frequent_targets(target).tolist() == [3, 9, 7]
