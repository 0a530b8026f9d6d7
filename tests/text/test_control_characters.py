"""Control characters: found in text and bytes, and shown by pictures instead of reaching a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.control_characters import has_control_bytes, has_controls, visible


@given(st.text())
def test_visible_text_has_no_control_characters_and_is_otherwise_the_same(text: str) -> None:
    """An escape sequence in a translation could rewrite what the terminal shows."""
    shown = visible(text)
    assert len(shown) == len(text)
    for before, after in zip(text, shown, strict=True):
        assert unicodedata.category(after) != "Cc"
        assert after == before or unicodedata.category(before) == "Cc"


@pytest.mark.parametrize(
    ("character", "picture"), [("\0", "␀"), ("\t", "␉"), ("\x1b", "␛"), ("\x7f", "␡"), ("\x9b", "␡")]
)
def test_control_characters_have_their_pictures(character: str, picture: str) -> None:
    assert visible(f"a{character}b") == f"a{picture}b"


@pytest.mark.parametrize("character", ["\0", "\x07", "\x0b", "\r", "\x1b", "\x7f", "\x85", "\ufeff", "\uffff"])
def test_controls_are_found_anywhere(character: str) -> None:
    for text in (character, f"a{character}", f"ü{character}b"):
        assert has_controls(text)


@pytest.mark.parametrize("text", ["", "a b", "a\tb\n", "Grüße", "한국어", "\u00a0", "\u200b", "🙂", "\U0010fffd"])
def test_spaces_and_letters_of_any_script_are_no_controls(text: str) -> None:
    assert not has_controls(text)
    assert not has_control_bytes(text.encode())


@given(st.text(st.characters(max_codepoint=127, exclude_characters="\r")))
def test_bytes_and_text_agree_on_ascii(text: str) -> None:
    """Carriage returns are counted as line ends of Windows, not as controls, before text is decoded."""
    assert has_control_bytes(text.encode()) == has_controls(text)
    assert has_control_bytes(text.encode() + b"\r") == has_controls(text)
