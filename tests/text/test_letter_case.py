"""Text in capitals, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.letter_case import fold_case, upper


def capitals(text: str) -> int:
    """A count of tokens for which lower case is cheaper."""
    return 1 + 9 * sum(map(str.isupper, text))


def test_text_in_capitals_becomes_sentences() -> None:
    assert fold_case("CLICK HERE! (NOW.) 2 TIMES", capitals) == "Click here! (Now.) 2 times"
    assert fold_case("CLICK HERE!", lambda text: -capitals(text)) == "CLICK HERE!"
    assert fold_case("GROßE HUNDE", capitals) == "Große hunde"  # as ß has no capital on most keyboards


def test_inline_codes_stay_as_they_are() -> None:
    assert upper("open %s in <b class='x'>the editor</b>") == "OPEN %s IN <b class='x'>THE EDITOR</b>"
    assert fold_case("%d FILES AT https://a.org/b", capitals) == "%d files at https://a.org/b"


def test_a_title_becomes_a_sentence() -> None:
    assert fold_case("The Rise and Fall of the Empire", capitals) == "The rise and fall of the empire"
    assert fold_case("The Rise and Fall of %s Empires", capitals) == "The Rise and Fall of %s Empires"
    assert fold_case("The Rise And Fall", lambda text: 99 - text.count("f")) == "The Rise And Fall"  # hardly fewer


def test_text_in_mixed_case_stays() -> None:
    for text in ("Click HERE", "", "123 %s", "日本語", "iPHONE"):
        assert fold_case(text, capitals) == text


def test_capitals_that_could_not_be_restored_stay() -> None:
    assert fold_case("ISTANBUL'DA", capitals, "tr") == "ISTANBUL'DA"  # ı is the lower case of I
    assert fold_case("GROẞ", capitals) == "GROẞ"  # ß becomes SS


def test_text_that_would_not_change_is_not_counted() -> None:
    for text in ("ein Hund".lower(), "日本語", "한국어 문장.", "A 1"):
        assert fold_case(text, lambda _: pytest.fail("it is encoded for nothing")) == text


@given(st.text())
def test_the_capitals_of_folded_text_are_the_text(text: str) -> None:
    folded = fold_case(text.upper(), capitals)
    assert upper(folded) == text.upper() or folded == text.upper()


def test_long_text_takes_no_time() -> None:
    assert fold_case("! " * 50_000 + "A", capitals).endswith(" A")
