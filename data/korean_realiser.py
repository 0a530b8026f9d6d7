"""Korean sentences from meanings: particles on nouns, modifiers before heads, the predicate last.

A predicate is built from the inside out, as Korean is: the stem, then negation and modality, which each bring a new
stem to inflect (먹- → 먹고 싶- → 먹고 싶지 않-), then the tense, then the ending. Keys are those of the English side.
"""

from dataclasses import replace

import conjugation
from alignment import Word, add_keys, word, words
from conjugation import Style
from hangul import (
    ALSO,
    AT,
    BY,
    OBJECT,
    OF,
    ONLY,
    SUBJECT,
    THAN,
    TO,
    TO_PERSON,
    TOPIC,
    WITH,
    Particle,
    attach,
)
from korean_predicates import build_predicate, end_sentence, with_tense
from lexicon import NUMERALS, Noun, Pronoun, Relation
from meaning import (
    ASKED_COUNT,
    HOW,
    WHO,
    Clause,
    Description,
    Existence,
    Focus,
    Identity,
    Link,
    NounPhrase,
    Role,
    Sentence,
    Tense,
    Wording,
)

Words = list[Word]

FOCUS_PARTICLES = {Focus.ALSO: ALSO, Focus.ONLY: ONLY}
SPOKEN_WITH = Particle("하고", "하고")


def realise(sentence: Sentence) -> Words:
    """Return the Korean words of a sentence, punctuated."""
    if sentence.link is not None:
        result = _linked(sentence)
    else:
        marker = TOPIC if sentence.wording.topic else SUBJECT
        result = _clause(sentence.main, "m", sentence.wording, marker, asked=sentence.asked)
        result += end_sentence(sentence.main, "m", sentence.wording, question=sentence.question)
    last = result[-1]
    return [*result[:-1], Word(last.text + ("?" if sentence.question else "."), last.keys)]


# Noun phrases


def noun_phrase(phrase: NounPhrase, key: str, particle: Particle | None, wording: Wording) -> Words:
    """Return a noun phrase with its particle on the last word, or on the noun when the count floats."""
    if isinstance(phrase.head, Pronoun):
        return [_pronoun(phrase.head, key, particle)]
    noun = word(phrase.head.korean + ("들" if phrase.plural else ""), f"{key}.n")
    modifiers = _modifiers(phrase, key, wording)
    count = _count(phrase, phrase.head, key)
    if phrase.conjunct is not None:
        # 하고 with people only: 사과하고 would read as "apologises and".
        spoken = wording.long_variant and wording.style is Style.POLITE and phrase.head.has(["person"])
        joined = _with_particle([noun], SPOKEN_WITH if spoken else WITH, f"{key}.and")
        return [*modifiers, *joined, *noun_phrase(phrase.conjunct, f"{key}.c", particle, wording)]
    if particle in (SUBJECT, OBJECT) and count and (wording.floating_count or phrase.count == ASKED_COUNT):
        return [*modifiers, *_with_particle([noun], particle), *count]
    return [*modifiers, *_with_particle([noun, *count], particle)]


def _with_particle(phrase: Words, particle: Particle | None, *keys: str) -> Words:
    if particle is None:
        return phrase
    last = phrase[-1]
    return [*phrase[:-1], add_keys(Word(attach(last.text, particle), last.keys), keys)]


def _pronoun(pronoun: Pronoun, key: str, particle: Particle | None) -> Word:
    if particle == TOPIC or particle is None:
        return word(pronoun.topic, f"{key}.n")
    if particle == SUBJECT:
        return word(pronoun.subject, f"{key}.n")
    base = pronoun.topic[:-1]  # 저는 without 는
    return word(attach(base, particle), f"{key}.n")


def _modifiers(phrase: NounPhrase, key: str, wording: Wording) -> Words:
    result = []
    if phrase.determiner is not None:
        result.append(word(phrase.determiner.value[0], f"{key}.d"))
    if phrase.possessor is not None:
        result += _possessor(phrase.possessor, f"{key}.p", wording)
    if phrase.relative is not None:
        result += _relative(phrase.relative, f"{key}.r", wording)
    if phrase.adjective is not None:
        adjective = phrase.adjective
        text = conjugation.adnominal_present(adjective.stem) if adjective.stem else adjective.korean
        result.append(word(text, f"{key}.a"))
    return result


def _possessor(phrase: NounPhrase, key: str, wording: Wording) -> Words:
    if isinstance(phrase.head, Pronoun):
        return [word(phrase.head.possessive, f"{key}.n")]
    return noun_phrase(phrase, key, OF, wording)


def _count(phrase: NounPhrase, noun: Noun, key: str) -> Words:
    if phrase.count is None or noun.counter is None:
        return []
    number = "몇" if phrase.count == ASKED_COUNT else NUMERALS[phrase.count][0]
    return [word(number, f"{key}.q"), word(noun.counter.korean, f"{key}.k")]


def _relative(clause: Clause, key: str, wording: Wording) -> Words:
    """Return a relative clause: a clause whose predicate ends in an adnominal ending."""
    inner = replace(wording, time_first=False, floating_count=False)
    predicate = build_predicate(clause, key, inner)
    match clause.tense:
        case Tense.PRESENT:
            text = conjugation.adnominal_present(predicate.stem)
        case Tense.PAST:
            text = conjugation.adnominal_n(predicate.stem)
        case Tense.FUTURE:
            text = conjugation.adnominal_l(predicate.stem)
    last = word(text, *predicate.keys, f"{key}.t")
    return [*_clause(clause, key, inner, SUBJECT), *predicate.before, last]


# Clauses without their predicate


def _clause(
    clause: Clause,
    key: str,
    wording: Wording,
    marker: Particle,
    *,
    asked: Role | None = None,
    subject_key: str = "",
) -> Words:
    """Return everything before the predicate."""
    subject = _subject(clause, subject_key or f"{key}.s", marker, wording)
    time = words(clause.time.korean, f"{key}.time") if clause.time else []
    why = [word("왜", f"{key}.why")] if asked is Role.REASON else []
    place = _place(clause, key, wording)
    if clause.predicate is Existence.THERE:
        return [*time, *place, *subject]
    front = [*why, *time, *subject] if wording.time_first else [*subject, *time, *why]
    frequency = words(clause.frequency.korean, f"{key}.freq") if clause.frequency else []
    manner = words(clause.manner.korean, f"{key}.how") if clause.manner else []
    standard = _standard(clause.predicate, key, wording) if isinstance(clause.predicate, Description) else []
    front += standard
    return [*front, *frequency, *_companion(clause, key, wording), *_arguments(clause, key, wording, place), *manner]


def _arguments(clause: Clause, key: str, wording: Wording, place: Words) -> Words:
    """Return the phrases between subject and predicate, whose order Korean leaves partly free."""
    means = _means(clause.means, f"{key}.by") if clause.means else []
    recipient = noun_phrase(clause.recipient, f"{key}.rec", TO_PERSON, wording) if clause.recipient else []
    recipient = [add_keys(part, [f"{key}.rec.r"]) if part is recipient[-1] else part for part in recipient]
    object_particle = SUBJECT if clause.predicate is Existence.POSSESSION else OBJECT
    object_ = noun_phrase(clause.object, f"{key}.o", object_particle, wording) if clause.object else []
    is_goal = clause.place is not None and clause.place.relation is Relation.GOAL
    if is_goal:
        return [*means, *recipient, *object_, *place]
    if wording.object_first:
        return [*object_, *place, *means, *recipient]
    return [*place, *means, *recipient, *object_]


def _subject(clause: Clause, key: str, marker: Particle, wording: Wording) -> Words:
    if clause.subject is None:
        return []
    if clause.subject.head == WHO:
        return [word("누가", f"{key}.n")]
    focus = FOCUS_PARTICLES.get(clause.focus) if clause.focus else None
    phrase = noun_phrase(clause.subject, key, focus or marker, wording)
    return [*phrase[:-1], add_keys(phrase[-1], [f"{key}.f"])]


def _standard(description: Description, key: str, wording: Wording) -> Words:
    if description.standard is None:
        return []
    phrase = noun_phrase(description.standard, f"{key}.std", THAN, wording)
    return [*phrase[:-1], add_keys(phrase[-1], [f"{key}.std.r"])]


def _companion(clause: Clause, key: str, wording: Wording) -> Words:
    if clause.companion is None:
        return []
    spoken = wording.long_variant and wording.style is Style.POLITE
    phrase = noun_phrase(clause.companion, f"{key}.com", SPOKEN_WITH if spoken else WITH, wording)
    preposition = f"{key}.com.r"
    return [*phrase[:-1], add_keys(phrase[-1], [preposition]), word("같이" if spoken else "함께", preposition)]


def _means(noun: Noun, key: str) -> Words:
    return [word(noun.korean if noun == HOW else attach(noun.korean, BY), key)]


def is_static(clause: Clause) -> bool:
    """Tell whether a place takes 에, as with 있다, rather than 에서, as with what one does there."""
    return isinstance(clause.predicate, Existence)


def _place(clause: Clause, key: str, wording: Wording) -> Words:
    if clause.place is None:
        return []
    relation = clause.place.relation
    particle = TO if relation is Relation.GOAL or is_static(clause) else AT
    noun_key, relation_key = f"{key}.p", f"{key}.p.r"
    if not relation.value[0]:
        phrase = noun_phrase(clause.place.noun, noun_key, particle, wording)
        return [*phrase[:-1], add_keys(phrase[-1], [relation_key])]
    phrase = noun_phrase(clause.place.noun, noun_key, None, wording)
    return [*phrase, word(attach(relation.value[0], particle), relation_key)]


# Sentences of two clauses


def _linked(sentence: Sentence) -> Words:
    """Put the subordinate clause first, its conjunction as an ending: 비가 와서, 비가 오면."""
    first, main, link, wording = sentence.first, sentence.main, sentence.link, sentence.wording
    assert first is not None and link is not None
    if link in (Link.BEFORE, Link.AFTER, Link.TO, Link.SAY, Link.THINK):
        return _nested(first, main, link, wording)
    contrast = main.subject is not None and link in (Link.AND, Link.BUT)
    marker = TOPIC if contrast or (main.subject is None and wording.topic) else SUBJECT
    result = [*_clause(first, "f", wording, marker), *_connected(first, link, wording)]
    if link is Link.AND and main.subject is None and main.time is not None:
        main, result = _time_to_front(main, result, wording)
    result += _clause(main, "m", wording, TOPIC)
    shared_will = ["f.t"] if link is Link.AND else []
    return [*result, *end_sentence(main, "m", wording, tense_keys=shared_will)]


def _time_to_front(main: Clause, so_far: Words, wording: Wording) -> tuple[Clause, Words]:
    """The time of two coordinated predicates is said once, at the beginning."""
    assert main.time is not None
    time = words(main.time.korean, "m.time")
    subject_length = next(i for i, part in enumerate(so_far, 1) if "f.s.f" in part.keys)
    at = 0 if wording.time_first else subject_length
    return replace(main, time=None), [*so_far[:at], *time, *so_far[at:]]


def _nested(first: Clause, main: Clause, link: Link, wording: Wording) -> Words:
    """The first clause stands inside the main one, after its subject: 민수는 책을 사러 서점에 갔다."""
    outer = replace(main, place=None, object=None, manner=None, means=None, companion=None)
    inner = replace(main, subject=None, time=None)
    marker = TOPIC if wording.topic else SUBJECT
    embedded = [*_clause(first, "f", replace(wording, time_first=False), SUBJECT), *_connected(first, link, wording)]
    return [
        *_clause(outer, "m", wording, marker),
        *embedded,
        *_clause(inner, "m", wording, TOPIC),
        *end_sentence(main, "m", wording),
    ]


def _connected(clause: Clause, link: Link, wording: Wording) -> Words:
    """End a clause with a connective. Its last word carries the conjunction, and the tense unless English shares it."""
    if link in (Link.SAY, Link.THINK):
        return _quoted(clause, wording)
    predicate = build_predicate(clause, "f", wording)
    stem = predicate.stem
    keys = (*predicate.keys, "f.t")
    match link:
        case Link.AND:
            texts = [stem.text + "고"]
        case Link.BUT:
            texts = [with_tense(stem, clause.tense).text + "지만"]
        case Link.IF:
            texts = [conjugation.eu_base(stem) + "면"]
        case Link.BECAUSE if wording.long_variant:
            texts = [with_tense(stem, clause.tense).text + "기", "때문에"]
        case Link.BECAUSE:
            texts = [conjugation.infinitive(stem) + "서"]
        case Link.BEFORE:
            texts = [stem.text + "기", "전에"]
        case Link.AFTER:
            texts = [conjugation.adnominal_n(stem), "다음에" if wording.long_variant else "후에"]
        case _:
            texts = [conjugation.eu_base(stem) + "러"]
    last = word(texts[0], *keys, *(["link"] if len(texts) == 1 else []))
    return [*predicate.before, last, *[word(text, "link") for text in texts[1:]]]


def _quoted(clause: Clause, wording: Wording) -> Words:
    """Quote in the plain style: 갔다고, 간다고, 갈 것이라고, 의사라고."""
    plain = replace(wording, style=Style.PLAIN, intended=False)
    *before, last = end_sentence(clause, "f", plain)
    is_copula = clause.tense is Tense.FUTURE or (
        isinstance(clause.predicate, Identity) and clause.tense is Tense.PRESENT
    )
    text = last.text.removesuffix("다") + "라고" if is_copula else last.text + "고"
    return [*before, add_keys(Word(text, last.keys), ["link"])]
