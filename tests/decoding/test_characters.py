"""The characters that tokens may write, judged by Python's own decoder."""

import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch

from nmt import Translator
from nmt.config.search import SearchConfig
from nmt.decoding.characters import Characters
from nmt.decoding.rules import forbid_characters
from nmt.text.tokenizer import BEGIN, END, PAD, UNKNOWN

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
OTHERS = ["▁der", "▁", "x", "\x07", "▁a\x1b", "ø"]
PIECES = ["<pad>", "<unk>", "<s>", "</s>", *BYTES, *OTHERS]
FIRST = len(PIECES) - len(BYTES) - len(OTHERS)


def spelled(text: str) -> list[int]:
    """The byte pieces of a text."""
    return [FIRST + byte for byte in text.encode()]


def allowed(tokens: list[int], *, empty: bool = False, pieces: list[str] = PIECES) -> list[int]:
    """The tokens that can follow."""
    scores = torch.zeros(1, 1, len(pieces))
    forbid_characters(scores, np.array([[tokens]], dtype=np.int64), Characters(pieces, empty=empty))
    return torch.isfinite(scores[0, 0]).nonzero().flatten().tolist()


@pytest.mark.parametrize("seed", range(40))
def test_byte_pieces_form_utf8_wherever_a_translation_may_end(seed: int) -> None:
    """Random walks over the allowed tokens."""
    draw, characters, tokens = random.Random(seed), Characters(PIECES), list[int]()
    for _ in range(60):
        state = characters.states(np.array([[tokens]], dtype=np.int64))[0, 0]
        following = np.flatnonzero(characters.following[state] >= 0).tolist()
        text = b"".join(bytes([token - FIRST]) if token < FIRST + 256 else b"x" for token in tokens if token >= FIRST)
        if END in following:
            assert not any(unicodedata.category(character) == "Cc" for character in text.decode())
        else:
            assert not text.strip() or text[-1] >= 0x80
        assert following
        rare = [token for token in following if token >= FIRST + 0x80]
        tokens.append(
            draw.choice(rare if rare and draw.random() < 0.7 else [token for token in following if token != END])
        )


@pytest.mark.parametrize("character", "aß€ठ字😀\u00a0\u200d\ud7ff\ue000\U0010ffff")
def test_byte_pieces_can_spell_every_character(character: str) -> None:
    tokens = spelled("b")
    for token in spelled(character):
        assert token in allowed(tokens)
        tokens.append(token)
    assert END in allowed(tokens)


@pytest.mark.parametrize(
    "malformed",
    [
        b"\x80",
        b"\xc0\xaf",
        b"\xe0\x80",
        b"\xed\xa0",
        b"\xf0\x80",
        b"\xf4\x90",
        b"\xf5",
        b"\xff",
        b"\xc3a",
        b"\xe4\xb8b",
    ],
)
def test_no_bytes_that_are_not_utf8_can_be_written(malformed: bytes) -> None:
    """Overlong forms, surrogates, bytes beyond U+10FFFF, characters cut short."""
    tokens = [FIRST + byte for byte in malformed]
    assert tokens[-1] not in allowed([FIRST + ord("b"), *tokens[:-1]])


def test_no_control_character_can_be_written_in_whatever_piece() -> None:
    names = {PIECES[token] for token in allowed(spelled("b"))}
    control = {f"<0x{byte:02X}>" for byte in [*range(0x20), 0x7F]}
    assert not names & {*control, "\x07", "▁a\x1b"}
    assert {"x", "▁der", "ø", "<0x20>", "<0xC2>"} <= names
    assert FIRST + 0x9B not in allowed([*spelled("b"), FIRST + 0xC2])  # CSI of ISO 6429
    assert FIRST + 0xA0 in allowed([*spelled("b"), FIRST + 0xC2])


def test_a_translation_has_at_least_one_character_unless_it_may_be_empty() -> None:
    blank = [PIECES.index("▁"), FIRST + 0x20]
    for tokens in ([], blank, [blank[0]]):
        assert END not in allowed(tokens)
    assert END in allowed([*blank, PIECES.index("x")])
    assert END in allowed([], empty=True)
    assert END in allowed([UNKNOWN])
    assert END not in allowed([PAD]) and END not in allowed([BEGIN])


def test_a_vocabulary_without_byte_pieces_has_no_characters_to_finish() -> None:
    pieces = ["<pad>", "<unk>", "<s>", "</s>", "▁a", "é", "\x00"]
    assert allowed([4], pieces=pieces) == [0, 1, 2, END, 4, 5]


def test_each_hypothesis_of_a_batch_has_its_own_characters() -> None:
    scores = torch.zeros(2, 2, len(PIECES))
    lead, x = FIRST + 0xC3, PIECES.index("x")
    tokens = np.array([[[x, x], [x, lead]], [[x, lead], [lead, FIRST + 0xA9]]])
    forbid_characters(scores, tokens, Characters(PIECES))
    assert torch.isfinite(scores[:, :, END]).tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_character_that_is_cut_is_left_out(cut: int) -> None:
    """At a maximum length, or by an engine that does not know of them."""
    characters, whole = Characters(PIECES), spelled("ab")
    tokens = [*whole, *spelled("😀")[:cut]]
    assert characters.clean("ab" + "\ufffd" * cut, tokens) == "ab"
    assert characters.clean("a\x1bb", [whole[0], FIRST + 0x1B, whole[1]]) == "a b"
    assert characters.clean("\ufffd", spelled("\ufffd")) == "\ufffd"  # which a model may have learned


@pytest.mark.parametrize("options", [{"beam": 4, "n_best": 4}, {"sample": True, "n_best": 4, "temperature": 2.0}])
def test_a_model_of_any_weights_writes_characters(run: Path, options: dict[str, float]) -> None:
    """Random weights prefer byte pieces, of which hardly any row is UTF-8."""
    translator = Translator.load(run / "model", engine="torch", threads=1)
    config = SearchConfig(max_length=16, loop_guard=False, **options)
    lines = ["ich sehe den Hund", "du suche", "Baum", "ich höre heute"]
    for translation in translator.translate(lines, search=config):
        texts = [alternative.text for alternative in translation.alternatives]
        assert not any(character == "\ufffd" or unicodedata.category(character) == "Cc" for character in "".join(texts))
        assert all(text.strip() for text in texts)
        assert len(texts) == 4 if config.sample else len(set(texts)) == len(texts)
