"""Drawing statements of one clause, one function for each construction.

All randomness comes from the generator that is passed in, and every choice is made from a list, so the same seed draws
the same sentences on any machine.
"""

import random
from dataclasses import replace

from causes import CONTRASTS
from clauses import CREATING, action, core, relative_clause, weather_clause, wording
from conjugation import Style
from lexicon import (
    ADJECTIVE_BY_KOREAN,
    ADJECTIVES,
    NAMES,
    NOUNS,
    Adjective,
    Noun,
    Pronoun,
    Relation,
    Verb,
    nouns_tagged,
)
from meaning import (
    Clause,
    Description,
    Determiner,
    Existence,
    Focus,
    Identity,
    Modality,
    NounPhrase,
    Place,
    Sentence,
    Tense,
    Wording,
)
from phrases import (
    DEGREES,
    HOURS,
    TODAY,
    YESTERDAY,
    describing,
    maybe,
    modified,
    person,
    place,
    pronoun,
    skewed_choice,
    time_for,
)
from verbs import TRANSITIVE

SCENES: list[tuple[Relation, tuple[str, ...], tuple[str, ...]]] = [
    (Relation.ON, ("surface",), ("small", "fruit", "gift")),
    (Relation.UNDER, ("surface", "tree"), ("pet", "thrown", "container")),
    (Relation.SITE, ("fridge",), ("fruit", "drink", "dish")),
    (Relation.INSIDE, ("container",), ("small", "fruit")),
    (Relation.SITE, ("room", "home"), ("surface", "machine", "shut", "pet")),
    (Relation.SITE, ("play",), ("animal", "flower", "tree")),
    (Relation.SITE, ("building",), ("common",)),
    (Relation.IN_FRONT, ("landmark",), ("driven", "pedalled", "common", "pet")),
    (Relation.BEHIND, ("landmark",), ("driven", "pedalled", "tree", "pet")),
    (Relation.BESIDE, ("landmark",), ("flower", "driven", "common")),
]


def statement(rng: random.Random) -> Sentence:
    """민수는 어제 도서관에서 책을 읽었어요."""
    words = wording(rng)
    clause = action(rng, words.style)
    if not clause.negative and clause.frequency is None and maybe(rng, 0.08):
        clause = replace(clause, focus=rng.choice(list(Focus)))
    return Sentence(clause, wording=_intending(rng, words, clause))


def _intending(rng: random.Random, words: Wording, clause: Clause) -> Wording:
    """-겠- states one's own will, so it needs a first person who acts."""
    is_first = clause.subject is not None and clause.subject.person == 1
    plain_future = clause.tense is Tense.FUTURE and clause.modality is Modality.NONE and not clause.negative
    voluntary = isinstance(clause.predicate, Verb) and not clause.predicate.involuntary
    fits = is_first and plain_future and voluntary and words.style is not Style.POLITE
    return replace(words, intended=fits and maybe(rng, 0.5))


def weather(rng: random.Random) -> Sentence:
    """어제 비가 왔어요."""
    words = replace(wording(rng), long_negation=True)
    clause = weather_clause(rng, with_time=True)
    forecast = clause.tense is Tense.FUTURE and words.style is Style.FORMAL
    return Sentence(clause, wording=replace(words, intended=forecast and maybe(rng, 0.5)))


def described_noun(rng: random.Random, adjective: Adjective) -> Noun:
    """Draw a noun that fits an adjective."""
    nouns = [noun for noun in [*NAMES, *nouns_tagged(*adjective.tags)] if noun.has(adjective.tags)]
    return skewed_choice(rng, nouns)


PREDICATIVE = [adjective for adjective in ADJECTIVES if adjective.predicative]
COMPARABLE = [adjective for adjective in PREDICATIVE if adjective.comparable]


def described_subject(rng: random.Random, noun: Noun, style: Style) -> NounPhrase:
    """Draw a subject for an adjective: no second adjective, and no count."""
    if noun.has(["person"]) and maybe(rng, 0.25):
        return pronoun(rng, style)
    phrase = modified(rng, noun, style)
    return replace(phrase, adjective=None, count=None)


def description(rng: random.Random) -> Sentence:
    """이 꽃은 아주 예뻐요."""
    words = wording(rng)
    adjective = rng.choice(PREDICATIVE)
    degree = rng.choice(DEGREES) if adjective.comparable and maybe(rng, 0.35) else None
    negative = degree is None and maybe(rng, 0.25)
    tense = Tense.PAST if maybe(rng, 0.25) else Tense.PRESENT
    subject = described_subject(rng, described_noun(rng, adjective), words.style)
    if degree is None and not negative:
        degree = rng.choice(DEGREES) if adjective.comparable and maybe(rng, 0.2) else None
    return Sentence(
        Clause(predicate=Description(adjective, degree), subject=subject, tense=tense, negative=negative), wording=words
    )


def comparison(rng: random.Random) -> Sentence:
    """기차는 버스보다 더 빨라요. 이 가방은 저 가방보다 더 비싸요."""
    words = wording(rng)
    adjective = rng.choice(COMPARABLE)
    noun = described_noun(rng, adjective)
    peers = [peer for peer in nouns_like(noun) if peer.has(adjective.tags)]
    generic = noun.has(["name", "field", "food", "drink", "city", "vehicle"]) and len(peers) > 1
    if generic:
        subject = NounPhrase(head=noun)
        standard = NounPhrase(head=skewed_choice(rng, [peer for peer in peers if peer != noun]))
    elif noun.mass or noun.has(["person"]):
        return comparison(rng)
    else:
        peer = noun if maybe(rng, 0.6) else skewed_choice(rng, peers)
        subject = NounPhrase(head=noun, determiner=Determiner.THIS)
        standard = NounPhrase(head=peer, determiner=Determiner.THAT)
    tense = Tense.PAST if maybe(rng, 0.2) else Tense.PRESENT
    clause = Clause(predicate=Description(adjective, standard=standard), subject=subject, tense=tense)
    return Sentence(clause, wording=words)


def nouns_like(noun: Noun) -> list[Noun]:
    """Return the nouns of the same class, the noun itself included. People and places have narrower classes."""
    depth = 2 if noun.has(["person", "place"]) else 1
    return [other for other in [*NAMES, *NOUNS] if other.tags[:depth] == noun.tags[:depth]]


def contrast(rng: random.Random) -> Sentence:
    """이 가방은 예쁘지만 비싸요."""
    words = replace(wording(rng), topic=True)
    first, second = (ADJECTIVE_BY_KOREAN[korean] for korean in rng.choice(CONTRASTS))
    candidates = [*NAMES, *nouns_tagged(*first.tags)]
    noun = skewed_choice(rng, [noun for noun in candidates if noun.has(first.tags) and noun.has(second.tags)])
    subject = described_subject(rng, noun, words.style)
    return Sentence(
        Clause(predicate=Description(first, second=second), subject=subject, tense=Tense.PRESENT), wording=words
    )


def identity(rng: random.Random) -> Sentence:
    """제 친구는 의사예요."""
    words = replace(wording(rng), topic=maybe(rng, 0.9))
    role = skewed_choice(rng, nouns_tagged("role"))
    subject = person(rng, words.style)
    while isinstance(subject.head, Noun) and (subject.head.has(["role", "young"]) or subject.count is not None):
        subject = person(rng, words.style)
    tense = Tense.PAST if maybe(rng, 0.25) else Tense.PRESENT
    clause = Clause(predicate=Identity(role), subject=subject, tense=tense, negative=maybe(rng, 0.2))
    return Sentence(clause, wording=words)


def scene(rng: random.Random, style: Style) -> tuple[Place, NounPhrase]:
    """Draw where something is."""
    relation, places, things = rng.choice(SCENES)
    where = NounPhrase(head=skewed_choice(rng, nouns_tagged(*places)))
    nouns = [noun for noun in nouns_tagged(*things) if noun != where.head and not noun.has(["offspring"])]
    return Place(where, relation), modified(rng, skewed_choice(rng, nouns), style)


def existence(rng: random.Random) -> Sentence:
    """책상 위에 책 세 권이 있어요."""
    words = replace(wording(rng), topic=False)
    where, what = scene(rng, words.style)
    bare = replace(what, possessor=None, determiner=None)
    negative = maybe(rng, 0.15)
    if negative:
        bare = replace(bare, count=None, plural=False)
    tense = Tense.PAST if maybe(rng, 0.3) else Tense.PRESENT
    clause = Clause(predicate=Existence.THERE, subject=bare, place=where, tense=tense, negative=negative)
    return Sentence(clause, wording=words)


def location(rng: random.Random) -> Sentence:
    """제 가방은 의자 아래에 있어요."""
    words = replace(wording(rng), topic=True)
    where, what = scene(rng, words.style)
    what = replace(what, count=None, adjective=what.adjective if what.plural or what.count is None else None)
    is_person = maybe(rng, 0.3)
    if is_person:
        what, where = (
            person(rng, words.style),
            place(rng, ["building", "play", "home", "city"], Relation.SITE, words.style),
        )
        what = replace(what, count=None, determiner=None)
    tense = Tense.PAST if maybe(rng, 0.3) else Tense.PRESENT
    time = rng.choice([YESTERDAY, TODAY, *HOURS]) if is_person and tense is Tense.PAST and maybe(rng, 0.4) else None
    return Sentence(
        Clause(
            predicate=Existence.LOCATION, subject=what, place=where, tense=tense, time=time, negative=maybe(rng, 0.15)
        ),
        wording=words,
    )


def possession(rng: random.Random) -> Sentence:
    """민수는 고양이 두 마리가 있어요."""
    words = replace(wording(rng), topic=True)
    subject = pronoun(rng, words.style) if maybe(rng, 0.35) else NounPhrase(head=skewed_choice(rng, NAMES))
    noun = skewed_choice(rng, nouns_tagged("own", "pet", "pedalled", "lent", "machine"))
    adjective = rng.choice(describing(noun)) if describing(noun) and maybe(rng, 0.25) else None
    number = min(4, rng.randint(1, 6)) if maybe(rng, 0.6) else None
    negative = number is None and adjective is None and maybe(rng, 0.4)
    object_ = NounPhrase(head=noun, count=number, adjective=adjective)
    tense = Tense.PAST if maybe(rng, 0.2) else Tense.PRESENT
    return Sentence(
        Clause(predicate=Existence.POSSESSION, subject=subject, object=object_, tense=tense, negative=negative),
        wording=words,
    )


def subject_with_relative(rng: random.Random) -> Sentence:
    """어제 책을 산 학생은 친절해요."""
    words = replace(wording(rng), time_first=False)
    sentence = rng.choices([statement, description], [3, 2])[0](rng)
    subject = sentence.main.subject
    if subject is None or isinstance(subject.head, Pronoun) or subject.head.proper or subject.head.mass:
        return subject_with_relative(rng)
    head = NounPhrase(head=subject.head, plural=subject.plural)
    clause = relative_clause(rng, head, words.style, sentence.main)
    if clause is None or clause.predicate == sentence.main.predicate:
        return subject_with_relative(rng)
    main = replace(sentence.main, subject=replace(head, relative=clause), focus=None)
    return Sentence(main, wording=words)


def object_with_relative(rng: random.Random) -> Sentence:
    """저는 지혜가 만든 빵을 먹었어요."""
    words = replace(wording(rng), topic=True, time_first=True, object_first=False)
    verb = rng.choice([verb for verb in TRANSITIVE if verb.subjects == ("person",) and verb.english not in CREATING])
    clause = core(rng, verb, words.style)
    noun = clause.object.head if clause.object is not None else None
    if not isinstance(noun, Noun) or noun.proper or verb.goals:
        return object_with_relative(rng)
    relative = relative_clause(rng, NounPhrase(head=noun), words.style, clause)
    if relative is None or relative.predicate == verb:
        return object_with_relative(rng)
    timed = clause.tense is not Tense.PRESENT and relative.time is None and maybe(rng, 0.5)
    time = time_for(rng, verb, clause.tense) if timed else None
    clause = replace(clause, object=NounPhrase(head=noun, relative=relative), recipient=None, time=time)
    return Sentence(clause, wording=words)
