"""Differences between two systems: on parts of a test set, by word frequency, and by sentence."""

import logging
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from nmt.config.evaluation import CompareConfig
from nmt.data.overlap import COMMON, Exposure, split_words, training_exposure
from nmt.evaluation.evaluation_set import EvaluationSet
from nmt.evaluation.metrics import score, sentence_scores
from nmt.files.run_directory import TRAIN, RunDirectory
from nmt.text.tokenizer import Tokenizers

logger = logging.getLogger("nmt")

LENGTHS = (0, 20, 40, 80, 160)  # lower bounds of source length, in characters
FREQUENCIES = (0, 1, 2, COMMON)  # lower bounds of word frequency in the training data

_METRICS = ("bleu", "chrf")  # as many as fit into 80 columns
_OVERLAP = ("both sides in training", "the source in training", "the reference in training", "neither side in training")


class Sentence(NamedTuple):
    """A sentence of the test set and its translations by both systems."""

    line: int  # from 1
    change: float  # in sentence chrF, from the first system to the second
    source: str | None
    reference: str
    first: str
    second: str


class Part(NamedTuple):
    """A part of the test set, and the scores of both systems on it by metric."""

    name: str
    lines: int
    scores: Mapping[str, tuple[float, float]]


class WordRecall(NamedTuple):
    """Reference words in a range of training frequency, and the share of them that each system output."""

    name: str
    words: int
    recall: tuple[float, float]


class Comparison(NamedTuple):
    """The differences between two systems."""

    systems: tuple[str, str]
    parts: Mapping[str, Sequence[Part]]  # by the property that divides the test set
    words: Sequence[WordRecall]
    worse: Sequence[Sentence]
    better: Sequence[Sentence]

    def as_json(self) -> dict[str, Any]:
        """The comparison as a JSON object."""
        rows: Mapping[str, Sequence[Any]] = {"words": self.words, "worse": self.worse, "better": self.better}
        return {
            "systems": list(self.systems),
            "parts": {title: [part._asdict() for part in group] for title, group in self.parts.items()},
            **{key: [row._asdict() for row in values] for key, values in rows.items()},
        }


def compare_two(
    run: RunDirectory,
    systems: Mapping[str, Sequence[str]],
    test: EvaluationSet,
    config: CompareConfig,
    progress: Callable[[int], None] = lambda sentences: None,
) -> Comparison:
    """Compare two systems; by word frequency and test-set overlap, too, where the run has training data."""
    (name, first), (other_name, second) = systems.items()
    if test.sources is None:
        logger.info("no breakdown by source length or training data: --source not given")
    elif not (run.data / TRAIN).is_dir():
        logger.info("%s has no training data, so there is no breakdown by it; give a --run that has", run.data)
    else:
        exposure = training_exposure(run.data, Tokenizers.load(run.path), test.pairs("compare"), progress)
        test = test._replace(exposure=exposure)
    ranked = sentences_by_change(first, second, test)
    worse = [sentence for sentence in ranked[: config.show] if sentence.change < 0]
    better = [sentence for sentence in ranked[::-1][: config.show] if sentence.change > 0]
    recall = recall_by_frequency(first, second, test.references[0], test.exposure[1]) if test.exposure else []
    groups = parts(first, second, test, config.metric or _METRICS)
    return Comparison((name, other_name), groups, recall, worse, better)


def sentences_by_change(first: Sequence[str], second: Sequence[str], test: EvaluationSet) -> list[Sentence]:
    """All sentences, from the largest loss of the second system against the first to its largest gain."""
    before, after = (sentence_scores(lines, test.references) for lines in (first, second))
    sources: Sequence[str | None] = test.sources or [None] * len(first)
    texts = zip(sources, test.references[0], first, second, strict=True)
    sentences = [Sentence(line + 1, after[line] - before[line], *row) for line, row in enumerate(texts)]
    return sorted(sentences, key=lambda sentence: sentence.change)


def parts(
    first: Sequence[str], second: Sequence[str], test: EvaluationSet, metrics: Sequence[str]
) -> dict[str, list[Part]]:
    """Scores of both systems by source length, by the frequency of the rarest word, and by test-set overlap."""
    groups: dict[str, tuple[Sequence[str], list[int]]] = {}  # names of the parts, and the part of each line
    if test.sources:
        lengths = [bisect_right(LENGTHS, len(source)) - 1 for source in test.sources]
        groups["length of the source in characters"] = _ranges(LENGTHS), lengths
    if test.sources and test.exposure:
        rarest = [bisect_right(FREQUENCIES, test.exposure[0].rarest(source)) - 1 for source in test.sources]
        groups["how often training has seen the rarest word of the source"] = _ranges(FREQUENCIES), rarest
    if test.exposure:
        leaked = zip(*(side.leaked for side in test.exposure), strict=True)
        overlap = [2 * (not source) + (not reference) for source, reference in leaked]
        groups["what training has seen of the pair"] = _OVERLAP, overlap

    def scored(name: str, chosen: Sequence[int]) -> Part:
        *references, before, after = ([lines[line] for line in chosen] for lines in (*test.references, first, second))
        scores = (score(lines, references, metrics, test.tokenizer, quiet=True) for lines in (before, after))
        pairs = zip(*scores, strict=True)
        return Part(name, len(chosen), {old.name: (old.value, new.value) for old, new in pairs})

    return {
        title: [
            scored(names[part], [line for line, own in enumerate(part_of_line) if own == part])
            for part in sorted(set(part_of_line))
        ]
        for title, (names, part_of_line) in groups.items()
    }


def recall_by_frequency(
    first: Sequence[str], second: Sequence[str], references: Sequence[str], exposure: Exposure
) -> list[WordRecall]:
    """The recall of reference words by both systems, by the frequency of the words in the training data."""
    total, *matches = Counter[int](), Counter[int](), Counter[int]()  # of the reference, and of each system
    for reference, *translations in zip(references, first, second, strict=True):
        expected = Counter(split_words(reference))
        output = [expected & Counter(split_words(line)) for line in translations]
        for counter, words in zip((total, *matches), (expected, *output), strict=True):
            counter.update(bisect_right(FREQUENCIES, exposure.frequencies[word]) - 1 for word in words.elements())
    return [
        WordRecall(name, total[part], (matches[0][part] / total[part], matches[1][part] / total[part]))
        for part, name in enumerate(_ranges(FREQUENCIES))
        if total[part]
    ]


def _ranges(bounds: Sequence[int]) -> list[str]:
    """The names of the ranges with these lower bounds.

    >>> _ranges((0, 1, 2, 10))
    ['0', '1', '2 to 9', '10 and more']
    """
    inner = [str(low) if high == low + 1 else f"{low} to {high - 1}" for low, high in pairwise(bounds)]
    return [*inner, f"{bounds[-1]} and more"]
