"""English verb groups: auxiliaries, "do", "not", and what is predicated, with the keys of `alignment.py`."""

from dataclasses import dataclass, field

import english
from alignment import Word, word, words
from lexicon import Verb
from meaning import Clause, Description, Existence, Identity, Modality, NounPhrase, Tense

Words = list[Word]


@dataclass(frozen=True, slots=True)
class Group:
    """A verb group in the pieces that questions and negation move: did | not | (often) | read."""

    auxiliary: Words
    negation: Words
    main: Words


@dataclass(frozen=True, slots=True)
class Head:
    """The word that is made finite, and what follows it unchanged."""

    lemma: str
    keys: tuple[str, ...]
    rest: Words = field(default_factory=list)


def _head(clause: Clause, key: str, agree_with: NounPhrase) -> Head:
    predicate = clause.predicate
    if isinstance(predicate, Description):
        return Head("be", (f"{key}.t",), _description(predicate, key))
    if isinstance(predicate, Identity):
        return Head("be", (f"{key}.t",), _identity(predicate, key, agree_with.is_plural))
    if isinstance(predicate, Existence):
        return Head("have" if predicate is Existence.POSSESSION else "be", (f"{key}.v",))
    return _verb_head(predicate, clause, key)


def _verb_head(verb: Verb, clause: Clause, key: str) -> Head:
    base = [word(verb.english, f"{key}.v")]
    auxiliary = f"{key}.x"
    match clause.modality:
        case Modality.NONE:
            return Head(verb.english, (f"{key}.v",))
        case Modality.PROGRESSIVE:
            return Head("be", (auxiliary,), [word(english.gerund(verb.english), f"{key}.v")])
        case Modality.WISH:
            return Head("want", (auxiliary,), [word("to", auxiliary), *base])
        case Modality.DUTY:
            return Head("have", (auxiliary,), [word("to", auxiliary), *base])
        case Modality.ABILITY:
            if clause.tense is Tense.FUTURE:
                return Head("be", (auxiliary,), [*words("able to", auxiliary), *base])
            return Head("can", (auxiliary,), base)


def _description(description: Description, key: str) -> Words:
    """Return the adjective; what it is compared to comes after the verb group, see `english_realiser`."""
    adjective = description.adjective
    if description.standard is not None:
        *more, compared = english.comparative(adjective.english)
        return [word(part, f"{key}.d", f"{key}.v") for part in (*more, compared)]
    if description.second is not None:
        first = words(f"{adjective.english} but", f"{key}.v1")
        return [*first, word(description.second.english, f"{key}.v")]
    degree = [word(description.degree.english, f"{key}.d")] if description.degree else []
    return [*degree, word(adjective.english, f"{key}.v")]


def _identity(identity: Identity, key: str, is_plural: bool) -> Words:
    if is_plural:
        return [word(english.plural(identity.noun.english), f"{key}.v")]
    return words(f"{english.indefinite_article(identity.noun.english)} {identity.noun.english}", f"{key}.v")


def verb_group(clause: Clause, key: str, agree_with: NounPhrase, *, inverted: bool) -> Group:
    """Make the head finite, with "do" where negation or inversion needs an auxiliary."""
    head = _head(clause, key, agree_with)
    person, is_plural = agree_with.person, agree_with.is_plural
    tense_key, in_past = f"{key}.t", clause.tense is Tense.PAST
    # "There is no" has its negation in the noun phrase.
    negated = clause.negative and clause.predicate is not Existence.THERE
    negation = [word("not", f"{key}.no")] if negated else []
    unchanged = [word(head.lemma, *head.keys), *head.rest]
    if clause.tense is Tense.FUTURE:
        return Group([word("will", tense_key)], negation, unchanged)
    if head.lemma == "be":
        return Group([word(english.be(person, is_plural, in_past), *head.keys, tense_key)], negation, head.rest)
    if head.lemma == "can":
        modal = word("could" if in_past else "can", *head.keys, tense_key)
        return _modal_group(Group([modal], negation, head.rest), inverted)
    if negation or inverted:
        return Group([word(english.finite("do", person, is_plural, in_past), tense_key)], negation, unchanged)
    return Group([], [], [word(english.finite(head.lemma, person, is_plural, in_past), *head.keys), *head.rest])


def _modal_group(group: Group, inverted: bool) -> Group:
    """Write "can not" as one word, unless a subject will stand between the two."""
    if inverted or not group.negation or group.auxiliary[0].text != "can":
        return group
    return Group([Word("cannot", group.auxiliary[0].keys | group.negation[0].keys)], [], group.main)
