"""English sentences from meanings: subject, verb, object, with auxiliaries, articles and fronted question words.

The key of a phrase is a path such as "m.o" (main clause, object); see `alignment.py` for what the keys do.
"""

import english
from alignment import Word, word, words
from english_predicates import verb_group
from lexicon import HOME, NUMERALS, Noun, Pronoun, Relation, Verb
from meaning import (
    ASKED_COUNT,
    WHAT,
    Clause,
    Description,
    Determiner,
    Existence,
    Focus,
    Link,
    NounPhrase,
    Place,
    Role,
    Sentence,
    Tense,
)

Words = list[Word]

# The subject of the weather agrees like any thing.
IT = NounPhrase(head=WHAT)
PLURAL_DETERMINERS = {Determiner.THIS: "these", Determiner.THAT: "those"}


def realise(sentence: Sentence) -> Words:
    """Return the English words of a sentence, capitalised and punctuated."""
    if sentence.link is not None:
        result = _linked(sentence)
    elif sentence.question:
        result = _question(sentence.main, sentence.asked)
    else:
        result = _statement(sentence.main, "m")
    return _punctuated(result, "?" if sentence.question else ".")


def _punctuated(sentence: Words, mark: str) -> Words:
    first, *_ = sentence
    capitalised = [Word(first.text[0].upper() + first.text[1:], first.keys), *sentence[1:]]
    return [*capitalised[:-1], _with_suffix(capitalised[-1], mark)]


def _with_suffix(word_: Word, suffix: str) -> Word:
    return Word(word_.text + suffix, word_.keys)


def _with_comma(phrase: Words) -> Words:
    return [*phrase[:-1], _with_suffix(phrase[-1], ",")]


# Noun phrases


def noun_phrase(phrase: NounPhrase, key: str, *, indefinite: bool = False) -> Words:
    """Return a noun phrase. A bare common noun takes "the", or the indefinite article after "there is" and "have"."""
    result = _simple_phrase(phrase, key, indefinite)
    if phrase.relative is not None:
        result += _relative(phrase.relative, phrase, f"{key}.r")
    if phrase.conjunct is not None:
        result += [word("and", f"{key}.and"), *noun_phrase(phrase.conjunct, f"{key}.c", indefinite=indefinite)]
    return result


def _simple_phrase(phrase: NounPhrase, key: str, indefinite: bool) -> Words:
    if isinstance(phrase.head, Pronoun):
        return [word(phrase.head.english, f"{key}.n")]
    rest = _noun(phrase, phrase.head, key)
    measured = phrase.count is not None and (phrase.head.mass or phrase.head.pair)
    if phrase.adjective is not None:
        adjective = word(phrase.adjective.english, f"{key}.a")
        rest = [*rest[:2], adjective, *rest[2:]] if measured else [adjective, *rest]
    return [*_determiner(phrase, phrase.head, key, indefinite, rest[0].text), *rest]


def _noun(phrase: NounPhrase, noun: Noun, key: str) -> Words:
    """Return the noun, after its measure if it is a mass noun that is counted: cups of coffee."""
    many = phrase.count != 1 and phrase.count is not None
    if phrase.count is None or noun.counter is None:
        text = english.plural(noun.english) if phrase.plural else noun.english
        return [word(text, f"{key}.n")]
    if noun.mass or noun.pair:
        measure = english.plural(noun.counter.measure) if many else noun.counter.measure
        return [*words(f"{measure} of", f"{key}.k"), word(noun.english, f"{key}.n")]
    return [word(english.plural(noun.english) if many else noun.english, f"{key}.n", f"{key}.k")]


def _determiner(phrase: NounPhrase, noun: Noun, key: str, indefinite: bool, following: str) -> Words:
    """Return what stands first: how many, whose, which, or an article. 한 with a counter is "a"."""
    if phrase.count == ASKED_COUNT and phrase.count is not None:
        return words("how many", f"{key}.q")
    if phrase.count is not None:
        number = NUMERALS[phrase.count][1] if phrase.count > 1 else english.indefinite_article(following)
        return [word(number, f"{key}.q")]
    if phrase.possessor is not None:
        return _possessor(phrase.possessor, f"{key}.p")
    if phrase.determiner is not None:
        plain = phrase.determiner.value[1]
        text = PLURAL_DETERMINERS.get(phrase.determiner, plain) if phrase.is_plural else plain
        return [word(text, f"{key}.d")]
    return _article(phrase, noun, key, indefinite, following)


def _article(phrase: NounPhrase, noun: Noun, key: str, indefinite: bool, following: str) -> Words:
    if noun.proper or noun.has(["asked"]) or (noun.mass and phrase.relative is None):
        return []
    if not indefinite:
        return [word("the", f"{key}.n")]
    return [] if phrase.is_plural else [word(english.indefinite_article(following), f"{key}.n")]


def _possessor(phrase: NounPhrase, key: str) -> Words:
    if isinstance(phrase.head, Pronoun):
        return [word(phrase.head.english_possessive, f"{key}.n")]
    owner = noun_phrase(phrase, key)
    return [*owner[:-1], _with_suffix(owner[-1], "'s")]


def _relative(clause: Clause, head: NounPhrase, key: str) -> Words:
    """Return a relative clause; the relative word stands for the Korean adnominal ending."""
    person = isinstance(head.head, Noun) and head.head.has(["person"])
    relative_word = "who" if person and clause.gap is Role.SUBJECT else "that"
    subject = clause.subject if clause.gap is not Role.SUBJECT else head
    return [word(relative_word, f"{key}.t"), *_clause(clause, key, agree_with=subject)]


def _place(place: Place, key: str, goal_preposition: str) -> Words:
    head = place.noun.head
    if head == HOME and place.noun.is_bare and place.relation in (Relation.GOAL, Relation.SITE):
        return _home(place.relation, key, goal_preposition)
    preposition = place.relation.value[1]
    if place.relation is Relation.GOAL:
        preposition = goal_preposition
    elif place.relation is Relation.SITE and isinstance(head, Noun):
        preposition = head.place
    return [*words(preposition, f"{key}.r"), *noun_phrase(place.noun, key)]


def _home(relation: Relation, key: str, goal_preposition: str) -> Words:
    """집 alone is "home", without article: go home, rest at home."""
    needs_at = relation is Relation.SITE or goal_preposition != "to"
    return [*([word("at", f"{key}.r")] if needs_at else []), word("home", f"{key}.n", f"{key}.r")]


# Clauses


def _clause(
    clause: Clause,
    key: str,
    *,
    subject_key: str = "",
    agree_with: NounPhrase | None = None,
    asked: Role | None = None,
    inverted: bool = False,
    bare: bool = False,
) -> Words:
    """Return a clause. `agree_with` is the subject of a clause that does not express one.

    `bare` leaves out the auxiliary, which a coordinated clause shares: will eat bread and drink milk.
    """
    agree_with = clause.subject or agree_with or IT
    group = verb_group(clause, key, agree_with, inverted=inverted)
    auxiliary = [] if bare else group.auxiliary
    subject = _subject(clause, key, subject_key or f"{key}.s")
    first_part = [*auxiliary, *subject] if inverted else [*subject, *auxiliary]
    rest = [*group.negation, *_middle(clause, key), *group.main, *_after_verb(clause, key, asked)]
    if _time_comes_first(clause):
        assert clause.time is not None
        return [*_with_comma(words(clause.time.english, f"{key}.time")), *first_part, *rest]
    return [*first_part, *rest]


def _time_comes_first(clause: Clause) -> bool:
    """After a relative clause in the object, "yesterday" would be read as part of it, so it goes first."""
    return clause.time is not None and clause.object is not None and clause.object.relative is not None


def _subject(clause: Clause, key: str, subject_key: str) -> Words:
    if clause.predicate is Existence.THERE:
        return [word("there", f"{key}.v")]
    if isinstance(clause.predicate, Verb) and not any(clause.predicate.subjects):
        return [word("it")]  # the weather: nothing in Korean says "it"
    if clause.subject is None:
        return []
    only = [word("only", f"{subject_key}.f")] if clause.focus is Focus.ONLY else []
    return [*only, *noun_phrase(clause.subject, subject_key, indefinite=False)]


def _middle(clause: Clause, key: str) -> Words:
    """Return the adverbs before the main verb."""
    also = [word("also", f"{key}.s.f")] if clause.focus is Focus.ALSO else []
    frequency = clause.frequency
    if frequency is None or " " in frequency.english:
        return also
    return [*also, word(frequency.english, f"{key}.freq")]


def _after_verb(clause: Clause, key: str, asked: Role | None = None) -> Words:
    """Return what follows the verb, in the order of English: what, where to, to whom, how, with whom, where, when."""
    verb = clause.predicate if isinstance(clause.predicate, Verb) else None
    is_goal = clause.place is not None and clause.place.relation is Relation.GOAL
    place = _place_words(clause, key, verb) if asked is not Role.PLACE else []
    return [
        *(words(verb.after, f"{key}.v") if verb else []),
        *_complement(clause, key, asked),
        *(place if is_goal else []),
        *_with_person("to", clause.recipient, f"{key}.rec", asked is Role.RECIPIENT),
        *(words(clause.manner.english, f"{key}.how") if clause.manner else []),
        *_with_person("with", clause.companion, f"{key}.com", asked is Role.COMPANION),
        *(_means(clause.means, f"{key}.by") if clause.means and asked is not Role.MEANS else []),
        *([] if is_goal else place),
        *_final_adverbs(clause, key, asked),
    ]


def _complement(clause: Clause, key: str, asked: Role | None) -> Words:
    """Return what the verb is incomplete without: the object, what there is, or what something is compared to."""
    predicate = clause.predicate
    if isinstance(predicate, Description) and predicate.standard is not None:
        return [word("than", f"{key}.std.r"), *noun_phrase(predicate.standard, f"{key}.std")]
    if predicate is Existence.THERE and clause.subject is not None and asked is not Role.COUNT:
        return _what_there_is(clause.subject, key, clause.negative)
    if clause.object is None or _is_fronted_object(clause, asked):
        return []
    return noun_phrase(clause.object, f"{key}.o", indefinite=predicate is Existence.POSSESSION)


def _what_there_is(phrase: NounPhrase, key: str, negative: bool) -> Words:
    """Return an indefinite noun phrase, in which "no" takes the place of the article."""
    result = noun_phrase(phrase, f"{key}.s", indefinite=True)
    if not negative:
        return result
    without_article = result[1:] if result[0].text in ("a", "an") else result
    return [word("no", f"{key}.no"), *without_article]


def _is_fronted_object(clause: Clause, asked: Role | None) -> bool:
    counted = clause.object is not None and clause.object.count == ASKED_COUNT
    return asked is Role.OBJECT or (asked is Role.COUNT and counted)


def _place_words(clause: Clause, key: str, verb: Verb | None) -> Words:
    if clause.place is None:
        return []
    return _place(clause.place, f"{key}.p", verb.goal_preposition if verb else "to")


def _with_person(preposition: str, phrase: NounPhrase | None, key: str, is_asked: bool) -> Words:
    """Return "with Minsu", or the preposition alone where the person is asked for: who did she go with?"""
    if phrase is None:
        return []
    return [word(preposition, f"{key}.r"), *([] if is_asked else noun_phrase(phrase, key))]


def _means(noun: Noun, key: str) -> Words:
    if noun.has(["ride", "underground"]):
        return words(f"by {noun.english}", key)
    return words(f"with the {noun.english}", key)


def _final_adverbs(clause: Clause, key: str, asked: Role | None) -> Words:
    result = []
    if clause.frequency is not None and " " in clause.frequency.english:
        result += words(clause.frequency.english, f"{key}.freq")
    if clause.time is not None and asked is not Role.TIME and not _time_comes_first(clause):
        result += words(clause.time.english, f"{key}.time")
    return result


# Sentences


def _statement(clause: Clause, key: str) -> Words:
    return _clause(clause, key)


def _question(clause: Clause, asked: Role | None) -> Words:
    if asked is Role.SUBJECT:
        return _clause(clause, "m")  # who ate it? keeps the order of a statement
    front = _question_word(clause, asked)
    return [*front, *_clause(clause, "m", asked=asked, inverted=True)]


def _question_word(clause: Clause, asked: Role | None) -> Words:
    match asked:
        case Role.TIME:
            return [word("when", "m.time")]
        case Role.REASON:
            return [word("why", "m.why")]
        case Role.MEANS:
            return [word("how", "m.by")]
        case Role.PLACE:
            return [word("where", "m.p.n", "m.p.r")]
        case Role.OBJECT:
            assert clause.object is not None
            return noun_phrase(clause.object, "m.o")
        case Role.RECIPIENT:
            return [word("who", "m.rec.n")]
        case Role.COMPANION:
            return [word("who", "m.com.n")]
        case Role.COUNT if clause.object is not None and clause.object.count == ASKED_COUNT:
            return noun_phrase(clause.object, "m.o")
        case Role.COUNT if clause.subject is not None:
            return noun_phrase(clause.subject, "m.s")
    return []


def _linked(sentence: Sentence) -> Words:
    """Put two clauses in the order of English, whose conjunction comes first in its clause."""
    first, main, link = sentence.first, sentence.main, sentence.link
    assert first is not None and link is not None
    match link:
        case Link.AND | Link.BUT:
            return _coordinated(first, main, link)
        case Link.IF:
            return [word("if", "link"), *_with_comma(_clause(first, "f")), *_shared_main(first, main)]
        case Link.BECAUSE:
            return [*_shared_main(first, main), word("because", "link"), *_clause(first, "f")]
        case Link.BEFORE | Link.AFTER | Link.TO:
            return [*_clause(main, "m"), *_nonfinite(first, link)]
        case Link.SAY | Link.THINK:
            return [*_clause(main, "m"), word("that", "link"), *_clause(first, "f")]


def _shared_main(first: Clause, main: Clause) -> Words:
    """Repeat as a pronoun what Korean says once: 저는 아파서 못 갔어요, I could not go because I was sick."""
    if main.subject is not None or first.subject is None:
        return _clause(main, "m")
    repeated = noun_phrase(first.subject, "f.s")
    group = _clause(main, "m", agree_with=first.subject)
    return [*repeated, *group]


def _coordinated(first: Clause, main: Clause, link: Link) -> Words:
    conjunction = word("and" if link is Link.AND else "but", "link")
    left = _clause(first, "f")
    if main.subject is not None:
        return [*_with_comma(left), conjunction, *_clause(main, "m")]
    shares_will = main.tense is Tense.FUTURE
    return [*left, conjunction, *_clause(main, "m", agree_with=first.subject, bare=shares_will)]


def _nonfinite(clause: Clause, link: Link) -> Words:
    assert isinstance(clause.predicate, Verb)
    verb = clause.predicate.english
    rest = _after_verb(clause, "f")
    if link is Link.TO:
        return [word("to", "link"), word(verb, "f.v"), *rest]
    conjunction = "before" if link is Link.BEFORE else "after"
    return [word(conjunction, "link"), word(english.gerund(verb), "f.v"), *rest]
