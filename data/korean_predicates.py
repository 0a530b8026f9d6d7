"""Korean predicates, built from the inside out.

The stem comes first, then negation and modality, which each bring a new stem to inflect, as in 먹- → 먹고 싶- →
먹고 싶지 않-, then the tense, then the ending.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import conjugation
from alignment import Word, word, words
from conjugation import DO, EXIST, FAIL, NOT_BE, NOT_EXIST, WISH, Category, Stem
from hangul import SUBJECT, attach
from lexicon import Verb
from meaning import Clause, Description, Identity, Modality, Tense, Wording

Words = list[Word]


@dataclass(frozen=True, slots=True)
class Predicate:
    """A predicate that still waits for its ending: the words before, the stem to inflect, and the keys of its word."""

    before: Words
    stem: Stem
    keys: tuple[str, ...]


def build_predicate(clause: Clause, key: str, wording: Wording) -> Predicate:
    predicate = clause.predicate
    if isinstance(predicate, Verb):
        return _verb(predicate, clause, key, wording)
    if isinstance(predicate, Description):
        return _description(predicate, clause, key, wording)
    if isinstance(predicate, Identity):
        noun = word(attach(predicate.noun.korean, SUBJECT), f"{key}.v")
        return Predicate([noun], NOT_BE, (f"{key}.no",))
    stem = NOT_EXIST if clause.negative else EXIST
    return Predicate([], stem, (f"{key}.v", *([f"{key}.no"] if clause.negative else [])))


def _description(description: Description, clause: Clause, key: str, wording: Wording) -> Predicate:
    stem = description.adjective.stem
    assert stem is not None, "a determiner is no predicate"
    before: Words = []
    if description.standard is not None:
        before = [] if wording.long_variant else [word("더", f"{key}.d")]
    if description.degree is not None:
        before = words(description.degree.korean, f"{key}.d")
    if description.second is not None and description.second.stem is not None:
        before = [word(stem.text + "지만", f"{key}.v1")]
        stem = description.second.stem
    if not clause.negative:
        return Predicate(before, stem, (f"{key}.v",))
    # 안 커요 is natural with short adjectives only.
    short = not wording.long_negation and len(stem.text) <= 2 and stem.category is Category.ADJECTIVE
    return _negated(Predicate(before, stem, (f"{key}.v",)), key, short=short)


def _verb(verb: Verb, clause: Clause, key: str, wording: Wording) -> Predicate:
    base = Predicate(words(verb.before, f"{key}.v"), verb.stem, (f"{key}.v",))
    first_person = clause.subject is None or clause.subject.person < 3
    match clause.modality:
        case Modality.ABILITY:
            return _ability(base, clause.negative, key, wording, verb.compound)
        case Modality.PROGRESSIVE:
            base = _auxiliary(base, base.stem.text + "고", EXIST, key)
        case Modality.DUTY:
            base = _auxiliary(base, conjugation.infinitive(base.stem) + "야", DO, key)
        case Modality.WISH:
            base = _auxiliary(base, base.stem.text + "고", WISH, key)
            if not first_person:
                # One does not look into others: they "show" their wish, 먹고 싶어 하다.
                base = _auxiliary(base, conjugation.infinitive(WISH), DO, key)
        case Modality.NONE:
            if clause.negative and verb.opposite is not None:
                return replace(base, stem=verb.opposite, keys=(f"{key}.v", f"{key}.no"))
    if not clause.negative:
        return base
    short = clause.modality is Modality.NONE and not (wording.long_negation or verb.compound or "가" in verb.before)
    return _negated(base, key, short=short and any(verb.subjects))


def _auxiliary(base: Predicate, form: str, stem: Stem, key: str) -> Predicate:
    """Close the predicate in a connecting form and go on with the stem of an auxiliary."""
    return Predicate([*base.before, word(form, *base.keys)], stem, (f"{key}.x",))


def _negated(base: Predicate, key: str, *, short: bool) -> Predicate:
    if short:
        return replace(base, before=[word("안", f"{key}.no"), *base.before])
    # 않- follows the kind of what it negates: 가지 않는다, but 크지 않다 and 읽고 있지 않다.
    category = Category.VERB if base.stem.category is Category.VERB else Category.ADJECTIVE
    return Predicate([*base.before, word(base.stem.text + "지", *base.keys)], Stem("않", category), (f"{key}.no",))


def _ability(base: Predicate, negative: bool, key: str, wording: Wording, compound: bool) -> Predicate:
    auxiliary, no = f"{key}.x", f"{key}.no"
    if negative and not wording.long_negation and not compound:
        return replace(base, before=[word("못", auxiliary, no), *base.before])
    if negative and wording.long_variant:
        return Predicate([*base.before, word(base.stem.text + "지", *base.keys)], FAIL, (auxiliary, no))
    before = [*base.before, word(conjugation.adnominal_l(base.stem), *base.keys), word("수", auxiliary)]
    return Predicate(before, NOT_EXIST if negative else EXIST, (auxiliary, *([no] if negative else [])))


def end_sentence(
    clause: Clause, key: str, wording: Wording, *, question: bool = False, tense_keys: Iterable[str] = ()
) -> Words:
    """End the sentence: tense and speech level on the last stem."""
    keys = (f"{key}.t", *tense_keys)
    in_past = clause.tense is Tense.PAST
    if isinstance(clause.predicate, Identity) and not clause.negative:
        text = conjugation.copula(clause.predicate.noun.korean, wording.style, in_past=in_past, question=question)
        return [word(text, f"{key}.v", *keys)]
    predicate = build_predicate(clause, key, wording)
    if clause.tense is Tense.FUTURE and not wording.intended:
        prospective = word(conjugation.adnominal_l(predicate.stem), *predicate.keys)
        return [*predicate.before, prospective, word(conjugation.future_noun(wording.style, question), *keys)]
    stem = with_tense(predicate.stem, clause.tense)
    return [*predicate.before, word(conjugation.finish(stem, wording.style, question), *predicate.keys, *keys)]


def with_tense(stem: Stem, tense: Tense) -> Stem:
    match tense:
        case Tense.PAST:
            return conjugation.past(stem)
        case Tense.FUTURE:
            return conjugation.intended(stem)
        case Tense.PRESENT:
            return stem
