"""Drawing questions, with and without a question word."""

import random
from collections.abc import Callable
from dataclasses import replace

from clauses import core, verb_of, with_adjuncts, wording
from conjugation import Style
from grammar import description, existence, identity, location, scene, statement
from lexicon import (
    YOU,
    Noun,
    Relation,
    Verb,
    nouns_tagged,
)
from meaning import (
    ASKED_COUNT,
    HOW,
    WHAT,
    WHEN,
    WHERE,
    WHO,
    Clause,
    Existence,
    Modality,
    NounPhrase,
    Place,
    Role,
    Sentence,
    Tense,
    Wording,
)
from phrases import (
    maybe,
    skewed_choice,
    weighted,
)
from verbs import AMBIGUOUS_KEYS, GIVING, MOTION, VERBS


def yes_no_question(rng: random.Random) -> Sentence:
    """민수는 책을 읽었어요?"""
    draw = rng.choices([statement, description, identity, existence, location], [12, 4, 2, 2, 2])[0]
    sentence = draw(rng)
    clause = sentence.main
    if clause.subject is not None and clause.subject.person == 1:
        return yes_no_question(rng)
    return _asked(rng, replace(clause, focus=None), None, sentence.wording)


def _asked(rng: random.Random, clause: Clause, role: Role | None, words: Wording) -> Sentence:
    """Ask; in the plain style, often ask "you"."""
    words = replace(words, intended=False)
    is_name = clause.subject is not None and isinstance(clause.subject.head, Noun) and clause.subject.head.proper
    if words.style is Style.PLAIN and is_name and role is not Role.SUBJECT and maybe(rng, 0.6):
        clause = replace(clause, subject=NounPhrase(head=YOU))
    return Sentence(clause, question=True, asked=role, wording=words)


ASKABLE = {Role.SUBJECT: 4, Role.OBJECT: 5, Role.PLACE: 5, Role.TIME: 4, Role.REASON: 3, Role.RECIPIENT: 2,
           Role.COMPANION: 2, Role.MEANS: 2, Role.COUNT: 3}  # fmt: skip


def content_question(rng: random.Random) -> Sentence:
    """민수는 어디에서 책을 샀어요?"""
    words = wording(rng)
    role = weighted(rng, ASKABLE)
    clause = with_adjuncts(rng, core(rng, _verb_for(rng, role), words.style), words.style)
    first_person = clause.subject is not None and clause.subject.person == 1
    counted = clause.subject is not None and clause.subject.count is not None
    if clause.modality in (Modality.DUTY, Modality.ABILITY) or first_person or counted:
        return content_question(rng)
    clause = replace(_with_question_word(rng, clause, role), frequency=None)
    if role is not Role.REASON:
        clause = replace(clause, negative=False)
    if role in (Role.TIME, Role.REASON):
        clause = replace(clause, time=WHEN if role is Role.TIME else clause.time)
    return _asked(rng, clause, role, replace(words, topic=words.topic or role is not Role.SUBJECT))


def _verb_for(rng: random.Random, role: Role) -> Verb:
    """Draw a verb with the place that is asked for."""
    fits: dict[Role, Callable[[Verb], bool]] = {
        Role.SUBJECT: lambda verb: verb.subjects == ("person",),
        Role.OBJECT: lambda verb: bool(verb.objects) and verb.key not in AMBIGUOUS_KEYS,
        Role.PLACE: lambda verb: bool(verb.sites or verb.goals) and verb.goal_preposition in ("to", "in", "at"),
        Role.TIME: lambda verb: not verb.stative,
        Role.RECIPIENT: lambda verb: verb in GIVING,
        Role.COMPANION: lambda verb: verb.social,
        Role.MEANS: lambda verb: verb in MOTION and bool(verb.tools),
        Role.COUNT: lambda verb: (
            verb.english in ("buy", "sell", "read", "eat", "draw", "see", "sing", "borrow", "wash", "drink")
        ),
        Role.REASON: lambda verb: True,
    }
    return rng.choice([verb for verb in VERBS if fits[role](verb)])


def _with_question_word(rng: random.Random, clause: Clause, role: Role) -> Clause:
    verb = verb_of(clause)
    match role:
        case Role.SUBJECT:
            return replace(clause, subject=NounPhrase(head=WHO))
        case Role.OBJECT:
            object_ = clause.object
            is_person = object_ is not None and isinstance(object_.head, Noun) and object_.head.has(["person"])
            return replace(clause, object=NounPhrase(head=WHO if is_person else WHAT))
        case Role.PLACE:
            return replace(clause, place=Place(NounPhrase(head=WHERE), Relation.GOAL if verb.goals else Relation.SITE))
        case Role.RECIPIENT:
            return replace(clause, recipient=NounPhrase(head=WHO))
        case Role.COMPANION:
            return replace(clause, companion=NounPhrase(head=WHO))
        case Role.MEANS:
            return replace(clause, means=HOW, manner=None)
        case Role.COUNT:
            return _count_question(rng, clause, verb)
        case Role.TIME | Role.REASON:
            return clause


def _count_question(rng: random.Random, clause: Clause, verb: Verb) -> Clause:
    tags = [tag for tag in verb.objects if tag != "person"]
    noun = skewed_choice(rng, [noun for noun in nouns_tagged(*tags) if noun.counter is not None])
    return replace(clause, object=NounPhrase(head=noun, count=ASKED_COUNT), manner=None)


def count_of_things(rng: random.Random) -> Sentence:
    """공원에 고양이가 몇 마리 있어요?"""
    words = replace(wording(rng), topic=False)
    where, what = scene(rng, words.style)
    if not isinstance(what.head, Noun) or what.head.counter is None:
        return count_of_things(rng)
    asked = NounPhrase(head=what.head, count=ASKED_COUNT)
    tense = Tense.PAST if maybe(rng, 0.3) else Tense.PRESENT
    clause = Clause(predicate=Existence.THERE, subject=asked, place=where, tense=tense)
    return Sentence(clause, question=True, asked=Role.COUNT, wording=words)
