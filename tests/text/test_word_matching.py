"""Words in text: whole ones, in any script, case and normal form."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.words import casefold_words, contains_words, separate_words


def matches(text: str, phrase: str) -> bool:
    return contains_words(casefold_words(text), casefold_words(phrase))


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("The ring rings.", "ring"),
        ("A king, a RING", "ring"),
        ("l'orage passe", "orage"),
        ("ice-cream", "ice"),
        ("(ring)", "ring"),
        ("string ring", "ring"),  # at the second place
        ("die Straße", "STRASSE"),
        ("ein  alter\tBaum", "alter Baum"),
        ("木の下に狐がいる", "狐"),
        ("我喜歡茶", "茶"),
        ("ปลาทองว่ายน้ำ", "ปลาทอง"),
        ("यह घर बड़ा है", "घर"),
        ("C++ und Rust", "C++"),
        ("Zürich", "zu\u0308rich"),
        ("Zu\u0308rich", "Zürich"),
        ("바다에서 놀았다", "바다"),  # a particle follows
        ("한국", unicodedata.normalize("NFD", "한국")),
    ],
)
def test_whole_words_match(text: str, phrase: str) -> None:
    assert matches(text, phrase)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("bring strings", "ring"),
        ("ring_tone", "ring"),
        ("ring2", "ring"),
        ("in 2019", "19"),
        ("घरों में", "घर"),  # a vowel sign and a nasal make another word
        ("หมู่", "หมู"),  # a tone mark is a part of its letter
        ("Zu\u0308rich", "Zu"),
        (
            "\u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645",
            "\u0646\u0645\u06cc",
        ),
        ("Baum alter", "alter Baum"),
        ("", "ring"),
    ],
)
def test_parts_of_words_do_not_match(text: str, phrase: str) -> None:
    assert not matches(text, phrase)


@given(st.text())
def test_words_and_what_is_between_them_are_the_text(text: str) -> None:
    assert "".join(separate_words(text)) == text
    assert all(contains_words(text, word) for word in separate_words(text))


@given(st.text(), st.sampled_from(["NFC", "NFD"]))
def test_folding_does_not_depend_on_the_normal_form(text: str, form: str) -> None:
    assert casefold_words(unicodedata.normalize(form, text)) == casefold_words(text)
