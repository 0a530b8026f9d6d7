"""Drawing sentences of two clauses: and, but, because, if, before, after, in order to, said that."""

import random
from dataclasses import replace

from causes import CAUSES, Cause
from clauses import allowed_tense, core, is_pet_subject, weather_clause, with_adjuncts, wording
from conjugation import Style
from grammar import description, identity
from lexicon import ADJECTIVE_BY_KOREAN, HE, NAMES, SHE, THEY, WE, Noun, Relation, Verb
from meaning import Clause, Description, Link, Modality, NounPhrase, Place, Sentence, Tense
from phrases import TIMES, WEATHER_TIMES, first_person, maybe, person, place, skewed_choice
from verbs import MOTION, SAY, THINK, VERBS

HUMAN = [verb for verb in VERBS if not is_pet_subject(verb)]
RARE = ("build", "raise", "sell", "invite", "take", "leave", "sleep", "get")

CONTRASTED = [verb for verb in HUMAN if not verb.gives and not verb.timed]

# What people do one thing after another.
DAILY = [
    verb for verb in HUMAN if not (verb.stative or verb.involuntary or verb.goals or verb.gives or verb.english in RARE)
]
# What people do at a place they go to for that end.
ERRAND_VERBS = "buy eat drink meet study swim exercise play read watch work rest learn dance walk"
ERRANDS = [verb for verb in DAILY if verb.sites and verb.english in ERRAND_VERBS.split()]


def plain_clause(rng: random.Random, verb: Verb, style: Style, tense: Tense) -> Clause:
    """Draw an affirmative clause without modality, at a given time."""
    tense = allowed_tense(verb, tense)
    clause = replace(core(rng, verb, style), tense=tense, modality=Modality.NONE, negative=False)
    return clause if verb.english == "give" else replace(clause, recipient=None)


def two_verbs(rng: random.Random) -> tuple[Verb, Verb]:
    """Draw two different things to do."""
    first, second = rng.sample(DAILY, 2)
    return (first, second) if first.english != second.english else two_verbs(rng)


def share_a_noun(first: Clause, second: Clause) -> bool:
    """Tell whether two clauses are about the same noun, which reads badly."""
    return bool(_nouns(first) & _nouns(second))


def _nouns(clause: Clause) -> set[str]:
    phrases = [clause.subject, clause.object, clause.companion]
    phrases += [phrase.conjunct for phrase in phrases if phrase is not None]
    return {phrase.head.korean for phrase in phrases if phrase is not None and isinstance(phrase.head, Noun)}


def sequence(rng: random.Random) -> Sentence:
    """어제 민수는 빵을 먹고 커피를 마셨어요."""
    words = wording(rng)
    tense = rng.choice([Tense.PAST, Tense.PAST, Tense.FUTURE])
    first_verb, second_verb = two_verbs(rng)
    first = plain_clause(rng, first_verb, words.style, tense)
    main = plain_clause(rng, second_verb, words.style, tense)
    main = replace(main, subject=None, time=rng.choice(WEATHER_TIMES[tense]) if maybe(rng, 0.4) else None)
    return sequence(rng) if share_a_noun(first, main) else Sentence(main, first, Link.AND, wording=words)


def side_by_side(rng: random.Random) -> Sentence:
    """민수는 책을 읽고 지혜는 음악을 들었어요."""
    words = wording(rng)
    tense = rng.choice([Tense.PAST, Tense.PAST, Tense.FUTURE])
    left, right = (NounPhrase(head=name) for name in rng.sample(NAMES, 2))
    first_verb, second_verb = two_verbs(rng)
    first = replace(plain_clause(rng, first_verb, words.style, tense), subject=left)
    main = replace(plain_clause(rng, second_verb, words.style, tense), subject=right)
    return side_by_side(rng) if share_a_noun(first, main) else Sentence(main, first, Link.AND, wording=words)


def opposition(rng: random.Random) -> Sentence:
    """민수는 커피를 마셨지만 지혜는 차를 마셨어요. 민수는 왔지만 지혜는 안 왔어요."""
    words = wording(rng)
    verb = rng.choice(CONTRASTED)
    tense = Tense.PRESENT if verb.stative and not verb.involuntary else Tense.PAST
    left, right = (NounPhrase(head=name) for name in rng.sample(NAMES, 2))
    first = replace(plain_clause(rng, verb, words.style, tense), subject=left)
    main = replace(plain_clause(rng, verb, words.style, tense), subject=right)
    if (not verb.objects and not verb.goals) or maybe(rng, 0.3):
        bare = NounPhrase(head=first.object.head) if first.object else None
        first = replace(first, object=bare)
        main = replace(first, subject=right, negative=True)
    elif share_a_noun(first, main) or (first.object, first.place) == (main.object, main.place):
        return opposition(rng)
    return (
        opposition(rng)
        if share_a_noun(replace(first, object=None), main)
        else Sentence(main, first, Link.BUT, wording=words)
    )


def someone_spoken_of(rng: random.Random, style: Style) -> NounPhrase:
    """Draw a pronoun, which English can repeat."""
    return NounPhrase(head=rng.choices([first_person(style), WE, HE, SHE, THEY], [5, 3, 3, 3, 1])[0])


def state(cause: Cause) -> Description | None:
    """Return the state of a cause as a predicate; None for the weather."""
    adjective = ADJECTIVE_BY_KOREAN.get(cause.state)
    return Description(adjective) if adjective else None


def effect(rng: random.Random, cause: Cause, style: Style, tense: Tense) -> Clause:
    """Draw what a cause makes one do or keeps one from doing."""
    prevents = bool(cause.cannot) and maybe(rng, 0.45)
    key = rng.choice(cause.cannot if prevents else cause.does)
    verb = rng.choice([verb for verb in HUMAN if verb.key == key and verb.english not in ("see", "ride")])
    clause = plain_clause(rng, verb, style, tense)
    if not verb.goals and maybe(rng, 0.4) and not prevents and verb.sites:
        clause = replace(clause, place=place(rng, _indoors(verb), Relation.SITE, style))
    if not prevents:
        return clause
    object_ = replace(clause.object, count=None) if clause.object is not None else None
    return replace(clause, object=object_, modality=Modality.ABILITY, negative=True)


def _indoors(verb: Verb) -> list[str]:
    return ["private"] if "private" in verb.sites else list(verb.sites)


def because(rng: random.Random) -> Sentence:
    """저는 아파서 학교에 못 갔어요. 비가 와서 민수는 집에서 쉬었어요."""
    return _caused(rng, Link.BECAUSE, Tense.PAST, Tense.PAST)


def conditional(rng: random.Random) -> Sentence:
    """내일 비가 오면 민수는 집에서 쉴 거예요."""
    return _caused(rng, Link.IF, Tense.PRESENT, Tense.FUTURE)


def _caused(rng: random.Random, link: Link, first_tense: Tense, main_tense: Tense) -> Sentence:
    words = replace(wording(rng), topic=True)
    cause = rng.choice(CAUSES)
    description_ = state(cause)
    main = effect(rng, cause, words.style, main_tense)
    if description_ is None:
        first = _weather(rng, cause, first_tense, main_tense)
        return Sentence(main, first, link, wording=words)
    first = Clause(predicate=description_, subject=someone_spoken_of(rng, words.style), tense=first_tense)
    return Sentence(replace(main, subject=None), first, link, wording=words)


def _weather(rng: random.Random, cause: Cause, tense: Tense, main_tense: Tense) -> Clause:
    clause = weather_clause(rng, with_time=False)
    while isinstance(clause.predicate, Verb) and clause.predicate.key != cause.state:
        clause = weather_clause(rng, with_time=False)
    time = rng.choice(WEATHER_TIMES[main_tense]) if maybe(rng, 0.5) else None
    return replace(clause, tense=tense, time=time, modality=Modality.NONE, negative=False)


def before_or_after(rng: random.Random) -> Sentence:
    """민수는 빵을 먹기 전에 커피를 마셨어요."""
    words = wording(rng)
    tense = rng.choice([Tense.PAST, Tense.PAST, Tense.FUTURE])
    first_verb, second_verb = two_verbs(rng)
    main = plain_clause(rng, second_verb, words.style, tense)
    first = replace(plain_clause(rng, first_verb, words.style, tense), subject=None)
    if share_a_noun(first, main):
        return before_or_after(rng)
    return Sentence(main, first, rng.choice([Link.BEFORE, Link.AFTER]), wording=words)


def errand(rng: random.Random) -> Sentence:
    """민수는 책을 사러 서점에 갔어요."""
    words = wording(rng)
    verb = rng.choice(ERRANDS)
    go = rng.choice(MOTION[:2])
    tense = rng.choice([Tense.PAST, Tense.PAST, Tense.FUTURE])
    goal = place(rng, verb.sites, Relation.GOAL, words.style)
    goal = Place(replace(goal.noun, adjective=None), Relation.GOAL)
    main = replace(plain_clause(rng, go, words.style, tense), place=goal)
    main = replace(main, time=rng.choice(TIMES[tense]) if maybe(rng, 0.4) else None)
    first = replace(plain_clause(rng, verb, words.style, tense), subject=None)
    return errand(rng) if share_a_noun(first, main) else Sentence(main, first, Link.TO, wording=words)


def quotation(rng: random.Random) -> Sentence:
    """민수는 지혜가 친절하다고 말했어요."""
    words = replace(wording(rng), topic=True)
    says = maybe(rng, 0.5)
    name = NounPhrase(head=skewed_choice(rng, NAMES))
    speaker = name if maybe(rng, 0.7) else person(rng, words.style)
    verb = rng.choice(HUMAN)
    if maybe(rng, 0.4):
        quoted = rng.choice([description, identity])(rng).main
    else:
        tense = Tense.PAST if says else rng.choice([Tense.PAST, Tense.FUTURE])
        quoted = with_adjuncts(rng, plain_clause(rng, verb, words.style, tense), words.style)
    main = Clause(predicate=SAY if says else THINK, subject=speaker, tense=Tense.PAST if says else Tense.PRESENT)
    if share_a_noun(quoted, main) or quoted.subject is None or quoted.subject.person < 3 or quoted.focus:
        return quotation(rng)
    return Sentence(main, quoted, Link.SAY if says else Link.THINK, wording=words)
