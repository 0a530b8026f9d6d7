"""Perturbed text: what changes, what stays, and that the generator decides."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.text.inline_codes import find_codes
from nmt.text.perturbation import PERTURBATIONS, RATES, perturb_pair

TEXTS = [
    "The big dog saw %s at https://a.org/Path, 25 times.",
    "Ich sehe <b>den</b> Hund!",
    "a",
    "",
    "한국어 문장.",
    "{x}",
]


@pytest.mark.parametrize(
    ("kind", "text", "perturbed"),
    [
        ("upper", "the <b>dog</b> {name}!", "THE <b>DOG</b> {name}!"),
        ("title", "the big dog of %s", "The Big Dog Of %s"),
        ("lower", "Der <B>Hund</B> %S bellt", "der <B>hund</B> %S bellt"),
        ("spaces", "a b", "ab"),
        ("spaces", "Nein!", "Nein !"),
        ("spaces", "Nein", "Nein"),
        ("no-punctuation", "It rains. Truly?!", "It rains. Truly"),
        ("no-punctuation", "비가 온다。", "비가 온다"),
        ("no-punctuation", "It rains", "It rains"),
    ],
)
def test_a_perturbation_changes_letters_and_marks_only(kind: str, text: str, perturbed: str) -> None:
    assert PERTURBATIONS[kind](text, np.random.default_rng(1)) == perturbed


@pytest.mark.parametrize("kind", PERTURBATIONS)
@given(text=st.sampled_from(TEXTS) | st.text(max_size=60), seed=st.integers(0, 999))
def test_the_generator_decides_and_codes_stay(kind: str, text: str, seed: int) -> None:
    first, again = (PERTURBATIONS[kind](text, np.random.default_rng(seed)) for _ in range(2))
    assert first == again
    if text in TEXTS:
        codes, kept = ([line[code.start : code.end] for code in find_codes(line)] for line in (text, first))
        assert codes == kept
        assert re.findall(r"\d+", text) == re.findall(r"\d+", first)


def test_many_typing_errors_in_a_long_text_stay_within_it() -> None:
    text = "the quick brown fox jumps over the lazy dog " * 10
    for seed in range(300):
        typed = PERTURBATIONS["typos"](text, np.random.default_rng(seed))
        assert 0 < abs(len(typed) - len(text)) + (typed != text) < 40


def test_typing_errors_are_few() -> None:
    text = "the quick brown fox jumps over the lazy dog and runs away from here"
    for seed in range(50):
        typed = PERTURBATIONS["typos"](text, np.random.default_rng(seed))
        assert typed != text
        assert abs(len(typed) - len(text)) <= 3
        assert sum(word in text.split() for word in typed.split()) >= 8


def test_pairs_are_perturbed_at_their_rates() -> None:
    random, source, target = np.random.default_rng(2), "The dog runs away.", "der Hund rennt weg."
    pairs = [perturb_pair(source, target, random) for _ in range(4000)]
    spaced = ["Thedog runs away.", "The dogruns away.", "The dog runsaway.", "The dog runs away ."]
    counts = {
        "title": pairs.count(("The Dog Runs Away.", "Der Hund Rennt Weg.")),
        "lower": pairs.count((source.lower(), target)),
        "spaces": sum(pair.count(target) and pair[0] in spaced for pair in pairs),
        "typos": sum(pair[1] == target and pair[0] not in (source, source.lower(), *spaced) for pair in pairs),
        "no-punctuation": pairs.count((source[:-1], target[:-1])),
    }
    for kind, rate in RATES.items():
        assert counts[kind] / len(pairs) == pytest.approx(rate, abs=0.02)
