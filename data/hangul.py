"""Hangul syllable arithmetic, and the particles whose shape depends on it.

A precomposed Hangul syllable is a number: Unicode lays the 11,172 syllables out as lead * 588 + vowel * 28 + final,
counted from U+AC00. Taking that number apart gives the letters (jamo); changing one letter and putting them together
again is all that Korean inflection needs.

>>> decompose("한")
Syllable(lead='ㅎ', vowel='ㅏ', final='ㄴ')
>>> compose(decompose("가")._replace(final="ㅆ"))
'갔'
"""

from typing import NamedTuple

FIRST_SYLLABLE = 0xAC00
LAST_SYLLABLE = 0xD7A3

LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
FINALS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")


class Syllable(NamedTuple):
    """One syllable block as letters; `final` is empty for an open syllable."""

    lead: str
    vowel: str
    final: str


def is_syllable(character: str) -> bool:
    """Tell whether a character is a precomposed Hangul syllable."""
    return FIRST_SYLLABLE <= ord(character) <= LAST_SYLLABLE


def decompose(character: str) -> Syllable:
    """Take a syllable apart.

    >>> decompose("값").final
    'ㅄ'
    """
    if not is_syllable(character):
        raise ValueError(f"not a Hangul syllable: {character!r}")
    offset = ord(character) - FIRST_SYLLABLE
    lead, rest = divmod(offset, len(VOWELS) * len(FINALS))
    vowel, final = divmod(rest, len(FINALS))
    return Syllable(LEADS[lead], VOWELS[vowel], FINALS[final])


def compose(syllable: Syllable) -> str:
    """Put a syllable together: the inverse of `decompose`."""
    lead = LEADS.index(syllable.lead)
    vowel = VOWELS.index(syllable.vowel)
    final = FINALS.index(syllable.final)
    return chr(FIRST_SYLLABLE + (lead * len(VOWELS) + vowel) * len(FINALS) + final)


def final_of(text: str) -> str:
    """Return the final consonant of the last syllable, empty if it is open.

    >>> final_of("책"), final_of("나무")
    ('ㄱ', '')
    """
    return decompose(text[-1]).final


def vowel_of(text: str) -> str:
    """Return the vowel of the last syllable."""
    return decompose(text[-1]).vowel


def with_final(text: str, final: str) -> str:
    """Replace the final consonant of the last syllable.

    >>> with_final("만들", "ㄴ"), with_final("춥", "")
    ('만든', '추')
    """
    return text[:-1] + compose(decompose(text[-1])._replace(final=final))


def with_vowel(text: str, vowel: str) -> str:
    """Replace the vowel of the last syllable.

    >>> with_vowel("마시", "ㅕ")
    '마셔'
    """
    return text[:-1] + compose(decompose(text[-1])._replace(vowel=vowel))


class Particle(NamedTuple):
    """A particle with its two shapes; most particles have only one and use it twice."""

    after_consonant: str
    after_vowel: str
    rieul_is_open: bool = False


TOPIC = Particle("은", "는")
SUBJECT = Particle("이", "가")
OBJECT = Particle("을", "를")
WITH = Particle("과", "와")
# The one particle that treats a final ㄹ like a vowel: 연필로, but 펜으로.
BY = Particle("으로", "로", rieul_is_open=True)
OF = Particle("의", "의")
TO = Particle("에", "에")
AT = Particle("에서", "에서")
TO_PERSON = Particle("에게", "에게")
ALSO = Particle("도", "도")
ONLY = Particle("만", "만")
THAN = Particle("보다", "보다")


def attach(noun: str, particle: Particle) -> str:
    """Write a particle onto a noun in the shape its last syllable asks for.

    >>> attach("학생", TOPIC), attach("의사", TOPIC)
    ('학생은', '의사는')
    >>> attach("버스", BY), attach("지하철", BY), attach("펜", BY)
    ('버스로', '지하철로', '펜으로')
    """
    final = final_of(noun)
    is_open = not final or (final == "ㄹ" and particle.rieul_is_open)
    return noun + (particle.after_vowel if is_open else particle.after_consonant)
