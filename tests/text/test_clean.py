"""Cleaning: each rule drops what it says, and what was dropped and kept adds up to what was read."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config import PrepareConfig
from nmt.text.clean import Cleaner
from nmt.text.corpus import SentencePair


class Outcome(NamedTuple):
    """Which lines were kept, and how many were dropped by each rule."""

    kept: list[int]
    dropped: dict[str, int]


def numbered(pairs: list[tuple[str, str]]) -> list[SentencePair]:
    return [SentencePair(*pair, line) for line, pair in enumerate(pairs, start=1)]


def clean(pairs: list[tuple[str, str]], held_out: Iterable[tuple[str, str]] = (), **config: Any) -> Outcome:
    cleaner = Cleaner(PrepareConfig(**config), held_out=numbered(list(held_out)))
    return Outcome([pair.line for pair in cleaner.keep(numbered(pairs))], dict(cleaner.dropped))


CORPUS = [
    ("Guten Morgen", "Good morning"),  # 1
    ("", "Nothing"),  # 2 empty
    ("Nichts", " \t\u3000"),  # 3 empty
    ("Guten Morgen", "Good morning"),  # 4 duplicate
    (" Guten Morgen ", "Good morning\r"),  # 5 duplicate but for white space
    ("Guten Morgen", "Hello"),  # 6 another translation is no duplicate
    ("x" * 5, "y" * 136),  # 7 ratio: 136 > 9 * (5 + 10)
    ("x" * 5, "y" * 135),  # 8 the longest that passes
    ("x" * 136, "y" * 5),  # 9 ratio, the other way round
    ("Das ist geheim", "Secret"),  # 10 held out, by its source
    ("Etwas anderes", "This is secret"),  # 11 held out, by its target
    ("Das ist geheim, sehr", "This is secret, very"),  # 12 only begins like a held-out one
]
HELD_OUT = [("Das ist geheim", "This is secret "), ("", "")]


def test_every_rule_drops_what_was_counted_by_hand() -> None:
    found = clean(CORPUS, HELD_OUT)
    assert found.kept == [1, 6, 8, 12]
    assert found.dropped == {"empty": 2, "duplicate": 2, "ratio": 2, "held out": 2}


def test_duplicates_are_kept_on_request() -> None:
    found = clean(CORPUS, HELD_OUT, keep_duplicates=True)
    assert found.kept == [1, 4, 5, 6, 8, 12]
    assert found.dropped == {"empty": 2, "ratio": 2, "held out": 2}


def test_without_cleaning_only_empty_pairs_go() -> None:
    found = clean(CORPUS, HELD_OUT, clean=False)
    assert found.kept == [1, *range(4, 13)]
    assert found.dropped == {"empty": 2}


def test_the_ratio_is_a_setting() -> None:
    pairs = [("x" * 10, "y" * 40), ("x" * 10, "y" * 41)]
    assert clean(pairs, max_ratio=2.0).kept == [1]


def test_swapped_pairs_and_glued_sides_are_no_duplicates() -> None:
    assert clean([("a", "b"), ("b", "a"), ("a b", "c"), ("a", "b c")]).kept == [1, 2, 3, 4]


@pytest.mark.parametrize(("length", "dropped"), [(1, False), (7, False), (8, False), (9, True)])
@pytest.mark.parametrize("side", ["source", "target"])
def test_pairs_with_more_tokens_than_the_maximum_are_too_long(side: str, length: int, dropped: bool) -> None:
    """The help says: drop pairs with a side of more tokens than this; the end of sentence is one of them."""
    cleaner = Cleaner(PrepareConfig(max_length=8))
    rows = ([4] * length, [4]) if side == "source" else ([4], [4] * length)
    assert cleaner.too_long(*rows) is dropped
    assert cleaner.dropped == ({"too long": 1} if dropped else {})


sentences = st.text("ab \t", max_size=30)
corpora = st.lists(st.tuples(sentences, sentences), max_size=30)


@given(corpora, corpora, st.booleans(), st.booleans(), st.floats(1.1, 5))
def test_kept_and_dropped_add_up_to_what_was_read(
    pairs: list[tuple[str, str]], held_out: list[tuple[str, str]], clean_: bool, keep_duplicates: bool, ratio: float
) -> None:
    found = clean(pairs, held_out, clean=clean_, keep_duplicates=keep_duplicates, max_ratio=ratio)
    assert len(found.kept) + sum(found.dropped.values()) == len(pairs)
    assert found.kept == sorted(set(found.kept))
    kept = [tuple(side.strip() for side in pairs[line - 1]) for line in found.kept]
    assert all(source and target for source, target in kept)
    if clean_:
        secret = {side.strip() for pair in held_out for side in pair} - {""}
        assert not [pair for pair in kept if set(pair) & secret]
        if not keep_duplicates:
            assert max(Counter(kept).values(), default=1) == 1
