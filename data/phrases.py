"""Drawing noun phrases and adverbials that fit their clause."""

import random
from collections.abc import Sequence
from functools import cache
from typing import TypeVar

from conjugation import Style
from lexicon import (
    ADJECTIVES,
    COMMON_PEOPLE,
    HE,
    I_PLAIN,
    I_POLITE,
    NAMES,
    NOUNS,
    NUMERALS,
    SHE,
    THEY,
    WE,
    Adjective,
    Adverb,
    Noun,
    Pronoun,
    Relation,
    Verb,
    nouns_tagged,
)
from meaning import Determiner, NounPhrase, Place, Tense

T = TypeVar("T")

YESTERDAY = Adverb("어제", "yesterday")
TOMORROW = Adverb("내일", "tomorrow")
TODAY = Adverb("오늘", "today")
NOW = Adverb("지금", "now")

PARTS_OF_DAY = [
    Adverb("아침에", "in the morning"),
    Adverb("오후에", "in the afternoon"),
    Adverb("저녁에", "in the evening"),
    Adverb("밤에", "at night"),
    Adverb("주말에", "on the weekend"),
]
DAYS = [
    Adverb("월요일에", "on Monday"),
    Adverb("화요일에", "on Tuesday"),
    Adverb("금요일에", "on Friday"),
    Adverb("토요일에", "on Saturday"),
    Adverb("일요일에", "on Sunday"),
]
HOURS = [
    Adverb(f"{korean} 시에", f"at {english} o'clock")
    for korean, english in (NUMERALS[hour] for hour in (6, 7, 8, 9, 2, 3, 4, 5))
]
MORNING_HOURS = HOURS[:3]
LAST_WEEK, NEXT_WEEK = Adverb("지난주에", "last week"), Adverb("다음 주에", "next week")
LAST_YEAR, NEXT_YEAR = Adverb("작년에", "last year"), Adverb("내년에", "next year")

WEATHER_TIMES = {
    Tense.PAST: [YESTERDAY, TODAY, LAST_WEEK, *DAYS, *PARTS_OF_DAY],
    Tense.FUTURE: [TOMORROW, TODAY, NEXT_WEEK, *DAYS, *PARTS_OF_DAY],
    Tense.PRESENT: [NOW],
}
TIMES = {
    Tense.PAST: [YESTERDAY, YESTERDAY, TODAY, LAST_WEEK, *DAYS, *PARTS_OF_DAY, *HOURS],
    Tense.FUTURE: [TOMORROW, TOMORROW, TODAY, NEXT_WEEK, *DAYS, *PARTS_OF_DAY, *HOURS],
    Tense.PRESENT: [*PARTS_OF_DAY, *DAYS],
}
# When one lived somewhere or raised a cat.
LONG_TIMES = {
    Tense.PAST: [LAST_YEAR, LAST_YEAR, LAST_WEEK],
    Tense.FUTURE: [NEXT_YEAR, NEXT_YEAR, NEXT_WEEK],
    Tense.PRESENT: [NOW],
}


def time_for(rng: random.Random, verb: Verb, tense: Tense) -> Adverb:
    """Draw when something is done."""
    return rng.choice((LONG_TIMES if verb.lasting else TIMES)[tense])


FREQUENCIES = [
    Adverb("자주", "often"),
    Adverb("항상", "always"),
    Adverb("가끔", "sometimes"),
    Adverb("매일", "every day"),
    Adverb("보통", "usually"),
]
MANNERS = {
    "fast": Adverb("빨리", "quickly"),
    "slow": Adverb("천천히", "slowly"),
    "quiet": Adverb("조용히", "quietly"),
    "hard": Adverb("열심히", "hard"),
}
DEGREES = [Adverb("아주", "very"), Adverb("매우", "very"), Adverb("정말", "really")]


def skewed_choice(rng: random.Random, items: Sequence[T]) -> T:
    """Choose with early items up to four times as likely as late ones, as some words are more common than others."""
    offset = max(1, len(items) // 3)
    weights = [1 / (offset + rank) for rank in range(len(items))]
    return rng.choices(items, weights)[0]


def weighted(rng: random.Random, weights: dict[T, int]) -> T:
    """Choose a key with its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]


def maybe(rng: random.Random, probability: float) -> bool:
    """Toss a coin."""
    return rng.random() < probability


def count(rng: random.Random, most: int = 10) -> int:
    """Draw a number of things; small numbers are common."""
    return min(most, rng.choices(range(1, 11), [20, 30, 25, 12, 10, 5, 4, 3, 3, 4])[0])


def describing(noun: Noun) -> list[Adjective]:
    """Return the adjectives that stand before a noun."""
    return list(_attributes_of(noun.tags))


@cache
def _attributes_of(tags: tuple[str, ...]) -> tuple[Adjective, ...]:
    return tuple(row for row in ADJECTIVES if row.attributive and not set(row.tags).isdisjoint(tags))


def attribute(rng: random.Random, noun: Noun) -> Adjective | None:
    """Draw an adjective to stand before a noun. Prices fit almost anything, so they are drawn less readily."""
    fitting = describing(noun)
    if not fitting:
        return None
    first = rng.choice(fitting)
    return rng.choice(fitting) if "sold" in first.tags else first


def first_person(style: Style) -> Pronoun:
    """Return the humble "I" in polite speech and the plain one elsewhere."""
    return I_PLAIN if style is Style.PLAIN else I_POLITE


def pronoun(rng: random.Random, style: Style) -> NounPhrase:
    """Draw a pronoun."""
    return NounPhrase(head=rng.choices([first_person(style), WE, HE, SHE, THEY], [5, 3, 2, 2, 1])[0])


def owner(rng: random.Random, style: Style) -> NounPhrase:
    """Draw whose something is."""
    if maybe(rng, 0.5):
        return pronoun(rng, style)
    return NounPhrase(head=skewed_choice(rng, NAMES))


def person(rng: random.Random, style: Style) -> NounPhrase:
    """Draw someone: a name, a pronoun, or a phrase with a common noun."""
    kind = weighted(rng, {"name": 10, "pronoun": 5, "noun": 8, "pair": 2})
    match kind:
        case "name":
            return NounPhrase(head=skewed_choice(rng, NAMES))
        case "pronoun":
            return pronoun(rng, style)
        case "pair":
            first, second = rng.sample(NAMES, 2)
            return NounPhrase(head=first, conjunct=NounPhrase(head=second))
    noun = skewed_choice(rng, COMMON_PEOPLE)
    if not noun.has(["kin"]) and maybe(rng, 0.06):
        return NounPhrase(head=noun, determiner=Determiner.EVERY)
    return modified(rng, noun, style)


def other_person(rng: random.Random, style: Style, *taken: NounPhrase | None) -> NounPhrase:
    """Draw someone who is not yet in the clause, for an object, a recipient or a companion; no pronouns."""
    heads = {phrase.head.korean for phrase in taken if phrase is not None and isinstance(phrase.head, Noun)}
    heads |= {
        phrase.conjunct.head.korean
        for phrase in taken
        if phrase is not None and phrase.conjunct is not None and isinstance(phrase.conjunct.head, Noun)
    }
    if maybe(rng, 0.55):
        return NounPhrase(head=skewed_choice(rng, [name for name in NAMES if name.korean not in heads]))
    return modified(rng, skewed_choice(rng, [noun for noun in COMMON_PEOPLE if noun.korean not in heads]), style)


def modified(rng: random.Random, noun: Noun, style: Style) -> NounPhrase:
    """Draw what goes with a common noun."""
    if noun.proper:
        return NounPhrase(head=noun)
    if noun.has(["offspring"]):
        return NounPhrase(head=noun, possessor=owner(rng, style))
    weights = {"bare": 11, "adjective": 4, "owner": 3, "demonstrative": 2}
    if noun.counter is not None:
        weights["count"] = 5
    if noun.has(["person", "animal"]):
        weights["plural"] = 3
    if noun.mass:
        weights.pop("owner")
        weights.pop("demonstrative")
    return _with_modifier(rng, noun, weighted(rng, weights), style)


def _with_modifier(rng: random.Random, noun: Noun, kind: str, style: Style) -> NounPhrase:
    phrase = NounPhrase(head=noun)
    match kind:
        case "adjective":
            return NounPhrase(head=noun, adjective=attribute(rng, noun)) if describing(noun) else phrase
        case "owner":
            return NounPhrase(head=noun, possessor=owner(rng, style)) if belongs(noun) else phrase
        case "demonstrative":
            return NounPhrase(head=noun, determiner=rng.choice([Determiner.THIS, Determiner.THAT]))
        case "count":
            adjective = attribute(rng, noun) if maybe(rng, 0.25) else None
            return NounPhrase(head=noun, count=count(rng), adjective=adjective)
        case "plural":
            adjective = attribute(rng, noun) if maybe(rng, 0.25) else None
            return NounPhrase(head=noun, plural=True, adjective=adjective)
    return phrase


def belongs(noun: Noun) -> bool:
    """Tell whether one says whose it is: a son, a cat or a bag, but not a tourist, a bus or a river."""
    if noun.has(["person"]):
        return noun.has(["kin"])
    return not noun.has(["boarded", "outdoors", "landmark", "building", "field", "show"]) or noun.has(["home"])


def thing(rng: random.Random, tags: Sequence[str], style: Style, *, pairs: bool = True) -> NounPhrase:
    """Draw a thing with one of the tags, sometimes two together."""
    nouns = nouns_tagged(*tags)
    noun = skewed_choice(rng, nouns)
    if pairs and len(nouns) > 2 and maybe(rng, 0.05):
        other = rng.choice([candidate for candidate in nouns if candidate != noun])
        return NounPhrase(head=noun, conjunct=NounPhrase(head=other))
    return modified(rng, noun, style)


def place_noun(rng: random.Random, tags: Sequence[str], style: Style) -> NounPhrase:
    """Draw a place. Most places stand alone; homes and rooms may have an owner."""
    noun = skewed_choice(rng, nouns_tagged(*tags))
    if noun.proper:
        return NounPhrase(head=noun)
    if noun.has(["home", "private"]) and not noun.has(["outdoors"]) and maybe(rng, 0.25):
        return NounPhrase(head=noun, possessor=owner(rng, style))
    fitting = describing(noun)
    if fitting and maybe(rng, 0.1):
        return NounPhrase(head=noun, adjective=rng.choice(fitting))
    return NounPhrase(head=noun)


def place(rng: random.Random, tags: Sequence[str], relation: Relation, style: Style) -> Place:
    """Draw a place and fix the relation to it."""
    return Place(place_noun(rng, tags, style), relation)


def all_nouns() -> list[Noun]:
    """Return every noun, names first."""
    return [*NAMES, *NOUNS]
