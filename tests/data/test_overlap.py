"""Train-test overlap, counted in rows that are written by hand."""

from collections import Counter
from pathlib import Path

import pytest

from nmt.data.cleaning import flat
from nmt.data.overlap import COMMON, Exposure, split_words, training_exposure
from nmt.data.token_store import TokenRowWriter
from nmt.errors import NmtError
from nmt.text.tokenizer import END, Tokenizers

TRAINING = [("ich sehe den Hund.", "I see the dog."), ("du hörst", "you hear"), ("ich höre den Hund", "I hear the dog")]


@pytest.fixture
def data(tmp_path: Path, tokenizers: Tokenizers) -> Path:
    (tmp_path / "train").mkdir()
    for side, (name, tokenizer) in enumerate(zip(("source", "target"), tokenizers, strict=True)):
        with TokenRowWriter(tmp_path / "train", name, len(tokenizer)) as writer:
            writer.add(*flat(tokenizer.encode([pair[side] for pair in TRAINING], end=True)))
    return tmp_path


def test_words_and_sentences_of_both_sides_are_counted(data: Path, tokenizers: Tokenizers) -> None:
    pairs = [("Ich sehe den Baum", "I hear the dog"), ("du  hörst", "you hear!"), ("ich sehe den Hund.", "nothing")]
    calls = list[int]()
    source, target = training_exposure(data, tokenizers, pairs, calls.append)
    assert +source.frequencies == {"ich": 2, "sehe": 1, "den": 2, "du": 1, "hörst": 1, "hund": 2}
    assert +target.frequencies == {"i": 2, "hear": 2, "the": 2, "dog": 2, "you": 1}
    assert source.leaked == [False, True, True]  # spaces are the tokenizer's, case and words are not
    assert target.leaked == [True, False, False]
    assert calls == [3, 3]


def test_an_empty_test_set_has_no_overlap(data: Path, tokenizers: Tokenizers) -> None:
    assert training_exposure(data, tokenizers, [], lambda rows: None) == (Exposure(Counter(), []),) * 2


def test_the_rarest_word_decides() -> None:
    exposure = Exposure(Counter({"the": 90, "dog": 12, "a": 3}), [])
    assert exposure.rarest("The dog!") == 12
    assert exposure.rarest("a dog") == 3
    assert exposure.rarest("the zebra") == 0
    assert exposure.rarest("...") == exposure.rarest("") == COMMON


def test_tokens_of_another_tokenizer_are_refused(data: Path, tokenizers: Tokenizers) -> None:
    with TokenRowWriter(data / "train", "target", 1 << 16) as writer:
        writer.add(*flat([[len(tokenizers.target) + 5, END]]))
    with pytest.raises(NmtError, match="target: tokens beyond the tokenizer's vocabulary") as caught:
        training_exposure(data, tokenizers, TRAINING, lambda rows: None)
    assert caught.value.hint == "run nmt prepare again"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Straße 7b, GROSS", ["strasse", "7b", "gross"]),
        ("집을 본다", ["집을", "본다"]),
        ("ภาษา", ["ภ", "า", "ษ", "า"]),
        ("東京 Tower", ["東", "京", "tower"]),
        ("snake_case", ["snake_case"]),
    ],
)
def test_words_of_any_script(text: str, expected: list[str]) -> None:
    assert split_words(text) == expected
