"""Drawing clauses: a verb with arguments that suit it, adjuncts, and relative clauses about a noun."""

import random
from dataclasses import replace

from conjugation import Style
from lexicon import (
    COMMON_PEOPLE,
    NAMES,
    Noun,
    Relation,
    Verb,
    nouns_tagged,
)
from meaning import (
    Clause,
    Modality,
    NounPhrase,
    Role,
    Tense,
    Wording,
)
from phrases import (
    FREQUENCIES,
    MANNERS,
    MORNING_HOURS,
    NOW,
    WEATHER_TIMES,
    maybe,
    modified,
    other_person,
    person,
    place,
    skewed_choice,
    thing,
    time_for,
    weighted,
)
from verbs import GIVING, INTRANSITIVE, MOTION, PLACING, RAIN, SNOW, TRANSITIVE, VERBS


def wording(rng: random.Random) -> Wording:
    """Draw the choices that English does not see."""
    return Wording(
        style=rng.choices([Style.FORMAL, Style.POLITE, Style.PLAIN], [3, 4, 3])[0],
        topic=maybe(rng, 0.75),
        time_first=maybe(rng, 0.5),
        object_first=maybe(rng, 0.15),
        long_negation=maybe(rng, 0.5),
        floating_count=maybe(rng, 0.5),
        long_variant=maybe(rng, 0.4),
    )


# Clauses


def verb_of(clause: Clause) -> Verb:
    """Return the verb of a clause that has one."""
    assert isinstance(clause.predicate, Verb)
    return clause.predicate


def subject_for(rng: random.Random, verb: Verb, style: Style) -> NounPhrase:
    """Draw who can do what the verb says."""
    if verb.subjects == ("person",):
        return person(rng, style)
    nouns = nouns_tagged(*verb.subjects) + (NAMES if "name" in verb.subjects or "person" in verb.subjects else [])
    return modified(rng, skewed_choice(rng, nouns), style)


def is_pet_subject(verb: Verb) -> bool:
    """Tell whether only animals do it; they are not said to want or to have to."""
    return not any(tag in verb.subjects for tag in ("person", "name"))


def object_for(rng: random.Random, verb: Verb, style: Style, subject: NounPhrase | None) -> NounPhrase | None:
    """Draw what the verb is done to."""
    if not verb.objects:
        return None
    if verb.objects[0] == "person" and (len(verb.objects) == 1 or maybe(rng, 0.6)):
        return other_person(rng, style, subject)
    return thing(rng, [tag for tag in verb.objects if tag != "person"], style)


def allowed_tense(verb: Verb, tense: Tense) -> Tense:
    """Correct a tense that the verb is not used in: one knows now, and found or lost something then."""
    if verb.timeless:
        return Tense.PRESENT
    return Tense.PAST if verb.momentary and tense is Tense.PRESENT else tense


def tense_and_modality(rng: random.Random, verb: Verb) -> tuple[Tense, Modality]:
    """Draw when, and whether it is wished, possible, due or going on."""
    tense = weighted(rng, {Tense.PAST: 9, Tense.PRESENT: 10, Tense.FUTURE: 5})
    tense = allowed_tense(verb, tense)
    if verb.timeless:
        return tense, Modality.NONE
    if verb.stative:
        future_fits = not verb.involuntary and verb.english in ("find", "wear")
        present = allowed_tense(verb, Tense.PRESENT)
        return (present if tense is Tense.FUTURE and not future_fits else tense), Modality.NONE
    if verb.involuntary or is_pet_subject(verb):
        return tense, Modality.PROGRESSIVE if tense is not Tense.FUTURE and maybe(rng, 0.4) else Modality.NONE
    modality = weighted(
        rng,
        {Modality.NONE: 12, Modality.PROGRESSIVE: 3, Modality.WISH: 3, Modality.ABILITY: 3, Modality.DUTY: 2},
    )
    if tense is Tense.FUTURE and modality in (Modality.PROGRESSIVE, Modality.WISH):
        modality = Modality.NONE
    if modality is Modality.PROGRESSIVE and verb in MOTION:
        modality = Modality.NONE
    return tense, modality


def core(rng: random.Random, verb: Verb, style: Style) -> Clause:
    """Draw a clause with its arguments only."""
    tense, modality = tense_and_modality(rng, verb)
    subject = subject_for(rng, verb, style)
    object_ = object_for(rng, verb, style, subject)
    recipient = other_person(rng, style, subject) if verb.gives and (verb in GIVING or maybe(rng, 0.4)) else None
    goal = place(rng, verb.goals, Relation.GOAL, style) if verb.goals else None
    if object_ is not None and verb.english in ("buy", "learn"):
        object_ = replace(object_, possessor=None)
    if object_ is not None and verb.single:
        object_ = replace(object_, count=None, conjunct=None)
    negative = maybe(rng, 0.15) and modality is not Modality.DUTY
    if negative and verb.unwilled and tense is not Tense.FUTURE:
        modality = Modality.ABILITY
    return Clause(
        predicate=verb,
        subject=subject,
        object=object_,
        recipient=recipient,
        companion=other_person(rng, style, subject) if verb.mutual else None,
        place=goal,
        time=rng.choice(MORNING_HOURS) if verb.timed else None,
        tense=tense,
        modality=modality,
        negative=negative,
    )


ADJUNCTS = {"time": 8, "site": 6, "manner": 3, "companion": 3, "means": 4, "frequency": 4}


def with_adjuncts(rng: random.Random, clause: Clause, style: Style) -> Clause:
    """Add up to two adjuncts, where they fit."""
    for _ in range(rng.choices([0, 1, 2], [3, 5, 3])[0]):
        clause = _with_adjunct(rng, clause, weighted(rng, ADJUNCTS), style)
    return clause


def _with_adjunct(rng: random.Random, clause: Clause, kind: str, style: Style) -> Clause:
    verb = verb_of(clause)
    match kind:
        case "time":
            return _add_time(rng, clause, verb)
        case "site":
            return _add_site(rng, clause, verb, style)
        case "manner":
            return _add_manner(rng, clause, verb)
        case "companion":
            return _add_companion(rng, clause, verb, style)
        case "means":
            return _add_means(rng, clause, verb)
    return _add_frequency(rng, clause, verb)


def _add_time(rng: random.Random, clause: Clause, verb: Verb) -> Clause:
    if clause.frequency is not None or clause.time is not None or (verb.stative and clause.tense is Tense.PRESENT):
        return clause
    if clause.modality is Modality.PROGRESSIVE and clause.tense is Tense.PRESENT:
        return replace(clause, time=NOW)
    return replace(clause, time=time_for(rng, verb, clause.tense))


def _add_site(rng: random.Random, clause: Clause, verb: Verb, style: Style) -> Clause:
    if clause.place is not None or not verb.sites:
        return clause
    return replace(clause, place=place(rng, verb.sites, Relation.SITE, style))


def _add_manner(rng: random.Random, clause: Clause, verb: Verb) -> Clause:
    if not verb.manners or clause.negative or clause.modality is Modality.WISH:
        return clause
    return replace(clause, manner=MANNERS[rng.choice(verb.manners)])


def _add_companion(rng: random.Random, clause: Clause, verb: Verb, style: Style) -> Clause:
    if not verb.social:
        return clause
    return replace(clause, companion=other_person(rng, style, clause.subject, clause.object))


def _add_means(rng: random.Random, clause: Clause, verb: Verb) -> Clause:
    if not verb.tools:
        return clause
    return replace(clause, means=rng.choice(nouns_tagged(*verb.tools)))


def _add_frequency(rng: random.Random, clause: Clause, verb: Verb) -> Clause:
    habitual = clause.modality is Modality.NONE and clause.tense is not Tense.FUTURE
    countable = clause.object is None or clause.object.count is None
    if clause.time is not None or clause.negative or verb.stative or not habitual or not countable:
        return clause
    return replace(clause, frequency=rng.choice(FREQUENCIES))


def choose_verb(rng: random.Random) -> Verb:
    """Draw a verb; transitive ones are the most common."""
    group = weighted(rng, {"transitive": 10, "giving": 3, "placing": 1, "motion": 4, "intransitive": 6})
    groups = {
        "transitive": TRANSITIVE, "giving": GIVING, "placing": PLACING, "motion": MOTION, "intransitive": INTRANSITIVE,
    }  # fmt: skip
    return rng.choice(groups[group])


def action(rng: random.Random, style: Style, verb: Verb | None = None) -> Clause:
    """Draw a full clause with a verb."""
    return with_adjuncts(rng, core(rng, verb or choose_verb(rng), style), style)


def weather_clause(rng: random.Random, *, with_time: bool) -> Clause:
    """Rain or snow."""
    tense = weighted(rng, {Tense.PAST: 4, Tense.PRESENT: 2, Tense.FUTURE: 3})
    modality = Modality.PROGRESSIVE if tense is Tense.PRESENT else Modality.NONE
    time = rng.choice(WEATHER_TIMES[tense]) if with_time else None
    return Clause(
        predicate=rng.choice([RAIN, SNOW]),
        time=time,
        tense=tense,
        modality=modality,
        negative=maybe(rng, 0.15) and modality is Modality.NONE,
    )


def relative_clause(rng: random.Random, head: NounPhrase, style: Style, main: Clause) -> Clause | None:
    """Draw a relative clause about a noun, or None if nothing can be said about it."""
    noun = head.head
    assert isinstance(noun, Noun)
    as_subject = noun.has(["person"]) and maybe(rng, 0.6)
    verbs = [verb for verb in VERBS if verb.subjects == ("person",) if as_subject or noun.has(verb.objects)]
    # What was eaten can be spoken of, but nobody can open or buy it any more.
    verbs = [
        verb for verb in verbs if as_subject or not isinstance(main.predicate, Verb) or verb.english not in CONSUMING
    ]
    if not verbs or noun.has(["offspring"]):
        return None
    clause = core(rng, rng.choice(verbs), style)
    negative = clause.negative and as_subject and not verb_of(clause).unwilled
    clause = replace(clause, modality=Modality.NONE, negative=negative, recipient=None)
    clause = _settled(rng, clause, main.tense)
    if as_subject:
        return replace(clause, subject=None, gap=Role.SUBJECT)
    return replace(clause, subject=_doer(rng, noun), object=None, gap=Role.OBJECT)


CONSUMING = ("eat", "drink")
CREATING = ("write", "make", "draw", "build", "bake", "take", "boil", "grill", "plant")


def _doer(rng: random.Random, head: Noun) -> NounPhrase:
    """Draw the subject of a relative clause, short so that the sentence stays readable."""
    people = [noun for noun in COMMON_PEOPLE if noun != head and not noun.has(["offspring"])]
    return NounPhrase(head=skewed_choice(rng, NAMES if maybe(rng, 0.6) else people))


def goes_on(verb: Verb) -> bool:
    """Tell whether a present relative clause makes sense: the coat she wears, but not the door he opens."""
    return verb.single or verb.lasting or verb.english in ("wait", "teach", "study", "work", "help")


def _settled(rng: random.Random, clause: Clause, main_tense: Tense) -> Clause:
    """Give a relative clause its tense and perhaps a time. It tells of the past unless the main clause allows more."""
    verb = verb_of(clause)
    tense = allowed_tense(verb, Tense.PRESENT if verb.stative else Tense.PAST)
    if not verb.stative and main_tense is not Tense.PAST and verb.english not in CREATING and maybe(rng, 0.25):
        tense = rng.choice([Tense.PRESENT, Tense.FUTURE]) if goes_on(verb) else Tense.FUTURE
    timed = not verb.stative and tense is not Tense.PRESENT and (maybe(rng, 0.4) or verb.timed)
    return replace(clause, tense=tense, time=time_for(rng, verb, tense) if timed and not clause.time else clause.time)
