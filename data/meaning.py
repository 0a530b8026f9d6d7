"""What a sentence says, apart from either language: the trees the two realisers turn into words.

The fields of `Wording` are the exception. They are choices only Korean makes, such as the speech level, and the
English realiser never looks at them. That is what makes the English sentence a function of the Korean one.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

from conjugation import Style
from lexicon import Adjective, Adverb, Noun, Pronoun, Relation, Verb


class Tense(Enum):
    """Time of the event."""

    PAST = "past"
    PRESENT = "present"
    FUTURE = "future"


class Modality(Enum):
    """What Korean says with an auxiliary after the verb."""

    NONE = ""
    PROGRESSIVE = "-고 있다"
    WISH = "-고 싶다"
    ABILITY = "-(으)ㄹ 수 있다"
    DUTY = "-아야 하다"


class Determiner(Enum):
    """A word before a noun: Korean and English."""

    THIS = ("이", "this")
    THAT = ("저", "that")
    EVERY = ("모든", "every")


class Focus(Enum):
    """A particle that replaces the subject particle."""

    ALSO = "도"
    ONLY = "만"


class Role(Enum):
    """Places in a clause that a question word can ask for and a relative clause can leave open."""

    SUBJECT = "subject"
    OBJECT = "object"
    RECIPIENT = "recipient"
    COMPANION = "companion"
    PLACE = "place"
    TIME = "time"
    REASON = "reason"
    MEANS = "means"
    COUNT = "count"


class Link(Enum):
    """How the first clause of a sentence is tied to the main one."""

    AND = "-고"
    BUT = "-지만"
    IF = "-(으)면"
    BECAUSE = "-아서"
    BEFORE = "-기 전에"
    AFTER = "-(으)ㄴ 후에"
    TO = "-(으)러"
    SAY = "-다고 말하다"
    THINK = "-다고 생각하다"


@dataclass(frozen=True, slots=True, kw_only=True)
class NounPhrase:
    """A noun with what goes with it. Without plural and count it is bare, and English says "the"."""

    head: Noun | Pronoun
    plural: bool = False
    count: int | None = None
    adjective: Adjective | None = None
    determiner: Determiner | None = None
    possessor: "NounPhrase | None" = None
    relative: "Clause | None" = None
    conjunct: "NounPhrase | None" = None  # A and B

    @property
    def is_bare(self) -> bool:
        """Tell whether nothing stands beside the head."""
        return self == NounPhrase(head=self.head)

    @property
    def person(self) -> int:
        """Grammatical person, for agreement."""
        return self.head.person if isinstance(self.head, Pronoun) else 3

    @property
    def is_plural(self) -> bool:
        """Grammatical number, for agreement."""
        if self.plural or self.conjunct is not None or self.count not in (None, 1):
            return True
        if isinstance(self.head, Pronoun):
            return self.head.is_plural
        return self.head.pair and self.count is None


# Question words stand where their answer would stand; `ASKED_COUNT` stands for 몇, "how many".
WHO = Noun("누구", "who", ("person", "asked"))
WHAT = Noun("무엇", "what", ("asked",))
WHERE = Noun("어디", "where", ("asked",))
HOW = Noun("어떻게", "how", ("asked",))
WHEN = Adverb("언제", "when")
ASKED_COUNT = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A place and where one is with respect to it."""

    noun: NounPhrase
    relation: Relation


@dataclass(frozen=True, slots=True)
class Description:
    """An adjective as predicate, with a degree adverb or what the subject is compared to."""

    adjective: Adjective
    degree: Adverb | None = None
    standard: NounPhrase | None = None
    second: Adjective | None = None  # pretty but expensive


@dataclass(frozen=True, slots=True)
class Identity:
    """A noun as predicate: is a doctor."""

    noun: Noun


class Existence(Enum):
    """The three things 있다 says."""

    THERE = "there is"
    LOCATION = "is somewhere"
    POSSESSION = "has"


Predicate = Verb | Description | Identity | Existence


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A predicate with its arguments and adjuncts. `subject` is None in a clause that shares it or leaves it open."""

    predicate: Predicate
    subject: NounPhrase | None = None
    focus: Focus | None = None
    object: NounPhrase | None = None
    recipient: NounPhrase | None = None
    companion: NounPhrase | None = None
    place: Place | None = None
    means: Noun | None = None
    time: Adverb | None = None
    frequency: Adverb | None = None
    manner: Adverb | None = None
    tense: Tense = Tense.PAST
    modality: Modality = Modality.NONE
    negative: bool = False
    gap: Role | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """Choices that Korean makes and English does not show."""

    style: Style = Style.POLITE
    topic: bool = True  # 은/는 or 이/가
    time_first: bool = False  # 어제 민수는, 민수는 어제
    object_first: bool = False  # the object before place or recipient
    long_negation: bool = False  # 안 가다, 가지 않다
    floating_count: bool = False  # 사과를 세 개, 사과 세 개를
    intended: bool = False  # -겠-, -(으)ㄹ 것이다
    long_variant: bool = False  # 매우 for 아주, 하고 for 와, 때문에 for -아서 and the like


@dataclass(frozen=True, slots=True)
class Sentence:
    """A main clause, possibly with a clause before it, asserted or asked."""

    main: Clause
    first: Clause | None = None
    link: Link | None = None
    question: bool = False
    asked: Role | None = None
    wording: Wording = field(default_factory=Wording)


Combination = tuple[str, str, str]


def combinations(sentence: Sentence) -> Iterator[Combination]:
    """Yield the lexical combinations of a sentence: who does what, what is done to what, what is how.

    These are what the test set holds out. Relative clauses count with their head in the open place.
    """
    subject = sentence.first.subject if sentence.first else None
    if sentence.first is not None:
        yield from _clause_combinations(sentence.first, None)
    shared = subject if sentence.main.subject is None else None
    yield from _clause_combinations(sentence.main, shared)


def _clause_combinations(clause: Clause, shared_subject: NounPhrase | None) -> Iterator[Combination]:
    subject = clause.subject or shared_subject
    for phrase in (clause.subject, clause.object, clause.recipient, clause.companion):
        yield from _phrase_combinations(phrase)
    if clause.place is not None:
        yield from _phrase_combinations(clause.place.noun)
    predicate = clause.predicate
    if isinstance(predicate, Description):
        for adjective in filter(None, (predicate.adjective, predicate.second)):
            yield from (("adjective+noun", adjective.korean, noun) for noun in _heads(subject))
    if isinstance(predicate, Verb):
        yield from (("subject+verb", noun, predicate.key) for noun in _heads(subject))
        yield from (("verb+object", predicate.key, noun) for noun in _heads(clause.object))


def _phrase_combinations(phrase: NounPhrase | None) -> Iterator[Combination]:
    if phrase is None:
        return
    if phrase.adjective is not None:
        yield from (
            ("adjective+noun", phrase.adjective.korean, noun) for noun in _heads(replace(phrase, conjunct=None))
        )
    yield from _phrase_combinations(phrase.possessor)
    yield from _phrase_combinations(phrase.conjunct)
    if phrase.relative is not None:
        yield from _clause_combinations(fill_gap(phrase.relative, NounPhrase(head=phrase.head)), None)


def fill_gap(clause: Clause, head: NounPhrase) -> Clause:
    """Put the head of a relative clause where the clause left it out."""
    if clause.gap is Role.SUBJECT:
        return replace(clause, subject=head)
    return replace(clause, object=head)


def _heads(phrase: NounPhrase | None) -> Iterator[str]:
    while phrase is not None:
        if isinstance(phrase.head, Noun) and not phrase.head.has(["asked"]):
            yield phrase.head.korean
        phrase = phrase.conjunct


def nouns(sentence: Sentence) -> Iterator[Noun]:
    """Yield every noun that a sentence mentions, as often as it does."""
    for clause in filter(None, (sentence.first, sentence.main)):
        yield from _clause_nouns(clause)


def _clause_nouns(clause: Clause) -> Iterator[Noun]:
    phrases = [clause.subject, clause.object, clause.recipient, clause.companion]
    if clause.place is not None:
        phrases.append(clause.place.noun)
    if isinstance(clause.predicate, Description):
        phrases.append(clause.predicate.standard)
    if isinstance(clause.predicate, Identity):
        yield clause.predicate.noun
    for phrase in phrases:
        yield from _phrase_nouns(phrase)


def _phrase_nouns(phrase: NounPhrase | None) -> Iterator[Noun]:
    if phrase is None:
        return
    if isinstance(phrase.head, Noun):
        yield phrase.head
    yield from _phrase_nouns(phrase.possessor)
    yield from _phrase_nouns(phrase.conjunct)
    if phrase.relative is not None:
        yield from _clause_nouns(phrase.relative)


def repeats_itself(sentence: Sentence) -> bool:
    """Tell whether a noun comes up twice, which only a comparison or a contrast may do, and a name never."""
    mentioned = list(nouns(sentence))
    repeated = [noun for noun in mentioned if mentioned.count(noun) > 1]
    comparing = isinstance(sentence.main.predicate, Description) or sentence.link is Link.BUT
    return any(noun.has(["name"]) or not comparing for noun in repeated)
