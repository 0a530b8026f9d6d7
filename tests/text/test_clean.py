"""Cleaning: each rule drops what it describes and nothing else, and repaired text is the original."""

import os
import random
import sys
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.config.corpus import CleaningConfig
from nmt.errors import NmtError, UsageError
from nmt.text.clean import Cleaner, HeldOut, near_duplicate_key, placeholders
from nmt.text.lengths import LengthFit, fit_lengths
from nmt.text.pair import SentencePair
from nmt.text.repair import normalize_unicode, plain_quotes, repair_encoding
from nmt.text.scripts import script_of, share

HELD_OUT = [("Das ist geheim", "This is secret "), ("", "")]


def rule(
    source: str, target: str, held_out: Iterable[tuple[str, str]] = (), languages: Any = ("de", "en"), **settings: Any
) -> str | None:
    """The rule that drops a pair."""
    cleaner = Cleaner(CleaningConfig(**settings), HeldOut(held_out), None, languages)
    return cleaner.rejected_by(*cleaner.normalize_pair(source, target))


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
def test_each_rule_drops_what_it_describes(source: str, target: str, expected: str | None) -> None:
    assert rule(source, target, HELD_OUT) == expected
    if expected not in (None, "empty"):
        assert rule(source, target, HELD_OUT, clean=False) is None


def test_a_sentence_in_another_script_is_dropped_and_terms_are_not() -> None:
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


def test_text_that_is_certainly_in_another_language_is_dropped() -> None:
    pytest.importorskip("py3langid")
    german = "Dieser Satz ist lang genug, um an ihm die Sprache zu erkennen."
    english = "This sentence is long enough for its language to be known."
    french = "Cette phrase est assez longue pour que sa langue soit reconnue."
    assert rule(german, english, check_languages=True) is None
    assert rule(german, french, check_languages=True) == "wrong language"
    assert rule(french, english, check_languages=True) == "wrong language"
    assert rule("Oui", "Yes", check_languages=True) is None  # too short to identify
    assert rule(german, french) is None
    for languages in ((None, None), ("de", "qq")):
        with pytest.raises(UsageError, match="--check-languages cannot identify"):
            rule(german, french, languages=languages, check_languages=True)


def test_lengths_that_are_unusual_for_the_corpus_are_misaligned() -> None:
    """By hand: c = 1 and a spread of 0.5, so that 100 characters vary by 0.5 * sqrt(105), about 5."""
    cleaner = Cleaner(CleaningConfig(max_deviation=6.0), None, LengthFit(1.0, 0.5))
    assert cleaner.rejected_by("x" * 100, "y" * 130) is None
    assert cleaner.rejected_by("x" * 100, "y" * 131) == "misaligned"
    assert cleaner.rejected_by("x" * 100, "y" * 69) == "misaligned"


def test_the_fit_is_that_of_the_corpus_and_not_of_its_errors() -> None:
    draw = random.Random(1)
    sources = ["x" * draw.randint(5, 200) for _ in range(2000)]
    targets = ["y" * max(1, round(1.3 * len(line) + draw.gauss(0, 1) * len(line) ** 0.5)) for line in sources]
    targets[::10] = ["y" * 900] * 200
    pairs = [SentencePair(source, target, 1) for source, target in zip(sources, targets, strict=True)]
    fit = fit_lengths(pairs)
    assert fit is not None
    assert fit.ratio == pytest.approx(1.3, abs=0.08)
    assert 0.8 < fit.spread < 1.6
    assert fit_lengths(pairs[:50]) is None


# ------------------------------------------------------------------------------------------------------------- repairs


def normalize(text: str, **settings: Any) -> str:
    return Cleaner(CleaningConfig(**settings)).normalize(text)


WORDS = st.text(st.characters(codec="utf-8", categories=("L", "M", "Nd", "P", "S"), max_codepoint=0x2FFFF), max_size=20)


SENTENCES = [
    "Die Bäckerei schließt früher – „leider“!",
    "L’été dernier, nous étions à Nîmes : « ça » coûtait 12 €.",
    "¿Cuándo volverá el niño? ¡Mañana!",
    "Não há razão para preocupação.",
    "Příliš žluťoučký kůň",
    "Bună dimineața, mulțumesc",
    "Это очень простой вопрос.",
    "Πού είναι ο σταθμός;",
    "אני לא יודע",
    "طقس جميل اليوم",
    "आज मौसम अच्छा है",
    "วันนี้อากาศดี",
    "今日はいい天気ですね。",
    "오늘은 날씨가 좋습니다.",
    "Schön 😀 – 20 °C",
]


@pytest.mark.parametrize("text", SENTENCES)
@pytest.mark.parametrize("wrong", ["latin-1", "cp1252"])
def test_text_decoded_with_the_wrong_encoding_is_repaired(text: str, wrong: str) -> None:
    """Python leaves five bytes of Windows-1252 undefined, and such text never arises; in Latin-1 everything does."""
    try:
        broken = text.encode("utf-8").decode(wrong)
    except UnicodeDecodeError:
        return
    assert repair_encoding(f"see: {broken}") == f"see: {text}"


@given(WORDS)
def test_text_is_repaired_only_where_its_bytes_were_those_of_other_text(text: str) -> None:
    repaired = repair_encoding(text)
    assert repaired == text or len(repaired) < len(text)
    assert repair_encoding(repaired) == repaired


@pytest.mark.parametrize("mark", ["“", "”", "…", "»", "\u00a0", "™", " »", "’", "–", "\u00a0!", "\u00a0»"])
@pytest.mark.parametrize(
    "word",
    [
        "Maß",
        "CAFÉ",
        "TÓ",
        "Île",
        "MAÎTRÉ",
        "NOÑ",
        "Ö",
        "HÀ",
        "ÅÄÖ",
        "žluť",
        "Łódź",
        "Привет",
        "Ж",
        "Γεια",
    ],
)
def test_letters_before_punctuation_stay(word: str, mark: str) -> None:
    for text in (word + mark, f"„{word}{mark} x", f"({mark}{word}{mark})"):
        assert repair_encoding(text) == text


@pytest.mark.parametrize(
    "text",
    ["für", "Ärger über Öl", "naïve café", "«Être» à Paris", "łódź", "日本語", "Γειά", "Â", "10 € £5 ©", *SENTENCES],
)
def test_text_decoded_correctly_is_left_alone(text: str) -> None:
    assert repair_encoding(text) == text


@pytest.mark.parametrize(
    ("broken", "text"),
    [("5Â\xa0000 m", "5\xa0000 m"), ("nÃ³ namÅ³", "nó namų"), ("Ã–L, FÃœR", "ÖL, FÜR"), ("æ˜¥å¤\x8f", "春夏")],
)
def test_mojibake_by_itself_is_repaired(broken: str, text: str) -> None:
    assert repair_encoding(broken) == text


@pytest.mark.parametrize("text", ["Это очень простой вопрос.", "На улице холодно"])
def test_cyrillic_decoded_as_windows_1251_is_repaired(text: str) -> None:
    assert repair_encoding(text.encode().decode("cp1251", "replace").replace("\ufffd", "\x98")) == text


@pytest.mark.parametrize("text", ["“AMANHÃ”, disse", "„MANHÃ“", "3×“a”", "«MANHû"])
def test_quotation_marks_that_pair_stay(text: str) -> None:
    assert repair_encoding(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Das Alphabet hat ein “Ê” und ein „Ă“.",
        "Vitamine Â\xa0: deux par jour\xa0; B\xa0!",
        "A IRMÃ\xa0MAIS NOVA\xa0– AMANHÃ\xa0!",
        "OS CAPITÃ² (nota)",
        "A cell of 61.2 Å³ and a face of 15 Å²",
        "Voir MUSÉE CARRÉ† et René†\xa0: absents",
        "CAPITÃ™, AVELÃ” e AMANHÃ– nada",
        "„HLIÐ“ og „SVIÐ“, BLIÐ™ og RAUÐ® 4",
        "4×“a” and 5×„b“, 6×², Ø³ and Ø±0,2",
        "CANAÍ² e AQUÍ¿QUIÉN?",
    ],
)
def test_letters_by_themselves_and_words_in_capitals_stay(text: str) -> None:
    assert repair_encoding(text) == text


def corpora() -> list[Path]:
    """Training files of real corpora, where $NMT_CORPORA names their folder."""
    root = Path(os.environ.get("NMT_CORPORA", ""))
    return sorted(root.glob("softdoc/*/train.*")) + sorted(root.glob("tatoeba/*/train.*")) if root.name else []


@pytest.mark.skipif(not corpora(), reason="NMT_CORPORA names no folder of corpora")
def test_no_line_of_real_corpora_is_repaired() -> None:
    for path in corpora():
        for line in path.read_text(encoding="utf-8").split("\n"):
            assert repair_encoding(line) == line


def test_text_is_normalized() -> None:
    assert normalize(" a\u00a0\t b  ") == "a b"
    assert normalize("u\u0308ber") == "über"
    assert normalize("ﬁn", normal_form="nfkc") == "fin"
    assert normalize("u\u0308ber", normal_form="none") == "u\u0308ber"
    assert normalize("fÃ¼r „uns“") == "für „uns“"
    assert normalize("voilÃ\u00a0 dÃ©jÃ\u00a0") == "voilà déjà"  # the second byte of à is a space in Latin-1
    assert normalize("fÃ¼r „uns“", repair=False, plain_quotes=True) == 'fÃ¼r "uns"'
    assert normalize("  as  it is ", clean=False) == "  as  it is "


@given(st.text(max_size=40))
def test_normalization_is_idempotent(text: str) -> None:
    once = normalize(text, repair=False)
    assert normalize(once, repair=False) == once
    assert unicodedata.is_normalized("NFC", once)


@given(st.text(max_size=30))
def test_near_duplicate_keys_are_idempotent_and_never_empty(text: str) -> None:
    key = near_duplicate_key(text)
    assert near_duplicate_key(key) == key or not text.strip()
    assert bool(key) == bool(text)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("वह खाता है", "वह खाती है"),
        ("मेरा नाम", "मेरी नाम"),
        ("அவன் வந்தான்", "அவள் வந்தாள்"),
        ("ఆమె వచ్చింది", "అతను వచ్చాడు"),
        ("ใกล้", "ไกล"),
        ("ขาว", "ข้าว"),
        ("عِلم", "عَلَم"),
        ("မြန်မာ", "မြန်မီ"),
        ("ភាសា", "ភូសា"),
    ],
)
def test_marks_that_spell_words_tell_sentences_apart(first: str, second: str) -> None:
    assert near_duplicate_key(first) != near_duplicate_key(second)
    assert first not in HeldOut([(second, "x")])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("वह खाता है।", "वह खाता है"),
        ("Kapitel 12: Öl!", "kapitel 3 öl"),
        ("नमस्ते २०", "नमस्ते, ५"),
        ("I ❤\ufe0f you", "I ❤ you"),
        ("snake_case", "snake case"),
        ("«Ёлка» — №7", "ёлка 12"),
    ],
)
def test_near_duplicates_differ_in_case_digits_and_punctuation(first: str, second: str) -> None:
    assert near_duplicate_key(first) == near_duplicate_key(second)
    assert first in HeldOut([(second, "x")])


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


# ---------------------------------------------------------------------------------------------------------- invariants

FORMS = st.text(st.sampled_from("abcABC 12.,!?{}%<>äЖ漢\u00a0\x07\ufffd"), max_size=30)


@given(FORMS, FORMS)
def test_what_is_kept_breaks_no_rule(source: str, target: str) -> None:
    """Each rule written down once more, as its option describes it."""
    cleaner = Cleaner(CleaningConfig(max_ratio=2.0), HeldOut([("abc", "cba")]), None, ("de", "en"))
    pair = cleaner.normalize_pair(source, target)
    if cleaner.rejected_by(*pair) is not None:
        return
    shorter, longer = sorted(map(len, pair))
    assert pair[0] != pair[1]
    assert longer <= 2 * (shorter + 10)
    assert placeholders(pair[0]) == placeholders(pair[1])
    for side in pair:
        assert any(letter.isalpha() for letter in side)
        assert not {"\x07", "\ufffd"} & set(side)
        assert side.strip().lower() not in ("abc", "cba")
        assert 2 * sum(letter in "abcABCä" for letter in side) >= sum(letter.isalpha() for letter in side)


@given(FORMS, FORMS)
def test_rules_do_not_depend_on_which_side_is_the_source(source: str, target: str) -> None:
    cleaner = Cleaner(CleaningConfig(), HeldOut([("abc", "cba")]))
    assert cleaner.rejected_by(source, target) == cleaner.rejected_by(target, source)


@given(st.text())
def test_normalized_text_has_single_spaces_and_nothing_at_its_ends(text: str) -> None:
    assert normalize(text) == " ".join(normalize(text).split(None))
    assert normalize(text, clean=False) == text


SENTENCES = st.lists(st.sampled_from(["rot", "blau", "grün", "Haus"]), min_size=1, max_size=4)


@given(st.lists(SENTENCES, min_size=1, max_size=5), SENTENCES, st.sampled_from([str.upper, str.lower, str.title]))
def test_held_out_sentences_are_found_in_any_spelling_and_no_others(
    held_out: list[list[str]], words: list[str], spelling: Any
) -> None:
    """A test set with other punctuation than the training text still leaks."""
    scored = HeldOut((" ".join(sentence), "x") for sentence in held_out)
    for text in (" ".join(words), "- " + ", ".join(words) + "!"):
        assert (spelling(text) in scored) == (words in held_out)
    assert "" not in scored


def test_numbers_are_alike_in_held_out_sentences_but_signs_alone_are_exact() -> None:
    scored = HeldOut([("Kapitel 12, Teil 3", "..."), ("日本語", "?!")])
    assert "KAPITEL 1: TEIL 24" in scored
    assert "Kapitel eins, Teil 3" not in scored
    assert "..." in scored
    assert "...." not in scored
    assert "日本語。" in scored


def test_pairs_split_off_the_corpus_are_held_out_even_without_cleaning() -> None:
    cleaner = Cleaner(CleaningConfig(clean=False), HeldOut([("a", "b"), ("c", "d")], {("a", "b")}))
    assert cleaner.rejected_by("a", "b") == "held out"
    assert cleaner.rejected_by("a", "x") is None
    assert cleaner.rejected_by("c", "d") is None


def test_language_identification_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(NmtError, match="--check-languages requires an extra package") as caught:
        rule("Guten Morgen", "Good morning", check_languages=True)
    assert caught.value.hint == "pip install 'nmt[langid]'"


@given(st.text())
def test_plain_quotes_keep_letters_and_need_no_second_pass(text: str) -> None:
    plain = plain_quotes(text)
    assert plain_quotes(plain) == plain
    assert not set(plain) & set("‘’‚‛′“”„‟″«»‐‑‒–—―…")
    assert [c for c in plain if c.isalnum()] == [c for c in text if c.isalnum()]


@pytest.mark.parametrize(
    ("form", "expected"), [("nfc", "\u00e9 ﬁ ²"), ("nfkc", "\u00e9 fi 2"), ("none", "e\u0301 ﬁ ²")]
)
def test_normal_forms_are_those_of_unicode(form: str, expected: str) -> None:
    assert normalize_unicode("e\u0301 ﬁ ²", form) == expected


def test_text_broken_many_times_is_repaired() -> None:
    texts = ["für"]
    for _ in range(5):
        texts.append(texts[-1].encode("utf-8").decode("latin-1"))
    assert [repair_encoding(text) for text in texts] == ["für"] * 6
    assert repair_encoding("plain ASCII") == "plain ASCII"
