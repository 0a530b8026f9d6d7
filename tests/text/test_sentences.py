"""Splitting lines that are too long: only white space is lost, and every part fits."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.sentences import Part, separate_parts, split_sentences, split_to_fit, writes_without_spaces
from nmt.text.words import casefold_words

TEXTS = st.one_of(
    st.text(),
    st.text('ab .!?…。！？"”)\t\u3000\u2028\0', max_size=200),
    st.lists(st.sampled_from(["Eins.", "zwei", "Drei!", " ", "  ", "。", "\r", "x" * 30, "»"])).map("".join),
)


def words(text: str) -> str:
    return "".join(text.split())


def joined(parts: list[tuple[str, str]]) -> str:
    return "".join(gap + text for gap, text in separate_parts(parts))


def texts(parts: list[Part]) -> str:
    return "".join(part.text for part in parts)


@given(TEXTS, st.integers(1, 40))
def test_nothing_but_white_space_is_lost_and_every_part_fits(line: str, size: int) -> None:
    """Other toolkits silently drop what exceeds their maximum length."""
    parts = split_to_fit(line, lambda part: len(part) <= size)
    assert words(texts(parts)) == words(line)
    assert all(len(part.text) <= size for part in parts)


@given(TEXTS, st.integers(4, 60))
def test_parts_fit_by_any_measure_of_their_content(line: str, size: int) -> None:
    """Tokens are not characters: here an emoji or a Hangul syllable is as long as its bytes."""
    parts = split_to_fit(line, lambda part: len(part.encode(errors="surrogatepass")) <= size)
    assert words(texts(parts)) == words(line)
    assert all(len(part.text.encode(errors="surrogatepass")) <= size for part in parts)


@given(TEXTS)
def test_a_line_that_fits_is_left_alone(line: str) -> None:
    assert [part.text for part in split_to_fit(line, lambda part: True)] == ([line.strip()] if line.strip() else [])


def test_it_ends_where_not_even_one_character_fits() -> None:
    assert words(texts(split_to_fit("ab c.", lambda part: False))) == "abc."


def test_a_line_is_cut_into_sentences_before_words_and_words_before_letters() -> None:
    def at_most(size: int, line: str) -> list[str]:
        return [part.text for part in split_to_fit(line, lambda part: len(part) <= size)]

    assert at_most(20, "Er kam. Sie ging. Es blieb kalt.") == ["Er kam.", "Sie ging.", "Es blieb kalt."]
    assert at_most(30, "Am 24. Mai kam z. B. Herr K. Maier. Er ging.") == [
        "Am 24. Mai kam z. B. Herr K.",
        "Maier.",
        "Er ging.",
    ]
    assert at_most(12, 'Er rief: "Halt!" Sie lief.') == ["Er rief:", '"Halt!"', "Sie lief."]
    assert at_most(10, "eins zwei drei vier") == ["eins zwei", "drei vier"]
    assert at_most(4, "今日は。晴れです。") == ["今日は。", "晴れ", "です。"]
    assert at_most(2, "abcd") == ["ab", "cd"]
    assert at_most(9, "3.5 und 4.5 ja") == ["3.5 und", "4.5 ja"]


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "Prof. Adams left. |Mr. and Mrs. Bell stayed at St. Mary's."),
        ("en", "“Are you sure?” she said. |He nodded."),
        ("en", "“Run!” he cried. |She ran."),
        ("en", "The U.S. Army came. |It left at 5 p.m. on Monday."),
        ("en", "See Fig. 4 and pp. 13–15. |Then stop."),
        ("en", "J. R. R. Tolkien wrote it. |Read it."),
        ("en", "i.e. this one, e.g. that. |Version 2.0.1 is out. |Go to www.test.org now."),
        ("en", "1. Open the window. |2. Close it."),
        ("de", "Das gilt z. B. für Hunde. |Katzen bzw. Kater nicht."),
        ("de-AT", "Dr. Weiß kam am 3. Mai. |Er blieb."),
        ("de", "„Komm!“, rief sie. |Er kam."),
        ("de", "Im 18. Jahrhundert lag es dort. |So war das."),
        ("fr", "M. Martin est là. |Mme Petit aussi."),
        ("fr", "« Pourquoi ? » dit-il. |Elle partit."),
        ("es", "¿Qué hora es? |Son las tres. |¡Vamos!"),
        ("hi", "वह घर गया। |वह सो गई। |क्या तुम आए?"),
        ("bn", "সে গেল। |সে এল।"),
        ("ur", "وہ گھر گیا۔ |وہ سو گئی۔ |کیا تم آئے؟ |ہاں۔"),
        ("fa", "او رفت. |آیا آمد؟ |بله."),
        ("am", "ሄደ። |መጣ።"),
        ("hy", "Նա գնաց։ |Նա մնաց։"),
        ("my", "သူသွားသည်။ |သူမနေသည်။"),
        ("km", "គាត់ទៅ។ |នាងនៅ។"),
        ("zh", "他走了。|她留下了！|为什么？"),
        ("zh", "“你好吗？”他问。|她没说话。"),
        ("ja", "犬が好きです。|「本当ですか？」と彼は言った。|はい。"),
        ("tr", "Dr. Kaya geldi. |Saat 5'te gitti."),
        ("xx", "One. |Two."),
        ("hi", "डॉ. मेहता मिले। |के. आर. गुप्ता नहीं आए।"),
        ("hi", "श्रीमती. राव हँसी। |कीमत रु. 75 है।"),
        ("hi", "वह खुश है. |वह चली गई."),
        ("bn", "ডা. সেন এলেন। |মো. করিম গেলেন।"),
        ("ar", "جاء د. سامي. |ثم سافر أ.د. منصور أمس."),
        ("fa", "آقای م. کریمی رفت. |او ماند."),
        ("he", "פרופ. לוין בא. |הוא הלך."),
        ("fr", "Voici Mlle. Blanc et Mgr. Roche. |Ils partent."),
        ("es", "Hay aprox. 40 perros. |La Srta. Gil y Dña. Rosa ríen."),
        ("de", "Das sind ca. 2,7 Mrd. Tonnen. |Sie lag in der Gartenstr. 9 am Park."),
        ("de", "Friedrich IV. starb früh. |Es kostet 9 Euro zzgl. Porto."),
        ("sv", "Bl.a. Nils sjöng. |Vi såg t.ex. Sverige."),
        ("en", "Approx. 20 dogs barked. |Excl. Mondays, we are open."),
        ("ru", "Это парк им. Пушкина. |Там 3 млн. деревьев. |Акад. Орлов спит."),
        ("pl", "Inż. Kowal przyszedł. |On wyszedł."),
        ("tr", "Doç. Dr. Aksoy güldü. |Gitti."),
        ("cs", "Přišla smrt. |Vlk utekl."),
        ("ko", "네. |갔어요. |응. |알아."),
        ("en", "we met. |they ate. |it rained."),
        ("en", "Stop. |Yes. |Maybe. |Ask Ann. |Then go."),
        ("de", "Er kam an. |Sie ging um. |Ich auch."),
        ("ru", "Мы сказали им. |Они ушли."),
        ("en", "The old engines. |iMac is newer. |O.K. |Go on."),
        ("nl", "Ze sliep. |'s Morgens ging ze weg. |’t Was vroeg."),
        ("fr", "La maison Girard et Cie. vend du vin. |Elle est à St. Julien, 4 bd. Voltaire."),
        ("pl", "Ma ok. 3 tys. mieszkańców. |Kościół pw. św. Anny. |Mówi dr hab. Lis."),
        ("ru", "Толстой род. в Ясной Поляне. |Он жил на Ул. Мира."),
        ("el", "Ήρθε χθες, δηλ. την Τρίτη. |Έφυγε."),
        ("tr", "Elma, armut vb. meyveler aldı. |Gitti."),
        ("hu", "Született 1990. június 5. napján. |Él."),
        ("hr", "Bilo je to 1990. godine. |Kraj."),
        ("it", "Cfr. op. cit. nota 4. |Fine."),
        ("my", "မင်္ဂလာပါ၊ နေကောင်းလား။ |ကောင်းတယ်။"),
        ("vi", "GS. Lan đến. |Cô ấy cười."),
    ],
)
def test_sentences_end_as_readers_of_the_language_see_it(language: str, line: str) -> None:
    """Where `|` stands."""
    assert split_sentences(line.replace("|", ""), language) == line.split("|")


def test_a_paragraph_of_quotation_marks_takes_no_time() -> None:
    line = "“Why?” he asked. «No.» " * 3_000
    start = time.perf_counter()
    assert "".join(sentences := split_sentences(line)) == line
    assert len(sentences) > 3_000
    assert time.perf_counter() - start < 5


@given(TEXTS, st.sampled_from(["en", "de", "ja", "hi", "xx", ""]))
def test_sentences_joined_are_the_line(line: str, language: str) -> None:
    assert "".join(split_sentences(line, language)) == line


def test_a_line_of_a_hundred_thousand_characters_is_cut_in_no_time() -> None:
    line = "Ein Satz ist kurz. " * 5000
    calls = 0

    def fits(part: str) -> bool:
        nonlocal calls
        calls += 1
        return len(part) <= 200

    assert words(texts(split_to_fit(line, fits))) == words(line)
    assert calls < 20_000


@given(TEXTS)
def test_the_parts_of_a_line_joined_are_the_line(line: str) -> None:
    """White space between sentences is kept; only that at the line's ends goes."""
    parts = split_to_fit(line, lambda part: True, split=True)
    assert (
        "".join(part.gap + part.text for part in parts[:1]).lstrip()
        + "".join(part.gap + part.text for part in parts[1:])
        == line.strip()
    )
    spaced = [(part.gap or "\t" if index else "", part.text) for index, part in enumerate(parts)]
    assert joined(spaced) == "".join(gap + text for gap, text in spaced)


GAPS = st.sampled_from(["", " ", "\t"])


@given(st.lists(st.tuples(GAPS, st.text(st.sampled_from("ab今日。"), min_size=1))))
def test_joined_parts_keep_their_order(parts: list[tuple[str, str]]) -> None:
    assert words(joined(parts)) == "".join(text for _, text in parts)


@given(st.lists(st.tuples(GAPS, st.text(st.sampled_from("ab."), min_size=1))))
def test_joined_words_never_merge(parts: list[tuple[str, str]]) -> None:
    """Without a space, the end of a sentence and the next one would be one word to the next program."""
    assert joined(parts).split() == [text for _, text in parts]


@given(st.lists(st.text(st.sampled_from("今日。"), min_size=1)))
def test_joining_adds_no_space_to_a_script_without_spaces(texts: list[str]) -> None:
    assert joined([("", text) for text in texts]) == "".join(texts)


@pytest.mark.parametrize("character", "aก日한 ")
def test_scripts_without_spaces_are_known(character: str) -> None:
    assert writes_without_spaces(character) == (character in "ก日")


@given(st.lists(st.sampled_from(["Hund", "STRASSE", "straße", "İ", "한국"])), st.sampled_from(" \t\u3000"))
def test_words_are_compared_without_case_and_spacing(texts: list[str], space: str) -> None:
    text = " ".join(texts)
    assert casefold_words(f"{space}{text.replace(' ', 2 * space)}{space}") == casefold_words(text.upper())
    assert casefold_words(text).split() == [word.casefold() for word in texts]
