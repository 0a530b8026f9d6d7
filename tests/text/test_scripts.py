"""Scripts and language codes, compared with the character names of Unicode."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.scripts import base_language, is_language, script_of, share

NAMED = {
    "Latin": "LATIN",
    "Greek": "GREEK",
    "Cyrillic": "CYRILLIC",
    "Armenian": "ARMENIAN",
    "Hebrew": "HEBREW",
    "Arabic": "ARABIC",
    "Devanagari": "DEVANAGARI",
    "Thai": "THAI",
    "Georgian": "GEORGIAN",
    "Ethiopic": "ETHIOPIC",
    "Khmer": "KHMER",
    "Korean": "HANGUL",
    "Chinese": "CJK UNIFIED",
}


RARE = {*range(0x0870, 0x08A0), *range(0x1D00, 0x1DC0), *range(0x2070, 0x2190)}
"""Letters for the orthography of the Quran, phonetic symbols, subscripts and letter-like signs."""


@pytest.mark.parametrize("script", NAMED)
def test_a_script_has_the_letters_that_unicode_names_after_it(script: str) -> None:
    """A range too short would call text in the right script foreign."""
    for code in set(range(0xA000 if script != "Korean" else 0xD800)) - RARE:
        letter = chr(code)
        name = unicodedata.name(letter, "")
        if letter.isalpha() and name.startswith(NAMED[script] + " "):
            assert share(letter, script) == 1.0, name
        elif letter.isalpha() and name.startswith(tuple(f"{other} " for other in NAMED.values())):
            assert share(letter, script) == 0.0, name


LETTERS = st.text(st.sampled_from("abcÄß"), max_size=9), st.text(st.sampled_from("абвЩ"), max_size=9)


@given(*LETTERS, st.text(st.sampled_from(" .,!-0123456789_"), max_size=9))
def test_the_share_counts_letters_and_nothing_else(latin: str, cyrillic: str, signs: str) -> None:
    text = latin + signs + cyrillic
    letters = len(latin) + len(cyrillic)
    assert share(text, "Latin") == (len(latin) / letters if letters else 1.0)
    assert share(text, "Cyrillic") == (len(cyrillic) / letters if letters else 1.0)


@pytest.mark.parametrize(
    ("code", "script"),
    [
        ("DE", "Latin"),
        ("pt_BR", "Latin"),
        ("ja", "Japanese"),
        ("am", "Ethiopic"),
        ("sr", None),
        ("pa", None),
        ("", None),
    ],
)
def test_a_language_has_a_script_only_if_that_is_certain(code: str, script: str | None) -> None:
    assert script_of(code) == script


@given(st.sampled_from(["de", "pt", "zh"]), st.sampled_from(["", "-AT", "_BR", "-Hans-CN"]), st.booleans())
def test_a_language_includes_its_regions_and_no_others(language: str, region: str, upper: bool) -> None:
    code = (language + region).upper() if upper else language + region
    assert base_language(code) == language
    assert is_language(code, language)
    assert is_language(language, code) == (not region)
    assert not is_language(code, "xx")


def test_scripts_are_known_beyond_the_basic_plane() -> None:
    assert share("\U00020000", "Chinese") == share("\U00020000", "Japanese") == 1.0
