"""Perturbed text, as people write it: in capitals, with typing errors, without the last full stop.

For training that makes a model robust, and for tests of how robust it is. Inline codes and numbers stay.
"""

import re
from collections.abc import Callable, Mapping

import numpy as np

from nmt.text.inline_codes import places_in_codes
from nmt.text.letter_case import lower, outside_codes, upper

Random = np.random.Generator
Perturbation = Callable[[str, Random], str]

_FINAL = re.compile(r"(?<=\w)[.!?。！？।…]+$")
_LETTERS = re.compile(r"[^\W\d_]{2,}")
_TYPOS_PER = 25  # characters for each typing error, at least one


def title(text: str, _: Random) -> str:
    """The text with a capital at the start of each word."""
    return outside_codes(text, lambda part: _LETTERS.sub(lambda word: word[0][0].upper() + word[0][1:], part))


def spaces(text: str, random: Random) -> str:
    """The text without one of its spaces, or with another one before a mark."""
    hidden = places_in_codes(text)
    places = [
        place
        for place in range(1, len(text))
        if not text[place].isalnum() and hidden.isdisjoint(range(place - 2, place + 3))
    ]
    if not places:
        return text
    place = int(random.choice(places))
    return text[:place] + (text[place + 1 :] if text[place] == " " else " " + text[place:])


def no_punctuation(text: str) -> str:
    """The text without its final punctuation mark."""
    return _FINAL.sub("", text)


def typos(text: str, random: Random) -> str:
    """The text with a few letters exchanged, dropped, doubled or replaced, or a space lost or too much."""
    hidden = places_in_codes(text)
    places = [place for place in range(1, len(text) - 1) if text[place].isalpha() and place not in hidden]
    letters = [text[place] for place in places]
    for place in sorted(random.permutation(places)[: max(1, len(text) // _TYPOS_PER)].tolist(), reverse=True):
        before, letter, following, after = text[:place], text[place], text[place + 1], text[place + 2 :]
        edits = [
            before + following + letter + after,
            before + following + after,
            before + letter + letter + following + after,
            before + letters[int(random.integers(len(letters)))] + following + after,
            f"{before} {letter}{following}{after}",
            before.rstrip() + letter + following + after if before.endswith(" ") else before + following + after,
        ]
        text = edits[int(random.integers(len(edits)))]
    return text


PERTURBATIONS: Mapping[str, Perturbation] = {
    "upper": lambda text, _: upper(text),
    "title": title,
    "lower": lambda text, _: lower(text),
    "typos": typos,
    "spaces": spaces,
    "no-punctuation": lambda text, _: no_punctuation(text),
}

RATES: Mapping[str, float] = {"title": 0.05, "lower": 0.07, "typos": 0.05, "spaces": 0.03, "no-punctuation": 0.1}
"""The fraction of training pairs with each. Mozilla's translation models also have 7 % in capitals, of which a small
corpus teaches too little (docs/experiments.md); nmt translates those as sentences, see letter_case.py.
"""

_CARELESS = ("lower", "typos", "spaces")
"""What a translation does not imitate."""


def perturb_pair(source: str, target: str, random: Random) -> tuple[str, str]:
    """A pair perturbed at random, or as it is: what is careless is in the source alone, the rest in both."""
    draw, total = random.random(), 0.0
    for name, rate in RATES.items():
        total += rate
        if draw < total:
            change = PERTURBATIONS[name]
            return change(source, random), target if name in _CARELESS else change(target, random)
    return source, target
