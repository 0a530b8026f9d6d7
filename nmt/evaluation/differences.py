"""Where two systems differ: sentence by sentence, and in parts of a test set that are hard in different ways."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from nmt.data.seen import COMMON, Seen, words
from nmt.evaluation.metrics import score, sentence_scores

LENGTHS = (0, 20, 40, 80, 160)
"""Bounds of the parts by length of the source, in characters."""

_SEEN = (0, 1, 2, COMMON)
_LEAKS = {
    (True, True): "both sides in training",
    (True, False): "the source in training",
    (False, True): "the reference in training",
    (False, False): "neither in training",
}


class EvaluationSet(NamedTuple):
    """What is translated, and how it should be; without sources or training data there are fewer parts to look at."""

    references: Sequence[Sequence[str]]
    sources: Sequence[str] | None = None
    seen: tuple[Seen, Seen] | None = None  # of the sources and of the first references


class Sentence(NamedTuple):
    """A sentence of a test set in both systems."""

    line: int  # from 1
    change: float  # in sentence chrF, from the first system to the second
    source: str | None
    reference: str
    first: str
    second: str


class Part(NamedTuple):
    """Lines of a test set that have something in common, and what each metric gives both systems on them."""

    name: str
    lines: int
    scores: Mapping[str, tuple[float, float]]


class Words(NamedTuple):
    """Words of the references that were seen so often in training, and the shares of them that both systems wrote."""

    name: str
    words: int
    recall: tuple[float, float]


def sentences_by_change(first: Sequence[str], second: Sequence[str], test: EvaluationSet) -> list[Sentence]:
    """All sentences, from those that the second system translates worst in comparison to those it does best."""
    before, after = (sentence_scores(lines, test.references) for lines in (first, second))
    made = [
        Sentence(
            line + 1,
            after[line] - before[line],
            test.sources[line] if test.sources else None,
            test.references[0][line],
            first[line],
            second[line],
        )
        for line in range(len(first))
    ]
    return sorted(made, key=lambda one: one.change)


def parts(
    first: Sequence[str], second: Sequence[str], test: EvaluationSet, metrics: Sequence[str], tokenizer: str
) -> dict[str, list[Part]]:
    """Scores of both systems on the parts of a test set: by length, by the rarest word, by what training has seen."""
    groups: list[tuple[str, Sequence[str], list[str]]] = []  # what parts are made by, their names, that of each line
    if test.sources:
        lengths = [_range_of(len(source), LENGTHS) for source in test.sources]
        groups.append(("length of the source in characters", _ranges(LENGTHS), lengths))
    if test.sources and test.seen:
        rarest = [_range_of(test.seen[0].rarest(source), _SEEN) for source in test.sources]
        groups.append(("how often training has seen the rarest word of the source", _ranges(_SEEN), rarest))
    if test.seen:
        leaks = [_LEAKS[both] for both in zip(test.seen[0].sentences, test.seen[1].sentences, strict=True)]
        groups.append(("what training has seen of the pair", list(_LEAKS.values()), leaks))

    def scored(chosen: list[int]) -> dict[str, tuple[float, float]]:
        references = [[lines[line] for line in chosen] for lines in test.references]
        both = (
            score([lines[line] for line in chosen], references, metrics, tokenizer, quiet=True)
            for lines in (first, second)
        )
        return {before.name: (before.value, after.value) for before, after in zip(*both, strict=True)}

    return {
        what: [
            Part(name, len(lines), scored(lines))
            for name in order
            if (lines := [line for line, own in enumerate(names) if own == name])
        ]
        for what, order, names in groups
    }


def recall_by_frequency(
    first: Sequence[str], second: Sequence[str], references: Sequence[str], seen: Seen
) -> list[Words]:
    """How many words of the references both systems wrote, by how often training has seen them."""
    totals, found = Counter[str](), (Counter[str](), Counter[str]())
    for reference, *written in zip(references, first, second, strict=True):
        wanted = Counter(words(reference))
        for word, count in wanted.items():
            totals[_range_of(seen.counts[word], _SEEN)] += count
        for counter, line in zip(found, written, strict=True):
            for word, count in (wanted & Counter(words(line))).items():
                counter[_range_of(seen.counts[word], _SEEN)] += count
    return [
        Words(name, totals[name], (found[0][name] / totals[name], found[1][name] / totals[name]))
        for name in _ranges(_SEEN)
        if totals[name]
    ]


def _range_of(value: int, bounds: Sequence[int]) -> str:
    """The name of the range that a value is in.

    >>> [_range_of(value, (0, 1, 2, 10)) for value in (0, 1, 9, 12)]
    ['0', '1', '2 to 9', '10 and more']
    """
    return _ranges(bounds)[bisect_right(bounds, value) - 1]


def _ranges(bounds: Sequence[int]) -> list[str]:
    """Names of the ranges that begin at each of the bounds."""
    inner = [str(low) if high == low + 1 else f"{low} to {high - 1}" for low, high in pairwise(bounds)]
    return [*inner, f"{bounds[-1]} and more"]
