"""Cleaning: each rule drops what it says and nothing else, and what is repaired is as it was meant."""

import random
import unicodedata
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config import CleaningConfig
from nmt.errors import UsageError
from nmt.text.clean import Cleaner, HeldOut, folded, placeholders
from nmt.text.lengths import LengthFit, fit_lengths
from nmt.text.pair import SentencePair
from nmt.text.repair import repaired
from nmt.text.scripts import script_of, share

HELD_OUT = [("Das ist geheim", "This is secret "), ("", "")]


def rule(
    source: str, target: str, held_out: Iterable[tuple[str, str]] = (), languages: Any = ("de", "en"), **settings: Any
) -> str | None:
    """What becomes of a pair."""
    sets_apart = HeldOut(SentencePair(*pair, 1) for pair in held_out)
    cleaner = Cleaner(CleaningConfig(**settings), sets_apart, None, languages)
    return cleaner.rule_against(cleaner.regular(source), cleaner.regular(target))


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("Guten Morgen", "Good morning", None),
        ("", "Nothing", "empty"),
        ("Nichts", " \t\u3000", "empty"),
        ("x" * 5, "y" * 136, "ratio"),  # 136 > 9 * (5 + 10)
        ("x" * 5, "y" * 135, None),
        ("x" * 136, "y" * 5, "ratio"),
        ("Das ist geheim", "Secret", "held out"),  # by its source
        ("Etwas anderes", "This is secret", "held out"),  # by its target
        ("DAS IST GEHEIM!", "Secret", "held out"),  # in another spelling
        ("Das ist geheim, sehr", "This is secret, very", None),  # only begins like it
        ("Linux Kernel", "Linux Kernel", "identical"),
        ("ein\ufffdmal", "once", "broken encoding"),
        ("ein\x07mal", "once", "control characters"),
        ("12.04.2020, 15:30", "12/04/2020, 3:30 p.m.", "no words"),
        ("-> 3/4 * 17 = x", "the result is three quarters", "no words"),
        ("Это по-русски", "This is Russian", "wrong script"),
        ("Das ist Griechisch", "Αυτό είναι ελληνικά", "wrong script"),
        ("Öffne {0} für %s", "Open {0} for %s", None),
        ("Öffne {0}", "Open {1}", "placeholders"),
        ("Öffne %s", "Open it", "placeholders"),
        ("%2$s von %1$d in {DATEI}", "%d of %s in {FILE}", None),
        ("<b>fett</b> gedruckt", "<b>bold</b> face", None),
        ("<b>fett</b> gedruckt", "<b>bold face", "placeholders"),
        ("100 % der Fälle, 50%ig", "100% of all cases, 50%", None),  # no placeholders
        ("wenn a < b und b > c", "if a < b", None),
        ("wenn a<b und b>c", "if a<b and b>c", None),  # no tag
        ("%dmal geöffnet", "opened %d times", None),
        ('<a href="x">hier</a><br/>', '<a href="y">here</a><br>', None),
        ("{0:d} von {1}", "{0} of {1}", None),
    ],
)
def test_every_rule_drops_what_it_says(source: str, target: str, expected: str | None) -> None:
    assert rule(source, target, HELD_OUT) == expected
    if expected not in (None, "empty"):
        assert rule(source, target, HELD_OUT, clean=False) is None


def test_a_sentence_in_another_script_is_told_where_terms_are_not() -> None:
    assert rule("Not translated at all", "Not translated at all, alas", languages=("en", "ko")) == "wrong script"
    assert rule("Это не переведено", "Office file", languages=("ru", "ja")) is None


@pytest.mark.parametrize(
    ("pair", "settings"),
    [
        (("Linux", "Linux"), {"keep_identical": True}),
        (("Öffne {0}", "Open it"), {"check_placeholders": False}),
        (("Это", "This"), {"check_scripts": False}),
        (("Это", "This"), {"languages": ("sr", "en")}),  # written in two scripts
        (("Das ist Python 3", "이것은 Python 3"), {"languages": ("de", "ko")}),
        (("Windows 10", "Windows 10"), {"languages": ("en", "ko"), "keep_identical": True}),
        (("%d files in '%s':", "'%s'에 파일%d개:"), {"languages": ("en", "ko")}),
        (("x" * 10, "y" * 300), {"max_ratio": 20.0}),
    ],
)
def test_rules_can_be_turned_off(pair: tuple[str, str], settings: dict[str, Any]) -> None:
    assert rule(*pair, **settings) is None


def test_another_language_is_told_where_it_is_certain() -> None:
    pytest.importorskip("py3langid")
    german = "Dieser Satz ist lang genug, um an ihm die Sprache zu erkennen."
    english = "This sentence is long enough for its language to be known."
    french = "Cette phrase est assez longue pour que sa langue soit reconnue."
    assert rule(german, english, check_languages=True) is None
    assert rule(german, french, check_languages=True) == "wrong language"
    assert rule(french, english, check_languages=True) == "wrong language"
    assert rule("Oui", "Yes", check_languages=True) is None  # too short to tell
    assert rule(german, french) is None
    for languages in ((None, None), ("de", "qq")):
        with pytest.raises(UsageError, match="--check-languages cannot tell"):
            rule(german, french, languages=languages, check_languages=True)


def test_lengths_that_are_unusual_for_the_corpus_are_misaligned() -> None:
    """By hand: c = 1 and a spread of 0.5, so that 100 characters vary by 0.5 * sqrt(105), about 5."""
    cleaner = Cleaner(CleaningConfig(max_deviation=6.0), None, LengthFit(1.0, 0.5))
    assert cleaner.rule_against("x" * 100, "y" * 130) is None
    assert cleaner.rule_against("x" * 100, "y" * 131) == "misaligned"
    assert cleaner.rule_against("x" * 100, "y" * 69) == "misaligned"


def test_the_fit_is_that_of_the_corpus_and_not_of_its_errors() -> None:
    draw = random.Random(1)
    sources = ["x" * draw.randint(5, 200) for _ in range(2000)]
    targets = ["y" * max(1, round(1.3 * len(one) + draw.gauss(0, 1) * len(one) ** 0.5)) for one in sources]
    targets[::10] = ["y" * 900] * 200
    pairs = [SentencePair(source, target, 1) for source, target in zip(sources, targets, strict=True)]
    fit = fit_lengths(pairs)
    assert fit is not None
    assert fit.ratio == pytest.approx(1.3, abs=0.08)
    assert 0.8 < fit.spread < 1.6
    assert fit_lengths(pairs[:50]) is None


# ------------------------------------------------------------------------------------------------------------- repairs


def regular(text: str, **settings: Any) -> str:
    return Cleaner(CleaningConfig(**settings)).regular(text)


WORDS = st.text(st.characters(codec="utf-8", categories=("L", "M", "Nd", "P", "S"), max_codepoint=0x2FFFF), max_size=20)


@given(WORDS)
def test_what_was_read_in_a_wrong_encoding_is_read_again(text: str) -> None:
    for wrong in ("latin-1", "cp1252"):
        try:
            broken = text.encode("utf-8").decode(wrong)
        except UnicodeDecodeError:
            continue
        assert repaired(broken) == repaired(text)


@pytest.mark.parametrize(
    "text", ["für", "Ärger über Öl", "naïve café", "«Être» à Paris", "łódź", "日本語", "Γειά", "Â", "10 € £5 ©"]
)
def test_what_was_read_well_stays(text: str) -> None:
    assert repaired(text) == text


def test_text_is_made_regular() -> None:
    assert regular(" a\u00a0\t b  ") == "a b"
    assert regular("u\u0308ber") == "über"
    assert regular("ﬁn", normal_form="nfkc") == "fin"
    assert regular("u\u0308ber", normal_form="none") == "u\u0308ber"
    assert regular("fÃ¼r „uns“") == "für „uns“"
    assert regular("voilÃ\u00a0 dÃ©jÃ\u00a0") == "voilà déjà"  # the second byte of à is a space in Latin-1
    assert regular("fÃ¼r „uns“", repair=False, plain_quotes=True) == 'fÃ¼r "uns"'
    assert regular("  as  it is ", clean=False) == "  as  it is "


@given(st.text(max_size=40))
def test_regular_text_is_regular(text: str) -> None:
    once = regular(text, repair=False)
    assert regular(once, repair=False) == once
    assert unicodedata.is_normalized("NFC", once)


@given(st.text(max_size=30))
def test_folding_is_stable_and_never_empties(text: str) -> None:
    assert folded(folded(text)) == folded(text) or not text.strip()
    assert bool(folded(text)) == bool(text)


def test_placeholders_are_counted() -> None:
    assert placeholders("%(name)s and %(name)s, ${x}, %1$d, <br/>") == {"%(name)s": 2, "${}": 1, "%d": 1, "<br>": 1}
    assert not placeholders("100 %, 5 % sure, a < b")


@pytest.mark.parametrize(("code", "script"), [("de", "Latin"), ("zh-CN", "Chinese"), ("uk", "Cyrillic"), ("xx", None)])
def test_scripts_are_known_where_they_are_beyond_doubt(code: str, script: str | None) -> None:
    assert script_of(code) == script


def test_the_share_of_a_script_counts_letters_alone() -> None:
    assert share("ひらがなとカタカナと漢字", "Japanese") == 1.0
    assert share("123 -- !", "Greek") == 1.0
    assert share("abcд", "Latin") == 0.75
