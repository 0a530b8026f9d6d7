"""Beam search over lookup tables: models small enough to try every sentence."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tables import END, VOCAB, Score, Table, all_sentences, contains, log_probs_of, search

from nmt.config.search import SearchConfig
from nmt.decoding.engine import Request, length_penalty
from nmt.decoding.sampling import draw
from nmt.decoding.text_rules import TextRules


def total(table: Table, tokens: list[int]) -> float:
    return sum(log_probs_of(table, tokens))


def check_exhaustively(score: Score, request: dict[str, Any] | None = None, groups: int = 4, **options: Any) -> None:
    """A beam that loses nothing finds the best three of all sentences, of eight random models at a time."""
    for group in range(groups):
        tables = [Table(1000 * group + i, end_bias=random.Random(i).choice([-2, 0, 2])) for i in range(8)]
        limits = [random.Random(f"{group} {i}").choice([2, 3, 4]) for i in range(8)]
        requests = [Request(max_length=limit, **(request or {})) for limit in limits]
        results = search(tables, requests, beam_size=4**4, n_best=3, **options)
        for table, limit, n_best in zip(tables, limits, results, strict=True):
            expected = all_sentences(table, limit, score)[:3]
            finished = [hypothesis for hypothesis in n_best if not hypothesis.truncated]
            assert [hypothesis.tokens for hypothesis in finished] == [tokens for _, tokens in expected]
            for hypothesis, (best, _) in zip(finished, expected, strict=True):
                assert hypothesis.score == pytest.approx(best, abs=1e-4)
                assert hypothesis.log_prob == pytest.approx(total(table, [*hypothesis.tokens, END]), abs=1e-4)


@pytest.mark.parametrize("normalization", ["wu", "average"])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
def test_a_wide_beam_finds_the_best_of_all_sentences(alpha: float, normalization: str) -> None:
    def score(table: Table, tokens: list[int]) -> float:
        length = len(tokens)
        return total(table, tokens) / (((5 + length) / 6) ** alpha if normalization == "wu" else length**alpha)

    check_exhaustively(score, length_penalty=alpha, length_normalization=normalization)


def test_the_coverage_penalty_is_that_of_wu_et_al() -> None:
    def score(table: Table, tokens: list[int]) -> float:
        attention = [table.attention(tuple(tokens[:position])) for position in range(len(tokens))]
        coverage = sum(math.log(min(sum(column), 1.0)) for column in zip(*attention, strict=True))
        return total(table, tokens) / ((5 + len(tokens)) / 6) + 0.7 * coverage

    check_exhaustively(score, coverage_penalty=0.7, length_normalization="wu")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_ngram_is_repeated(n: int) -> None:
    def score(table: Table, tokens: list[int]) -> float:
        ngrams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n)]
        return -math.inf if len(set(ngrams)) < len(ngrams) else total(table, tokens)

    check_exhaustively(score, no_repeat_ngram=n, length_penalty=0.0)


def test_the_repetition_penalty_multiplies_the_log_probability_of_repeated_tokens() -> None:
    def score(table: Table, tokens: list[int]) -> float:
        log_probs = log_probs_of(table, tokens)
        return sum(log_prob * (1.5 if tokens[i] in tokens[:i] else 1) for i, log_prob in enumerate(log_probs))

    check_exhaustively(score, repetition_penalty=1.5, length_penalty=0.0)


@pytest.mark.parametrize("shortest", [2, 3])
def test_no_translation_is_shorter_than_the_minimum_length(shortest: int) -> None:
    def score(table: Table, tokens: list[int]) -> float:
        return total(table, tokens) if len(tokens) >= shortest else -math.inf

    check_exhaustively(score, {"min_length": shortest}, length_penalty=0.0)


@pytest.mark.parametrize("prefix", [[4], [0, 1]])
def test_a_translation_begins_with_its_prefix(prefix: list[int]) -> None:
    def score(table: Table, tokens: list[int]) -> float:
        begins = tokens[: len(prefix)] == prefix and len(tokens) > len(prefix)
        return total(table, tokens) if begins else -math.inf

    check_exhaustively(score, {"prefix": prefix}, length_penalty=0.0)


@pytest.mark.parametrize("required", [[[4]], [[1, 2]], [[0, 1], [1, 4]], [[2], [2, 2]], [[0], [1], [4]]])
def test_a_translation_contains_its_required_terms(required: list[list[int]]) -> None:
    """One token and several, overlapping terms, terms within others."""

    def score(table: Table, tokens: list[int]) -> float:
        return total(table, tokens) if all(contains(tokens, term) for term in required) else -math.inf

    check_exhaustively(score, {"required": required}, length_penalty=0.0)


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_narrow_beam_writes_required_terms_as_well(beam_size: int) -> None:
    for seed in range(60):
        draw = random.Random(seed)
        required = [[draw.choice([0, 1, 2, 4]) for _ in range(draw.randint(1, 3))] for _ in range(draw.randint(1, 3))]
        (n_best,) = search([Table(seed, end_bias=2)], [Request(max_length=20, required=required)], beam_size=beam_size)
        assert all(contains(n_best[0].tokens, term) for term in required)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_an_n_best_list_holds_each_text_once_in_its_best_hypothesis(alpha: float) -> None:
    """Tokens 0 and 1 write the same text, and so do 2 and 4 4."""

    def text_of(tokens: Sequence[int]) -> str:
        return "".join("aab$b"[token] if token != 2 else "bb" for token in tokens)

    for seed in range(12):
        best = dict[str, float]()
        for _, tokens in all_sentences(table := Table(seed), 4, total):
            score = total(table, [*tokens, END]) / (1 + len(tokens)) ** alpha
            best[text_of(tokens)] = max(best.get(text_of(tokens), -math.inf), score)
        options = dict(beam_size=4**4, n_best=5, length_penalty=alpha)
        (n_best,) = search([table], [4], TextRules(text_of=text_of), **options)
        expected = sorted(best.items(), key=lambda pair: -pair[1])[:5]
        assert [text_of(hypothesis.tokens) for hypothesis in n_best] == [text for text, _ in expected]
        assert [hypothesis.score for hypothesis in n_best] == pytest.approx([score for _, score in expected], abs=1e-4)


def test_all_hypotheses_that_end_in_the_last_step_count() -> None:
    """By hand: at the maximum length of two, a beam of two holds two hypotheses that may both end there."""
    for seed in range(40):
        table = Table(seed)
        words = [token for token in range(VOCAB) if token != END]
        beam = sorted(words, key=lambda token: -table.log_probs(())[token])[:2]
        ends = [(total(table, [token, END]), [token]) for token in beam]
        extensions = [(total(table, [first, last]), [first, last]) for first in beam for last in range(VOCAB)]
        among_best = [[first] for _, (first, last) in sorted(extensions, reverse=True)[:4] if last == END]
        (n_best,) = search([table], [Request(max_length=2, min_length=2)], beam_size=2, n_best=2, length_penalty=0.0)
        finished = [hypothesis.tokens for hypothesis in n_best if not hypothesis.truncated]
        assert finished == [tokens for _, tokens in sorted(ends, reverse=True) if tokens in among_best]


class Late(Table):
    """A model whose sentences nearly always have six tokens at least."""

    def _log_probs(self, prefix: tuple[int, ...]) -> list[float]:
        log_probs = super()._log_probs(prefix)
        log_probs[END] += -12.0 if len(prefix) < 6 else 6.0
        return torch.tensor(log_probs, dtype=torch.float64).log_softmax(0).tolist()


def test_a_term_does_not_end_a_sentence_early() -> None:
    """If an improbable end were a candidate once all terms are written, stumps would fill the beam and stop search."""
    for seed in range(40):
        (n_best,) = search([Late(seed)], [Request(max_length=12, required=[[seed % 2, 4]])], beam_size=5)
        assert contains(n_best[0].tokens, [seed % 2, 4])
        assert len(n_best[0].tokens) >= 6


def test_groups_of_a_diverse_beam_avoid_each_others_tokens() -> None:
    """By hand, for two groups of one hypothesis: the second takes the best token that the first did not take."""
    for seed in range(30):
        table = Table(seed, end_bias=-50)
        first, second = (), ()
        for _ in range(3):
            taken = int(np.argmax(table.log_probs(first)))
            scores = list(table.log_probs(second))
            scores[taken] -= 100.0
            first, second = (*first, taken), (*second, int(np.argmax(scores)))
        (n_best,) = search([table], [3], beam_size=2, n_best=2, beam_groups=2, diversity=100.0)
        assert {tuple(hypothesis.tokens) for hypothesis in n_best} == {first, second}
        for hypothesis in n_best:
            assert hypothesis.log_prob == pytest.approx(total(table, hypothesis.tokens), abs=1e-4)


def test_groups_without_diversity_are_smaller_beams() -> None:
    for seed in range(20):
        expected = search([Table(seed)], [6], beam_size=3)
        assert search([Table(seed)], [6], beam_size=6, beam_groups=2, diversity=0.0) == expected


def test_samples_are_as_frequent_as_they_are_probable() -> None:
    """20,000 samples of the first two tokens of a model, against the model itself."""
    table, draws = Table(5), 20_000
    requests = [Request(max_length=2, seed=seed) for seed in range(draws // 1000)]
    results = search([table] * len(requests), list(requests), sample=True, n_best=1000)
    counts = Counter((*sample.tokens, END)[:2] for samples in results for sample in samples)
    for pair, count in counts.items():
        expected = math.exp(total(table, list(pair)))
        assert count / draws == pytest.approx(expected, abs=5 * math.sqrt(expected / draws) + 1e-4)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [({"top_k": 2}, 2), ({"top_p": 1e-6}, 1), ({"temperature": 0.001}, 1), ({"top_k": 99}, VOCAB)],
)
def test_sampling_is_limited_to_the_most_probable_tokens(options: dict[str, Any], allowed: int) -> None:
    for seed in range(10):
        table = Table(seed)
        (samples,) = search([table], [Request(max_length=1, seed=seed)], sample=True, n_best=200, **options)
        drawn = {(*sample.tokens, END)[0] for sample in samples}
        best = set(np.argsort(table.log_probs(()))[-allowed:].tolist())
        assert drawn <= best
        assert allowed > 2 or drawn == best


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(1000, 4)
    uniform = torch.linspace(0, 1 - 1e-9, 1000, dtype=torch.float64)
    drawn = Counter(draw(logits, uniform, SearchConfig(sample=True, top_p=0.7)).tolist())
    assert drawn == pytest.approx({0: 625, 1: 375}, abs=1)


def test_a_sample_depends_on_its_seed_alone() -> None:
    tables = [Table(seed) for seed in range(20)]
    requests = [Request(max_length=8, seed=seed) for seed in range(20)]
    together = search(tables, list(requests), sample=True, n_best=3)
    alone = [search([table], [request], sample=True, n_best=3)[0] for table, request in zip(tables, requests)]  # noqa: B905
    assert together == alone
    assert search(tables, [replace(request, seed=99) for request in requests], sample=True, n_best=3) != together


ALL_OPTIONS: list[dict[str, Any]] = [
    {},
    {"length_normalization": "average", "coverage_penalty": 0.3, "no_repeat_ngram": 2, "repetition_penalty": 1.2},
    {"beam_size": 4, "beam_groups": 2, "n_best": 4, "diversity": 1.0, "no_repeat_ngram": 3},
    {"sample": True, "n_best": 4, "top_k": 4, "top_p": 0.9, "temperature": 1.3, "repetition_penalty": 1.2},
]


@pytest.mark.parametrize("options", ALL_OPTIONS)
def test_a_sentence_does_not_depend_on_its_neighbours_with_any_options(options: dict[str, Any]) -> None:
    tables, draw = [Table(seed) for seed in range(30)], random.Random(1)
    requests = [
        Request(
            max_length=4 + seed % 6,
            min_length=1 + seed % 3,
            prefix=[4] * (seed % 2),
            required=[[draw.choice([0, 1, 2])]] if seed % 3 == 0 and not options.get("sample") else [],
            seed=seed,
        )
        for seed in range(30)
    ]
    together = search(tables, list(requests), **options)
    alone = [search([table], [request], **options)[0] for table, request in zip(tables, requests, strict=True)]
    assert together == alone


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_sentence_does_not_depend_on_its_neighbours(beam_size: int) -> None:
    tables = [Table(seed) for seed in range(30)]
    limits = [1 + seed % 6 for seed in range(30)]
    together = search(tables, limits, beam_size=beam_size, n_best=beam_size)
    alone = [
        search([table], [limit], beam_size=beam_size, n_best=beam_size)[0]
        for table, limit in zip(tables, limits, strict=True)
    ]
    assert together == alone


def test_a_beam_of_one_takes_the_best_token_at_each_position() -> None:
    for seed in range(50):
        table, prefix = Table(seed), ()
        while len(prefix) < 8 and (token := int(np.argmax(table.log_probs(prefix)))) != END:
            prefix = (*prefix, token)
        (hypothesis,) = search([table], [8], beam_size=1)[0]
        assert hypothesis.tokens == list(prefix)
        assert hypothesis.truncated == (len(prefix) == 8)


def test_scores_are_those_of_the_tokens() -> None:
    for seed in range(30):
        table = Table(seed)
        for hypothesis in search([table], [6], beam_size=4, length_penalty=0.8, n_best=4)[0]:
            tokens = hypothesis.tokens if hypothesis.truncated else [*hypothesis.tokens, END]
            expected = total(table, tokens)
            assert hypothesis.log_prob == pytest.approx(expected, abs=1e-4)
            assert hypothesis.score == pytest.approx(expected / length_penalty(len(tokens), 0.8), abs=1e-4)
            assert sum(hypothesis.token_log_probs) == pytest.approx(hypothesis.log_prob, abs=1e-6)


def test_a_truncated_hypothesis_is_marked_and_has_the_maximum_length() -> None:
    never_ends = Table(3, end_bias=-50.0)
    n_best = search([never_ends], [5], beam_size=3, n_best=3)[0]
    assert [hypothesis.truncated for hypothesis in n_best] == [True] * 3
    assert {len(hypothesis.tokens) for hypothesis in n_best} == {5}


def test_the_length_penalty_is_that_of_wu_et_al() -> None:
    assert length_penalty(10, 0.6, "wu") == pytest.approx(math.exp(0.6 * (math.log(15) - math.log(6))))
