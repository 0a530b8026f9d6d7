"""Cutting lines that are too long: nothing but white space is lost, and every part fits."""

from hypothesis import given
from hypothesis import strategies as st

from nmt.text.sentences import fit

TEXTS = st.one_of(
    st.text(),
    st.text('ab .!?…。！？"”)\t\u3000\u2028\0', max_size=200),
    st.lists(st.sampled_from(["Eins.", "zwei", "Drei!", " ", "  ", "。", "\r", "x" * 30, "»"])).map("".join),
)


def words(text: str) -> str:
    return "".join(text.split())


@given(TEXTS, st.integers(1, 40))
def test_nothing_but_white_space_is_lost_and_every_part_fits(line: str, size: int) -> None:
    """Other toolkits cut what is behind their longest length, and say nothing."""
    parts = fit(line, lambda part: len(part) <= size)
    assert words("".join(parts)) == words(line)
    assert all(len(part) <= size for part in parts)


@given(TEXTS, st.integers(4, 60))
def test_parts_fit_by_any_measure_of_their_content(line: str, size: int) -> None:
    """Tokens are not characters: here an emoji or a Hangul syllable is as long as its bytes."""
    parts = fit(line, lambda part: len(part.encode(errors="surrogatepass")) <= size)
    assert words("".join(parts)) == words(line)
    assert all(len(part.encode(errors="surrogatepass")) <= size for part in parts)


@given(TEXTS)
def test_a_line_that_fits_is_left_alone(line: str) -> None:
    assert fit(line, lambda part: True) == [line]


def test_it_ends_where_not_even_one_character_fits() -> None:
    assert words("".join(fit("ab c.", lambda part: False))) == "abc."


def test_sentences_are_kept_together_before_words_and_words_before_letters() -> None:
    def at_most(size: int, line: str) -> list[str]:
        return fit(line, lambda part: len(part) <= size)

    assert at_most(20, "Er kam. Sie ging. Es blieb kalt.") == ["Er kam. Sie ging.", "Es blieb kalt."]
    assert at_most(12, 'Er rief: "Halt!" Sie lief.') == ["Er rief:", '"Halt!"', "Sie lief."]
    assert at_most(10, "eins zwei drei vier") == ["eins zwei", "drei vier"]
    assert at_most(4, "今日は。晴れです。") == ["今日は。", "晴れ", "です。"]
    assert at_most(2, "abcd") == ["ab", "cd"]
    assert at_most(9, "3.5 und 4.5 ja") == ["3.5 und", "4.5 ja"]


def test_a_line_of_a_hundred_thousand_characters_is_cut_in_no_time() -> None:
    line = "Ein Satz ist kurz. " * 5000
    calls = 0

    def fits(part: str) -> bool:
        nonlocal calls
        calls += 1
        return len(part) <= 200

    assert words("".join(fit(line, fits))) == words(line)
    assert calls < 20_000
