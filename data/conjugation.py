"""Korean conjugation: stems, endings and the sound changes where they meet.

Every ending belongs to one of three kinds, and each kind asks the stem for a different base:

* endings in a consonant (-고, -지, -는): the bare stem, which loses a final ㄹ before ㄴ, ㅂ, ㅅ;
* endings in (으) (-(으)면, -(으)ㄴ, -(으)ㄹ): `eu_base`;
* endings in 아/어 (-아요, -았-, -아서): `infinitive`.

The irregular classes change the second and the third base only, so three functions cover all of conjugation.
"""

from dataclasses import dataclass
from enum import Enum

from hangul import decompose, final_of, vowel_of, with_final, with_vowel


class Category(Enum):
    """What kind of predicate a stem is; it decides the plain present and the adnominal form."""

    VERB = "verb"
    ADJECTIVE = "adjective"
    EXISTENTIAL = "existential"  # 있다, 없다, 맛있다: 있다 not *있는다, yet 있는 not *있은
    COPULA = "copula"
    TENSED = "tensed"  # a stem that already carries -았- or -겠-


class Irregular(Enum):
    """Irregular classes, named by the letter that changes. ㄹ- and ㅡ-dropping are regular and need no mark."""

    NONE = ""
    BIEUP = "ㅂ"  # 춥다, 추워
    DIGEUT = "ㄷ"  # 듣다, 들어
    SIOT = "ㅅ"  # 짓다, 지어
    REU = "르"  # 모르다, 몰라
    HIEUT = "ㅎ"  # 빨갛다, 빨개
    YEO = "여"  # 하다, 해


class Style(Enum):
    """Speech levels. English does not mark them."""

    FORMAL = "합니다체"
    POLITE = "해요체"
    PLAIN = "한다체"


@dataclass(frozen=True, slots=True)
class Stem:
    """A predicate without 다."""

    text: str
    category: Category = Category.VERB
    irregular: Irregular = Irregular.NONE


def stem_of(dictionary_form: str, category: Category = Category.VERB, irregular: str = "") -> Stem:
    """Read a dictionary form.

    >>> stem_of("춥다", Category.ADJECTIVE, "ㅂ").text
    '춥'
    """
    return Stem(dictionary_form.removesuffix("다"), category, Irregular(irregular))


DO = stem_of("하다", irregular="여")
EXIST = stem_of("있다", Category.EXISTENTIAL)
NOT_EXIST = stem_of("없다", Category.EXISTENTIAL)
WISH = stem_of("싶다", Category.ADJECTIVE)
FAIL = stem_of("못하다", irregular="여")
NOT_BE = stem_of("아니다", Category.COPULA)


def is_bright(text: str) -> bool:
    """Vowel harmony: a last vowel ㅏ or ㅗ takes 아, any other 어."""
    return vowel_of(text) in "ㅏㅗ"


def infinitive(stem: Stem) -> str:
    """Return the base of the 아/어 endings, vowels contracted as in ordinary writing.

    >>> [infinitive(stem_of(form)) for form in ("가다", "먹다", "오다", "마시다", "쓰다", "쉬다")]
    ['가', '먹어', '와', '마셔', '써', '쉬어']
    >>> infinitive(stem_of("돕다", irregular="ㅂ")), infinitive(stem_of("부르다", irregular="르"))
    ('도와', '불러')
    """
    text = stem.text
    match stem.irregular:
        case Irregular.YEO:
            return with_vowel(text, "ㅐ")
        case Irregular.BIEUP:
            # Only the one-syllable 돕- and 곱- keep vowel harmony; all the others take 워.
            return with_final(text, "") + ("와" if text in ("돕", "곱") else "워")
        case Irregular.DIGEUT:
            return with_final(text, "ㄹ") + _harmonic_vowel(text)
        case Irregular.SIOT:
            return with_final(text, "") + _harmonic_vowel(text)
        case Irregular.REU:
            return with_final(text[:-1], "ㄹ") + ("라" if is_bright(text[:-1]) else "러")
        case Irregular.HIEUT:
            vowel = "ㅒ" if vowel_of(text) == "ㅑ" else "ㅐ"
            return with_vowel(with_final(text, ""), vowel)
        case Irregular.NONE:
            return _regular_infinitive(text)


def _harmonic_vowel(text: str) -> str:
    return "아" if is_bright(text) else "어"


# An open stem swallows the vowel of the ending: ㅗ+아, ㅜ+어, ㅣ+어 and ㅚ+어 melt, the others absorb it.
CONTRACTIONS = {"ㅗ": "ㅘ", "ㅜ": "ㅝ", "ㅣ": "ㅕ", "ㅚ": "ㅙ"}
ABSORBING = "ㅏㅓㅐㅔㅕ"


def _regular_infinitive(text: str) -> str:
    _, vowel, final = decompose(text[-1])
    if final:
        # -았- and -겠- end in ㅆ and always take 어: 갔어요, not *갔아요. So do 있- and its compounds.
        return text + ("어" if final == "ㅆ" else _harmonic_vowel(text))
    if vowel in CONTRACTIONS:
        return with_vowel(text, CONTRACTIONS[vowel])
    if vowel in ABSORBING:
        return text
    if vowel == "ㅡ":
        bright = len(text) > 1 and is_bright(text[:-1])
        return with_vowel(text, "ㅏ" if bright else "ㅓ")
    return text + "어"


def eu_base(stem: Stem) -> str:
    """Return the base of the (으) endings. ㄹ counts as open: 만들면, not *만들으면.

    >>> [eu_base(stem_of(form)) for form in ("가다", "먹다", "만들다")]
    ['가', '먹으', '만들']
    >>> eu_base(stem_of("춥다", irregular="ㅂ")), eu_base(stem_of("듣다", irregular="ㄷ"))
    ('추우', '들으')
    """
    text = stem.text
    match stem.irregular:
        case Irregular.BIEUP:
            return with_final(text, "") + "우"
        case Irregular.DIGEUT:
            return with_final(text, "ㄹ") + "으"
        case Irregular.SIOT:
            return with_final(text, "") + "으"
        case Irregular.HIEUT:
            return with_final(text, "")
    return text if final_of(text) in ("", "ㄹ") else text + "으"


def drop_rieul(text: str) -> str:
    """Drop a final ㄹ, as before ㄴ, ㅂ and ㅅ.

    >>> drop_rieul("만들"), drop_rieul("먹")
    ('만드', '먹')
    """
    return with_final(text, "") if final_of(text) == "ㄹ" else text


def before_n(stem: Stem) -> str:
    """Return the bare stem as it stands before an ending in ㄴ."""
    return drop_rieul(stem.text)


def is_open(stem: Stem) -> bool:
    """Tell whether the stem takes the endings of vowel stems, which ㄹ stems share."""
    return final_of(stem.text) in ("", "ㄹ")


def past(stem: Stem) -> Stem:
    """Add the past tense.

    >>> [past(stem_of(form)).text for form in ("보다", "읽다", "주다")]
    ['봤', '읽었', '줬']
    >>> past(NOT_BE).text
    '아니었'
    """
    base = "아니어" if stem == NOT_BE else infinitive(stem)
    return Stem(with_final(base, "ㅆ"), Category.TENSED)


def intended(stem: Stem) -> Stem:
    """Add -겠-, a will or a forecast: 가겠다, 오겠다."""
    return Stem(stem.text + "겠", Category.TENSED)


def adnominal_n(stem: Stem) -> str:
    """Return -(으)ㄴ: past for verbs, present for adjectives.

    >>> adnominal_n(stem_of("만들다")), adnominal_n(stem_of("빨갛다", irregular="ㅎ"))
    ('만든', '빨간')
    """
    return with_final(eu_base(stem), "ㄴ")


def adnominal_present(stem: Stem) -> str:
    """Return -는 for verbs and 있다, -(으)ㄴ for adjectives.

    >>> adnominal_present(stem_of("살다")), adnominal_present(stem_of("크다", Category.ADJECTIVE))
    ('사는', '큰')
    """
    if stem.category in (Category.ADJECTIVE, Category.COPULA):
        return adnominal_n(stem)
    return before_n(stem) + "는"


def adnominal_l(stem: Stem) -> str:
    """Return -(으)ㄹ, the prospective.

    >>> adnominal_l(stem_of("듣다", irregular="ㄷ")), adnominal_l(stem_of("만들다"))
    ('들을', '만들')
    """
    return with_final(eu_base(stem), "ㄹ")


def formal(stem: Stem, question: bool = False) -> str:
    """Return 합니다체.

    >>> formal(stem_of("만들다")), formal(stem_of("읽다")), formal(stem_of("가다"), question=True)
    ('만듭니다', '읽습니다', '갑니까')
    """
    base = with_final(stem.text, "ㅂ") if is_open(stem) else stem.text + "습"
    return base + ("니까" if question else "니다")


def polite(stem: Stem) -> str:
    """Return 해요체, the same for statements and questions.

    >>> polite(stem_of("하얗다", irregular="ㅎ")), polite(NOT_BE)
    ('하얘요', '아니에요')
    """
    if stem.category is Category.COPULA:
        return stem.text + "에요"
    return infinitive(stem) + "요"


def plain(stem: Stem, question: bool = False) -> str:
    """Return 한다체; its questions end in -니.

    >>> plain(stem_of("가다")), plain(stem_of("먹다")), plain(stem_of("알다"))
    ('간다', '먹는다', '안다')
    >>> plain(stem_of("예쁘다", Category.ADJECTIVE)), plain(stem_of("만들다"), question=True)
    ('예쁘다', '만드니')
    """
    if question:
        return before_n(stem) + "니"
    if stem.category is not Category.VERB:
        return stem.text + "다"
    return with_final(stem.text, "ㄴ") + "다" if is_open(stem) else stem.text + "는다"


def finish(stem: Stem, style: Style, question: bool = False) -> str:
    """End a sentence at a speech level."""
    match style:
        case Style.FORMAL:
            return formal(stem, question)
        case Style.POLITE:
            return polite(stem)
        case Style.PLAIN:
            return plain(stem, question)


def copula(noun: str, style: Style, *, in_past: bool = False, question: bool = False) -> str:
    """Write 이다 onto a noun.

    >>> copula("의사", Style.POLITE), copula("학생", Style.POLITE)
    ('의사예요', '학생이에요')
    >>> copula("의사", Style.PLAIN), copula("학생", Style.POLITE, in_past=True)
    ('의사다', '학생이었어요')
    """
    open_noun = not final_of(noun)
    if in_past:
        return finish(Stem(noun + ("였" if open_noun else "이었"), Category.TENSED), style, question)
    match style:
        case Style.FORMAL:
            return noun + ("입니까" if question else "입니다")
        case Style.POLITE:
            return noun + ("예요" if open_noun else "이에요")
        case Style.PLAIN:
            return noun + ("" if open_noun else "이") + ("니" if question else "다")


def future_noun(style: Style, question: bool = False) -> str:
    """Return the second word of -(으)ㄹ 것이다, which speech shortens to 거.

    >>> future_noun(Style.POLITE), future_noun(Style.PLAIN), future_noun(Style.PLAIN, question=True)
    ('거예요', '것이다', '거니')
    """
    colloquial = style is Style.POLITE or (style is Style.PLAIN and question)
    return copula("거" if colloquial else "것", style, question=question)
