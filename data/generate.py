"""Write the Korean-English corpus: train, valid and test, with word alignments for valid and test.

`python data/generate.py` rewrites the files beside this script. The same seed gives the same bytes on any machine.
"""

import argparse
import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import compound
import english_realiser
import grammar
import korean_realiser
import questions
from alignment import align, pharaoh, text_of
from meaning import Combination, Sentence, combinations, repeats_itself
from verbs import AMBIGUOUS_KEYS

SEED = 20240601
SIZES = {"train": 24_000, "valid": 500, "test": 500}

# How often each construction is drawn.
CONSTRUCTIONS: dict[Callable[[random.Random], Sentence], int] = {
    grammar.statement: 40,
    grammar.description: 7,
    grammar.comparison: 4,
    grammar.contrast: 2,
    grammar.identity: 3,
    grammar.existence: 5,
    grammar.location: 4,
    grammar.possession: 3,
    grammar.weather: 2,
    questions.yes_no_question: 6,
    questions.content_question: 8,
    questions.count_of_things: 1,
    grammar.subject_with_relative: 5,
    grammar.object_with_relative: 6,
    compound.sequence: 4,
    compound.side_by_side: 2,
    compound.opposition: 3,
    compound.because: 3,
    compound.conditional: 3,
    compound.before_or_after: 3,
    compound.errand: 3,
    compound.quotation: 3,
}

# One in this many combinations is kept out of the training set.
HELD_OUT_SHARE = 12
LONGEST_ENGLISH = 16
SHORTEST_ENGLISH = 3
# An English word has to occur this often in train to be used in valid and test.
FREQUENT = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence in both languages, with its alignment and its lexical combinations."""

    korean: str
    english: str
    alignment: str
    combinations: frozenset[Combination]


def make_pair(sentence: Sentence) -> Pair:
    """Realise a meaning in both languages."""
    source = korean_realiser.realise(sentence)
    target = english_realiser.realise(sentence)
    links = pharaoh(align(source, target))
    return Pair(text_of(source), text_of(target), links, frozenset(combinations(sentence)))


def is_held_out(combination: Combination) -> bool:
    """Tell whether a combination is kept for valid and test, by a hash: the same on any machine, in any order.

    보다 with a new object is not held out: whether it is "watch" or "see" cannot be known from other objects.
    """
    kind, verb, _ = combination
    if kind == "verb+object" and verb in AMBIGUOUS_KEYS:
        return False
    digest = hashlib.sha256("|".join(combination).encode()).digest()
    return int.from_bytes(digest[:4]) % HELD_OUT_SHARE == 0


def draw_pairs(rng: random.Random) -> Iterator[Pair]:
    """Draw sentences without end, each Korean sentence once."""
    draws, weights = list(CONSTRUCTIONS), list(CONSTRUCTIONS.values())
    seen = set()
    while True:
        sentence = rng.choices(draws, weights)[0](rng)
        if repeats_itself(sentence):
            continue
        pair = make_pair(sentence)
        length = len(pair.english.split())
        if pair.korean not in seen and SHORTEST_ENGLISH <= length <= LONGEST_ENGLISH:
            seen.add(pair.korean)
            yield pair


def word_forms(text: str) -> list[str]:
    """Return the words of a sentence without case and punctuation."""
    return [form.strip(".,?").lower() for form in text.split()]


def split(rng: random.Random) -> dict[str, list[Pair]]:
    """Draw the three sets.

    A sentence with a held-out combination is a candidate for valid and test, any other goes to train. Of the
    candidates only those are used whose every word form, in both languages, is frequent enough in train: the test is
    about new combinations of known words.
    """
    train: list[Pair] = []
    candidates: list[Pair] = []
    for pair in draw_pairs(rng):
        (candidates if any(map(is_held_out, pair.combinations)) else train).append(pair)
        if len(train) == SIZES["train"]:
            break
    known = frequent_forms(train)
    usable = [pair for pair in candidates if known.issuperset(forms_of(pair))]
    end = SIZES["valid"] + SIZES["test"]
    if len(usable) < end:
        raise ValueError(f"only {len(usable)} sentences fit for valid and test")
    return {"train": train, "valid": usable[: SIZES["valid"]], "test": usable[SIZES["valid"] : end]}


def forms_of(pair: Pair) -> list[str]:
    """Return the word forms of both sides; the two alphabets keep them apart."""
    return word_forms(pair.korean) + word_forms(pair.english)


def frequent_forms(pairs: list[Pair]) -> frozenset[str]:
    """Return the Korean forms that occur, and the English ones that occur often enough to be learnt."""
    korean = {form for pair in pairs for form in word_forms(pair.korean)}
    english = Counter(form for pair in pairs for form in word_forms(pair.english))
    return frozenset(korean | {form for form, count in english.items() if count >= FREQUENT})


def write(sets: dict[str, list[Pair]], folder: Path) -> None:
    """Write the files of all sets."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, pairs in sets.items():
        write_lines(folder / f"{name}.ko", [pair.korean for pair in pairs])
        write_lines(folder / f"{name}.en", [pair.english for pair in pairs])
        if name != "train":
            write_lines(folder / f"{name}.alignment", [pair.alignment for pair in pairs])


def write_lines(path: Path, lines: list[str]) -> None:
    """Write UTF-8 text with one sentence a line, the same bytes on every system."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())


def main() -> None:
    """Parse the arguments and write the corpus."""
    parser = argparse.ArgumentParser(description="Write the embedded Korean-English corpus.")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, help="folder to write to")
    parser.add_argument("--seed", type=int, default=SEED)
    arguments = parser.parse_args()
    write(split(random.Random(arguments.seed)), arguments.output)


if __name__ == "__main__":
    main()
