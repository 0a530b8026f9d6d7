"""Properties of beam search with any combination of options, judged by brute force and by hand arithmetic."""

import itertools
import math
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import END, Mixture, Table, TableStep, all_sentences, contains, log_probs_of, search
from torch import Tensor

from nmt.decoding.engine import Hypothesis, Request
from nmt.decoding.selection import Distribution
from nmt.decoding.step import EnsembleStep
from nmt.decoding.text_rules import ForbiddenWords, TextRules

PIECES = ["<pad>", "<unk>", "<s>", "</s>", "▁a", "b", "▁b", "▁ab"]
WORDS = [0, 1, 2, 4]  # all tokens of the small vocabulary but END

Penalty = Callable[[int], float]
BASES: dict[str, Penalty] = {"wu": lambda length: (5 + length) / 6, "average": float}

tables = st.builds(Table, st.integers(0, 10**6), st.sampled_from([-2.0, 0.0, 2.0]))
terms = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=2), max_size=2)
prefixes = st.lists(st.sampled_from(WORDS), max_size=2)
scoring = {
    "length_penalty": st.sampled_from([0.0, 0.6, 1.0]),
    "length_normalization": st.sampled_from(["wu", "average"]),
    "coverage_penalty": st.sampled_from([0.0, 0.5]),
    "no_repeat_ngram": st.integers(0, 3),
    "repetition_penalty": st.sampled_from([1.0, 1.3]),
}


def breaks_a_rule(tokens: list[int], request: Request, no_repeat_ngram: int) -> bool:
    """Whether a sentence, END included, is too short, lacks a term or its prefix, or repeats an n-gram after it."""
    start, n = len(request.prefix), no_repeat_ngram
    if not request.min_length <= len(tokens) <= request.max_length or tokens[:start] != list(request.prefix):
        return True
    if start >= len(tokens) or not all(contains(tokens, list(term)) for term in request.required):
        return True
    ngrams = [tokens[end - n : end] for end in range(n, len(tokens) + 1)] if n else []
    return any(ngram in ngrams[:index] for index, ngram in enumerate(ngrams) if index + n > start)


def expected_score(table: Table, tokens: list[int], request: Request, options: dict[str, Any]) -> float:
    """The path score over the length penalty, and the coverage penalty; forced tokens are not penalized."""
    path_score = 0.0
    for position, log_prob in enumerate(log_probs_of(table, tokens)):
        repeated = position >= len(request.prefix) and tokens[position] in tokens[:position]
        path_score += log_prob * (options["repetition_penalty"] if repeated else 1)
    length, alpha = len(tokens), options["length_penalty"]
    penalty = ((5 + length) / 6 if options["length_normalization"] == "wu" else length) ** alpha
    attention = [table.attention(tuple(tokens[:position])) for position in range(length)]
    coverage = sum(math.log(min(1.0, sum(column))) for column in zip(*attention, strict=True))
    return path_score / penalty + options["coverage_penalty"] * coverage


def check_best(n_best: list[Hypothesis], expected: list[tuple[float, list[int]]], count: int) -> None:
    """The finished hypotheses are the best sentences, with their scores."""
    finished = [hypothesis for hypothesis in n_best if not hypothesis.truncated]
    assert [hypothesis.tokens for hypothesis in finished] == [tokens for _, tokens in expected[:count]]
    for hypothesis, (score, _) in zip(finished, expected, strict=False):
        assert hypothesis.score == pytest.approx(score, abs=1e-4)


@settings(max_examples=200)
@given(
    table=tables,
    max_length=st.integers(1, 4),
    min_length=st.integers(1, 4),
    prefix=prefixes,
    required=terms,
    options=st.fixed_dictionaries(scoring),
)
def test_a_wide_beam_finds_the_best_sentences_under_all_constraints_together(
    table: Table,
    max_length: int,
    min_length: int,
    prefix: list[int],
    required: list[list[int]],
    options: dict[str, Any],
) -> None:
    """Length bounds, prefix, required terms, n-gram blocking, repetition and coverage penalty, in any combination."""
    max_length = max(max_length, len(prefix) + 1)
    request = Request(max_length=max_length, min_length=min(min_length, max_length), prefix=prefix, required=required)

    def score(table: Table, tokens: list[int]) -> float:
        illegal = breaks_a_rule(tokens, request, options["no_repeat_ngram"])
        return -math.inf if illegal else expected_score(table, tokens, request, options)

    (n_best,) = search([table], [request], beam_size=4**3 * 5, n_best=20, **options)
    check_best(n_best, all_sentences(table, max_length, score), 20)


def text_of(tokens: list[int]) -> str:
    return "".join(PIECES[token].replace("▁", " ") for token in tokens)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    phrases=st.lists(st.sampled_from(["a", "b", "ab", "A b", "a  ab", "bb"]), min_size=1, max_size=2),
    max_length=st.integers(1, 3),
)
def test_a_wide_beam_finds_the_best_sentences_without_forbidden_words(
    seed: int, phrases: list[str], max_length: int
) -> None:
    """A phrase is forbidden wherever a token ends it as whole words, although the next token might go on."""
    pattern = "|".join(rf"(?<!\w){' '.join(phrase.lower().split())}(?!\w)" for phrase in phrases)

    def score(table: Table, tokens: list[int]) -> float:
        texts = [text_of(tokens[:end]) for end in range(len(tokens) + 1)]
        for before, text in itertools.pairwise(texts):
            if any(match.end() > len(before) for match in re.finditer(pattern, text)):
                return -math.inf
        return sum(log_probs_of(table, tokens))

    table = Table(seed, vocab=len(PIECES))
    options = dict(beam_size=7**2 * 8, n_best=40, length_penalty=0.0)
    (n_best,) = search([table], [max_length], TextRules(forbidden=ForbiddenWords(phrases, PIECES)), **options)
    check_best(n_best, all_sentences(table, max_length, score), 40)


@settings(max_examples=60)
@given(
    members=st.lists(tables, min_size=1, max_size=3),
    average=st.sampled_from(["probabilities", "log-probabilities"]),
    max_length=st.integers(1, 3),
)
def test_a_wide_beam_finds_the_best_sentences_of_an_ensemble(
    members: list[Table], average: str, max_length: int
) -> None:
    """The mean of probabilities, or the normalized geometric mean; coverage counts the mean attention."""
    mixture = Mixture(members, average)

    def score(_: Table, tokens: list[int]) -> float:
        prefixes = [tuple(tokens[:position]) for position in range(len(tokens))]
        attention = [[table.attention(prefix) for prefix in prefixes] for table in members]
        means = [
            [sum(cells) / len(members) for cells in zip(*rows, strict=True)] for rows in zip(*attention, strict=True)
        ]
        coverage = sum(math.log(min(1.0, sum(column))) for column in zip(*means, strict=True))
        return sum(log_probs_of(mixture, tokens)) + 0.3 * coverage

    step = EnsembleStep([TableStep([table]) for table in members], average)
    (n_best,) = search(step, [max_length], beam_size=4**2 * 5, n_best=20, length_penalty=0.0, coverage_penalty=0.3)
    check_best(n_best, all_sentences(mixture, max_length, score), 20)


Path = tuple[float, list[int]]
"""The log-probability of a hypothesis, and its tokens."""


def extensions_of(table: Table, beam: list[Path]) -> list[Path]:
    """The hypotheses of a beam with each token that can follow, best first."""
    extensions = []
    for total, tokens in beam:
        log_probs = table.log_probs(tuple(tokens))
        extensions += [(total + log_probs[token], [*tokens, token]) for token in range(table.vocab)]
    return sorted(extensions, reverse=True)


def split_by_end(extensions: list[Path]) -> tuple[list[Path], list[Path]]:
    ended = [(total, tokens) for total, tokens in extensions if tokens[-1] == END]
    return ended, [(total, tokens) for total, tokens in extensions if tokens[-1] != END]


def textbook_beam_search(
    table: Table, max_length: int, width: int, n_best: int, penalty: Penalty, groups: int = 1, diversity: float = 0.0
) -> list[list[int]]:
    """(Diverse) beam search as it is taught: extend all, keep the best, until a group has `width` finished ones.

    All that end in the last step count, at the maximum length those that would not stay in a beam, too. What one group
    has finished, another does not finish again.
    """

    def rank(path: Path) -> float:
        return -path[0] / penalty(len(path[1]))

    beams: list[list[Path]] = [[(0.0, [])] for _ in range(groups)]
    finished: list[list[Path]] = [[] for _ in range(groups)]
    for position in range(max_length):
        may_end = 2 * width if position + 1 == max_length and width > 1 else width
        used = Counter[int]()  # tokens that the groups so far have taken at this position
        for group in range(groups):
            extensions = extensions_of(table, beams[group])
            extensions.sort(key=lambda path: path[0] - diversity * used[path[1][-1]], reverse=True)
            if len(finished[group]) < width:
                others = [tokens for paths in finished for _, tokens in paths if n_best > 1]
                finished[group] += [path for path in split_by_end(extensions[:may_end])[0] if path[1] not in others]
            beams[group] = split_by_end(extensions)[1][:width]
            used.update(tokens[-1] for _, tokens in beams[group])
        if all(len(paths) >= width for paths in finished):
            break
    wanted = min(n_best, width)
    lacking = [path for paths, beam in zip(finished, beams, strict=True) if len(paths) < wanted for path in beam]
    ended = sorted((path for paths in finished for path in paths), key=rank)
    tokens = dict.fromkeys(tuple(tokens) for _, tokens in [*ended, *sorted(lacking, key=rank)])
    return [list(row) for row in tokens][:n_best]


def complete(hypotheses: list[Hypothesis]) -> list[list[int]]:
    """The tokens of hypotheses, with END where they have it."""
    return [hypothesis.tokens + [END] * (not hypothesis.truncated) for hypothesis in hypotheses]


@given(
    table=tables,
    max_length=st.integers(1, 7),
    width=st.integers(1, 6),
    alpha=st.sampled_from([0.0, 0.6, 1.0, 2.0]),
    normalization=st.sampled_from(list(BASES)),
    data=st.data(),
)
def test_a_narrow_beam_is_textbook_beam_search(
    table: Table, max_length: int, width: int, alpha: float, normalization: str, data: st.DataObject
) -> None:
    """Stopping early loses nothing: the n-best list is that of a search that never stops before the beam is full."""
    n_best = data.draw(st.integers(1, width))
    options = dict(length_penalty=alpha, length_normalization=normalization)
    (hypotheses,) = search([table], [max_length], beam_size=width, n_best=n_best, **options)
    expected = textbook_beam_search(
        table, max_length, width, n_best, lambda length: BASES[normalization](length) ** alpha
    )
    assert complete(hypotheses) == expected


class CountingStep(TableStep):
    """Counts the positions that are decoded."""

    positions = 0

    def __call__(self, tokens: Tensor) -> Distribution:
        self.positions += 1
        return super().__call__(tokens)


@given(
    table=tables,
    max_length=st.integers(1, 7),
    width=st.integers(1, 5),
    normalization=st.sampled_from(list(BASES)),
    data=st.data(),
)
def test_search_stops_when_nothing_can_reach_the_n_best_list(
    table: Table, max_length: int, width: int, normalization: str, data: st.DataObject
) -> None:
    """By hand: when what continues, at the largest length penalty, scores no better than the last of the list."""
    n_best, base = data.draw(st.integers(1, width)), BASES[normalization]
    beam, scores, positions = [(0.0, [])], list[float](), 0
    while positions < max_length and len(scores) < width:
        extensions, positions = extensions_of(table, beam), positions + 1
        ended = split_by_end(extensions[: 2 * width if positions == max_length and width > 1 else width])[0]
        scores = sorted([*scores, *(total / base(len(tokens)) for total, tokens in ended)], reverse=True)
        beam = split_by_end(extensions)[1][:width]
        if len(scores) >= n_best and beam[0][0] / base(max_length) <= scores[n_best - 1]:
            break
    step = CountingStep([table])
    search(step, [max_length], beam_size=width, n_best=n_best, length_normalization=normalization)
    assert step.positions == positions


@given(
    table=tables,
    max_length=st.integers(1, 6),
    width=st.integers(1, 6),
    groups=st.integers(2, 3),
    diversity=st.sampled_from([0.0, 0.5, 3.0]),
)
def test_groups_of_a_beam_are_textbook_diverse_beam_search(
    table: Table, max_length: int, width: int, groups: int, diversity: float
) -> None:
    """Each token that the groups before took costs `diversity` in the choice, and nothing in the score."""
    options = dict(beam_size=groups * width, n_best=groups * width, beam_groups=groups, diversity=diversity)
    (hypotheses,) = search([table], [max_length], length_penalty=0.0, **options)
    expected = textbook_beam_search(table, max_length, width, groups * width, lambda _: 1, groups, diversity)
    assert complete(hypotheses) == expected


def progress(tokens: list[int], required: list[list[int]]) -> int:
    """Tokens of the terms that are complete, and of the longest beginning of another one at the end."""
    missing = [term for term in required if not contains(tokens, term)]
    begun = [size for term in missing for size in range(len(term)) if tokens[len(tokens) - size :] == term[:size]]
    return sum(len(term) for term in required if term not in missing) + max(begun, default=0)


def textbook_allocation(table: Table, max_length: int, width: int, required: list[list[int]]) -> list[list[int]]:
    """Dynamic beam allocation as in Post & Vilar 2018: the beam is filled in turn from each degree of progress."""
    beam, finished = [(0.0, [])], list[Path]()
    for position in range(max_length):
        extensions = extensions_of(table, beam)
        available = extensions[: 2 * width]
        for _, tokens in beam:
            best, *others = (path for path in extensions if path[1][:-1] == tokens)
            helpful = {token for token in WORDS if progress([*tokens, token], required) > progress(tokens, required)}
            helpful |= {term[0] for term in required if not contains(tokens, term)}
            helpful |= {END} if position + 1 == max_length else set()
            available += [best, *(path for path in others if path[1][-1] in helpful)]
        distinct = {tuple(tokens): (total, tokens) for total, tokens in available}.values()
        ended, others = split_by_end(sorted(distinct, reverse=True))
        ended = [path for path in ended if all(contains(path[1], term) for term in required)]
        finished += ended[:width]
        banks: dict[int, list[Path]] = {}
        for path in others:
            banks.setdefault(progress(path[1], required), []).append(path)
        turns = [(turn, -degree, path) for degree, bank in banks.items() for turn, path in enumerate(bank)]
        beam = [path for _, _, path in sorted(turns, key=lambda turn: turn[:2])[:width]]
        if len(finished) >= width:
            break
    ranked = [*sorted(finished, reverse=True), *(sorted(beam, reverse=True) if len(finished) < width else [])]
    return [tokens for _, tokens in ranked[:width]]


@given(
    table=tables,
    max_length=st.integers(3, 7),
    width=st.integers(1, 4),
    required=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3), min_size=1, max_size=2),
)
def test_a_narrow_beam_with_terms_is_textbook_dynamic_beam_allocation(
    table: Table, max_length: int, width: int, required: list[list[int]]
) -> None:
    request = Request(max_length=max_length, required=required)
    (hypotheses,) = search([table], [request], beam_size=width, n_best=width, length_penalty=0.0)
    assert complete(hypotheses) == textbook_allocation(table, max_length, width, required)


requests = st.builds(
    Request,
    max_length=st.integers(4, 8),
    min_length=st.integers(1, 4),
    prefix=prefixes,
    required=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=1), max_size=1),
)


@given(
    models=st.lists(st.tuples(tables, requests), min_size=1, max_size=4),
    groups=st.integers(1, 2),
    width=st.integers(1, 3),
    options=st.fixed_dictionaries(scoring),
)
def test_every_hypothesis_keeps_its_constraints_and_reports_the_models_log_probabilities(
    models: list[tuple[Table, Request]], groups: int, width: int, options: dict[str, Any]
) -> None:
    beam_size = groups * width
    results = search(
        [table for table, _ in models],
        [request for _, request in models],
        beam_size=beam_size,
        beam_groups=groups,
        n_best=beam_size,
        **options,
    )
    for (table, request), n_best in zip(models, results, strict=True):
        assert 0 < len(n_best) <= beam_size
        assert len({(*hypothesis.tokens, hypothesis.truncated) for hypothesis in n_best}) == len(n_best)
        ranks = [(hypothesis.truncated, -hypothesis.score) for hypothesis in n_best]
        assert ranks == sorted(ranks)
        for hypothesis in n_best:
            tokens = hypothesis.tokens + [END] * (not hypothesis.truncated)
            assert hypothesis.token_log_probs == pytest.approx(log_probs_of(table, tokens), abs=1e-5)
            assert hypothesis.log_prob == pytest.approx(math.fsum(hypothesis.token_log_probs))
            assert hypothesis.score == pytest.approx(expected_score(table, tokens, request, options), abs=1e-4)
            if hypothesis.truncated:
                assert len(tokens) == request.max_length
            else:
                assert not breaks_a_rule(tokens, request, options["no_repeat_ngram"])


@settings(max_examples=40)
@given(
    models=st.lists(st.tuples(tables, requests), min_size=2, max_size=12),
    beam_size=st.integers(1, 4),
    options=st.fixed_dictionaries(scoring),
)
def test_a_batch_gives_each_sentence_what_it_gets_alone(
    models: list[tuple[Table, Request]], beam_size: int, options: dict[str, Any]
) -> None:
    """Rows leave the batch a few at a time, whichever sentences are done first."""
    together = search(
        [table for table, _ in models], [request for _, request in models], beam_size=beam_size, **options
    )
    for (table, request), n_best in zip(models, together, strict=True):
        (alone,) = search([table], [request], beam_size=beam_size, **options)
        assert [hypothesis.tokens for hypothesis in n_best] == [hypothesis.tokens for hypothesis in alone]
        scores = [hypothesis.score for hypothesis in n_best]
        assert scores == pytest.approx([hypothesis.score for hypothesis in alone], abs=1e-6)
