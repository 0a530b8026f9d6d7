"""Cleaning blocks: each pair has its outcome, and the tokens of the kept ones survive every process boundary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.corpus import CleaningConfig
from nmt.data.cleaning import BLOCKS, TEXTS, BlockCleaner, CleanedBlock, flat, pack, unpack
from nmt.text.clean import RULES, Cleaner
from nmt.text.tokenizer import END, Tokenizers

side = st.sampled_from(["", "ich sehe", "ich sehe den Hund", "du hörst " * 4, "{0} geht", "12"])
PAIRS = st.lists(st.tuples(side, side), max_size=12)


def rows(ids: np.ndarray, lengths: np.ndarray) -> list[list[int]]:
    """The rows of a flat array, cut by plain Python."""
    cut, start = [], 0
    for length in lengths.tolist():
        cut.append(ids[start : start + length].tolist())
        start += length
    assert start == len(ids)
    return cut


@given(PAIRS, st.integers(4, 30), st.integers(1, 6))
def test_a_block_has_an_outcome_for_each_pair_and_the_tokens_of_those_kept(
    tokenizers: Tokenizers, pairs: list[tuple[str, str]], longest: int, shortest: int
) -> None:
    config = CleaningConfig(max_length=longest, min_length=shortest)
    cleaner = Cleaner(config)
    block = BlockCleaner(cleaner, tokenizers, config)(pairs)
    outcomes, kept = [], []
    for source, target in pairs:
        tokens = [[*tokenizers.source.encode([text.strip()])[0], END] for text in (source, target)]
        rule = cleaner.rejected_by(source.strip(), target.strip())
        if rule is None and max(map(len, tokens)) > longest:
            rule = "too long"
        if rule is None and min(map(len, tokens)) - 1 < shortest:
            rule = "too short"
        outcomes.append(rule or "kept")
        if rule is None:
            kept.append((source.strip(), target.strip(), tokens))
    assert [RULES[rule] for rule in block.rules] == outcomes
    assert rows(block.source, block.source_lengths) == [tokens[0] for _, _, tokens in kept]
    assert rows(block.target, block.target_lengths) == [tokens[1] for _, _, tokens in kept]
    assert len(block.hashes) == len(kept)
    assert len(set(block.hashes.tolist())) == len({pair[:2] for pair in kept})


def block_of(lengths: list[tuple[int, int]], hashes: bool) -> CleanedBlock:
    source, target = (flat([[10 * i + pair[side]] * pair[side] for i, pair in enumerate(lengths)]) for side in (0, 1))
    numbers = np.arange(len(lengths) if hashes else 0, dtype=np.uint64)
    return CleanedBlock(
        np.zeros(len(lengths), dtype=np.uint8), np.asarray([3], dtype=np.uint16), numbers, *source, *target
    )


BLOCK_LENGTHS = st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), max_size=8)


@given(BLOCK_LENGTHS, st.booleans(), st.data())
def test_dropping_pairs_twice_leaves_those_dropped_by_neither(
    lengths: list[tuple[int, int]], hashes: bool, data: st.DataObject
) -> None:
    """The second mask counts only the pairs that the first one left."""
    block = block_of(lengths, hashes)
    first = data.draw(st.lists(st.booleans(), min_size=len(lengths), max_size=len(lengths)))
    left = [i for i, dropped in enumerate(first) if not dropped]
    second = data.draw(st.lists(st.booleans(), min_size=len(left), max_size=len(left)))
    kept = [i for i, dropped in zip(left, second, strict=True) if not dropped]
    result = block.without(np.array(first, dtype=bool), "too long").without(np.array(second, dtype=bool), "duplicate")
    assert [RULES[rule] for rule in result.rules] == [
        "too long" if first[i] else "kept" if i in kept else "duplicate" for i in range(len(lengths))
    ]
    assert rows(result.source, result.source_lengths) == [[10 * i + lengths[i][0]] * lengths[i][0] for i in kept]
    assert rows(result.target, result.target_lengths) == [[10 * i + lengths[i][1]] * lengths[i][1] for i in kept]
    assert result.hashes.tolist() == (kept if hashes else [])
    assert not block.rules.any()


@given(BLOCK_LENGTHS, st.booleans())
def test_a_packed_block_is_the_same_block(lengths: list[tuple[int, int]], hashes: bool) -> None:
    block = block_of(lengths, hashes)
    for copy in (unpack(pack(block)), BLOCKS.unpack(BLOCKS.pack(block))):
        for name, array in block._asdict().items():
            assert getattr(copy, name).dtype == array.dtype
            assert getattr(copy, name).tolist() == array.tolist()


@given(st.lists(st.tuples(*[st.text(st.characters(exclude_characters="\n"))] * 2), min_size=1))
def test_texts_pass_between_processes_unchanged(pairs: list[tuple[str, str]]) -> None:
    """Empty sides, carriage returns and half characters of JSON included."""
    assert TEXTS.unpack(TEXTS.pack(pairs)) == pairs


def test_without_cleaning_only_empty_and_too_long_pairs_are_dropped(tokenizers: Tokenizers) -> None:
    config = CleaningConfig(clean=False, max_length=8, min_length=5)
    pairs = [("a", "a"), ("", "b"), ("b", " "), ("ich " * 20, "b"), ("12", "12"), ("{0}", "%s")]
    block = BlockCleaner(Cleaner(config), tokenizers, config)(pairs)
    assert [RULES[rule] for rule in block.rules] == ["kept", "empty", "empty", "too long", "kept", "kept"]
    assert len(block.hashes) == 0
