"""English inflection: regular spelling rules, and tables for what the lexicon has that is irregular."""

IRREGULAR_PLURALS = {
    "child": "children",
    "knife": "knives",
    "man": "men",
    "mouse": "mice",
    "sheep": "sheep",
    "woman": "women",
}

IRREGULAR_PASTS = {
    "be": "was", "bring": "brought", "build": "built", "buy": "bought", "catch": "caught", "come": "came",
    "cut": "cut", "do": "did", "draw": "drew", "drink": "drank", "drive": "drove", "eat": "ate", "find": "found",
    "fly": "flew", "get": "got", "give": "gave", "go": "went", "have": "had", "know": "knew", "leave": "left",
    "lend": "lent", "lose": "lost", "make": "made", "meet": "met", "put": "put", "read": "read", "ride": "rode",
    "run": "ran", "say": "said", "see": "saw", "sell": "sold", "send": "sent", "sing": "sang", "sit": "sat",
    "sleep": "slept", "swim": "swam", "take": "took", "teach": "taught", "think": "thought", "throw": "threw",
    "wear": "wore", "write": "wrote",
}  # fmt: skip

# Verbs of one short stressed syllable double the last consonant: sit, sitting; plan, planned.
DOUBLING = frozenset({"cut", "get", "put", "run", "sit", "swim"})

IRREGULAR_COMPARATIVES = {"good": "better", "bad": "worse"}
# Short adjectives take -er; all the others take "more".
COMPARED_WITH_ER = (
    "big busy cheap clean cold dirty easy fast healthy heavy high hot kind light long pretty quiet short slow small "
    "smart spicy sweet young"
)
INFLECTED_COMPARATIVES = frozenset(COMPARED_WITH_ER.split())

VOWEL_LETTERS = "aeiou"


def ends_in_consonant_y(word: str) -> bool:
    """Tell whether a word ends in y after a consonant, which turns into i: study, studies; play, plays."""
    return word.endswith("y") and word[-2] not in VOWEL_LETTERS


def add_s(word: str) -> str:
    """Add the -s of plurals and of the third person.

    >>> [add_s(word) for word in ("cat", "bus", "watch", "study", "play", "potato")]
    ['cats', 'buses', 'watches', 'studies', 'plays', 'potatoes']
    """
    if ends_in_consonant_y(word):
        return word[:-1] + "ies"
    if word.endswith(("s", "x", "z", "ch", "sh")) or word in ("potato", "tomato", "go", "do"):
        return word + "es"
    return word + "s"


def plural(noun: str) -> str:
    """Return the plural.

    >>> plural("child"), plural("box"), plural("piano")
    ('children', 'boxes', 'pianos')
    """
    return IRREGULAR_PLURALS.get(noun) or add_s(noun)


def third_person(verb: str) -> str:
    """Return the third person singular of the present.

    >>> third_person("have"), third_person("teach")
    ('has', 'teaches')
    """
    return {"have": "has", "be": "is"}.get(verb) or add_s(verb)


def past(verb: str) -> str:
    """Return the past tense.

    >>> past("buy"), past("study"), past("like"), past("open")
    ('bought', 'studied', 'liked', 'opened')
    """
    if verb in IRREGULAR_PASTS:
        return IRREGULAR_PASTS[verb]
    if ends_in_consonant_y(verb):
        return verb[:-1] + "ied"
    return verb + ("d" if verb.endswith("e") else "ed")


def gerund(verb: str) -> str:
    """Return the -ing form.

    >>> gerund("write"), gerund("swim"), gerund("play"), gerund("see")
    ('writing', 'swimming', 'playing', 'seeing')
    """
    if verb in DOUBLING:
        return verb + verb[-1] + "ing"
    if verb.endswith("e") and not verb.endswith("ee"):
        return verb[:-1] + "ing"
    return verb + "ing"


def be(person: int, is_plural: bool, in_past: bool) -> str:
    """Return the finite form of "be".

    >>> be(1, False, False), be(3, False, True), be(3, True, True)
    ('am', 'was', 'were')
    """
    if is_plural or person == 2:
        return "were" if in_past else "are"
    if in_past:
        return "was"
    return "am" if person == 1 else "is"


def finite(verb: str, person: int, is_plural: bool, in_past: bool) -> str:
    """Return the form that agrees with the subject.

    >>> finite("go", 3, False, False), finite("go", 3, True, False), finite("go", 1, False, True)
    ('goes', 'go', 'went')
    """
    if verb == "be":
        return be(person, is_plural, in_past)
    if in_past:
        return past(verb)
    return third_person(verb) if person == 3 and not is_plural else verb


def comparative(adjective: str) -> list[str]:
    """Return the comparative as one or two words.

    >>> comparative("big"), comparative("busy"), comparative("expensive")
    (['bigger'], ['busier'], ['more', 'expensive'])
    """
    if adjective in IRREGULAR_COMPARATIVES:
        return [IRREGULAR_COMPARATIVES[adjective]]
    if adjective not in INFLECTED_COMPARATIVES:
        return ["more", adjective]
    if ends_in_consonant_y(adjective):
        return [adjective[:-1] + "ier"]
    if adjective in ("big", "hot"):
        return [adjective + adjective[-1] + "er"]
    return [adjective + "er"]


def indefinite_article(following: str) -> str:
    """Return "a" or "an"; in this lexicon the first letter tells the sound.

    >>> indefinite_article("apple"), indefinite_article("big")
    ('an', 'a')
    """
    return "an" if following[0].lower() in VOWEL_LETTERS else "a"
