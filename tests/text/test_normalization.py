"""The normalization of tokenizers: NFC and white space; whatever else the text has, the model can read and write."""

import unicodedata

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.normalization import composition_rules


@pytest.fixture(scope="module")
def normalizer(tmp_path_factory: pytest.TempPathFactory) -> sentencepiece.SentencePieceNormalizer:
    path = tmp_path_factory.mktemp("rules") / "rules.tsv"
    path.write_text(composition_rules(), encoding="ascii")
    return sentencepiece.SentencePieceNormalizer(rule_tsv=str(path), add_dummy_prefix=False, escape_whitespaces=False)


LETTERS = st.text(
    st.characters(codec="utf-8", categories=("L", "N", "P", "S"), exclude_characters="\u2581"), max_size=20
)


@given(text=LETTERS)
def test_text_in_any_canonical_form_becomes_nfc(normalizer: sentencepiece.SentencePieceNormalizer, text: str) -> None:
    for form in ("NFC", "NFD"):
        assert normalizer.normalize(unicodedata.normalize(form, text)) == unicodedata.normalize("NFC", text)


def test_every_character_that_decomposes_is_composed(normalizer: sentencepiece.SentencePieceNormalizer) -> None:
    for code in (*range(0xC0, 0xD800), *range(0xF900, 0x30000)):
        text = unicodedata.normalize("NFD", chr(code))
        if text != chr(code) and not text.isspace():
            assert normalizer.normalize(text) == unicodedata.normalize("NFC", text), hex(code)


@pytest.mark.parametrize(
    "text",
    [
        "他说：“好，走吧！”",
        "می‌روم",
        "5 m² × ½",
        "①②③",
        "…",
        "ﬂ",
        "™",
        "ก\u200bข",
        "١٢٣",
        "క్ష",
        "👩‍👩‍👧",
        "ＡＢＣ",
        "‏א",
        "a\u00adb",
    ],
)
def test_what_a_model_should_write_survives(normalizer: sentencepiece.SentencePieceNormalizer, text: str) -> None:
    assert normalizer.normalize(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("e\u0323\u0302", "\u1ec7"),
        ("e\u0302\u0323", "\u1ec7"),  # marks in the other order
        ("\u00ea\u0323", "\u1ec7"),  # composed in part
        ("\u1112\u1161\u11ab", "한"),
        ("\ud558\u11ab", "한"),
        ("\u212b \u2126", "Å Ω"),
        ("a\u00a0b\tc\u3000d\u2028e", "a b c d e"),
        ("\ufeffa\u0007b", "ab"),
    ],
)
def test_canonical_spellings_and_white_space(
    normalizer: sentencepiece.SentencePieceNormalizer, text: str, expected: str
) -> None:
    assert normalizer.normalize(text) == expected
