"""Beam search over tables of log-probabilities: a model small enough to try every sentence."""

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.config import SearchConfig
from nmt.decoding.beam import beam_search
from nmt.decoding.hypotheses import Hypothesis, Request, length_penalty
from nmt.decoding.sampling import draw
from nmt.decoding.step import Known
from nmt.text.tokenizer import END

VOCAB = 5
CPU = torch.device("cpu")


class Table:
    """A random model: log-probabilities that depend on the whole prefix, drawn once for each."""

    def __init__(self, seed: int, end_bias: float = 0.0) -> None:
        self.seed, self.end_bias = seed, end_bias

    def log_probs(self, prefix: tuple[int, ...]) -> Tensor:
        draw = random.Random(f"{self.seed} {prefix}")
        logits = torch.tensor([draw.gauss(0, 2) for _ in range(VOCAB)], dtype=torch.float64)
        logits[END] += self.end_bias
        return logits.log_softmax(0).float()

    def attention(self, prefix: tuple[int, ...]) -> Tensor:
        """How the token behind the prefix attends to a source of three tokens."""
        draw = random.Random(f"attention {self.seed} {prefix}")
        return torch.tensor([draw.gauss(0, 2) for _ in range(3)]).softmax(0)


class TableStep:
    """Tables as search sees them, one for each sentence; `observed` follows from the prefix as well."""

    def __init__(self, tables: list[Table]) -> None:
        self.tables = [(table, [()]) for table in tables]
        self.observed: Tensor | None = None

    def __call__(self, tokens: Tensor) -> Known:
        for (_, prefixes), newest in zip(self.tables, tokens.tolist(), strict=True):
            assert len(prefixes) == len(newest)
            prefixes[:] = [(*prefix, token) for prefix, token in zip(prefixes, newest, strict=True)]
        self.observed = self._each(lambda table, prefix: table.attention(prefix))
        return Known(self._each(lambda table, prefix: table.log_probs(prefix)))

    def _each(self, function: Callable[[Table, tuple[int, ...]], Tensor]) -> Tensor:
        """What a function gives for each hypothesis; its prefix is told without `<s>`."""
        return torch.stack(
            [torch.stack([function(table, prefix[1:]) for prefix in prefixes]) for table, prefixes in self.tables]
        )

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        flat = [prefix for _, prefixes in self.tables for prefix in prefixes]
        kept = range(len(self.tables)) if sentences is None else sentences.tolist()
        chosen, beam = [flat[row] for row in rows.tolist()], len(rows) // len(kept)
        self.tables = [(self.tables[old][0], chosen[new * beam : (new + 1) * beam]) for new, old in enumerate(kept)]


def search(tables: list[Table], requests: list[int | Request], **options: Any) -> list[list[Hypothesis]]:
    asked = [Request(max_length=one) if isinstance(one, int) else one for one in requests]
    config = SearchConfig(**{"beam": options.pop("beam_size", 5), **options})
    assert not config.problems()
    return beam_search(TableStep(tables), asked, config, CPU)


Score = Callable[[Table, list[int]], float]


def total(table: Table, tokens: list[int]) -> float:
    """The log-probability of tokens, an end of the sentence included if it is among them."""
    return sum(float(table.log_probs(tuple(tokens[:i]))[token]) for i, token in enumerate(tokens))


def every_sentence(table: Table, limit: int, score: Score) -> list[tuple[float, list[int]]]:
    """All sentences that end within the limit, best first, by trying each; those that score -inf are not allowed."""
    others = [token for token in range(VOCAB) if token != END]
    words = [list(one) for length in range(limit) for one in itertools.product(others, repeat=length)]
    scored = ((score(table, [*one, END]), one) for one in words)
    return sorted((one for one in scored if one[0] > -math.inf), reverse=True)


def check_exhaustively(score: Score, request: dict[str, Any] | None = None, groups: int = 4, **options: Any) -> None:
    """A beam that loses nothing finds the best three of all sentences, of eight random models at a time."""
    for group in range(groups):
        tables = [Table(1000 * group + i, end_bias=random.Random(i).choice([-2, 0, 2])) for i in range(8)]
        limits = [random.Random(f"{group} {i}").choice([2, 3, 4]) for i in range(8)]
        requests = [Request(max_length=limit, **(request or {})) for limit in limits]
        results = search(tables, requests, beam_size=4**4, n_best=3, **options)
        for table, limit, hypotheses in zip(tables, limits, results, strict=True):
            expected = every_sentence(table, limit, score)[:3]
            found = [one for one in hypotheses if not one.truncated]
            assert [one.tokens for one in found] == [words for _, words in expected]
            for one, (best, _) in zip(found, expected, strict=True):
                assert one.score == pytest.approx(best, abs=1e-4)
                assert one.log_prob == pytest.approx(total(table, [*one.tokens, END]), abs=1e-4)


@pytest.mark.parametrize("normalization", ["wu", "average"])
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
def test_a_wide_beam_finds_what_trying_every_sentence_finds(alpha: float, normalization: str) -> None:
    def score(table: Table, tokens: list[int]) -> float:
        length = len(tokens)
        return total(table, tokens) / (((5 + length) / 6) ** alpha if normalization == "wu" else length**alpha)

    check_exhaustively(score, length_penalty=alpha, length_normalization=normalization)


def test_the_coverage_penalty_is_that_of_wu_et_al() -> None:
    def score(table: Table, tokens: list[int]) -> float:
        attended = sum(table.attention(tuple(tokens[:i])) for i in range(len(tokens)))
        coverage = sum(math.log(min(float(one), 1.0)) for one in attended)  # type: ignore[union-attr]
        return total(table, tokens) / ((5 + len(tokens)) / 6) + 0.7 * coverage

    check_exhaustively(score, coverage_penalty=0.7)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_tokens_in_a_row_are_written_twice(n: int) -> None:
    def score(table: Table, tokens: list[int]) -> float:
        ngrams = [tuple(tokens[i : i + n]) for i in range(len(tokens) - n)]
        return -math.inf if len(set(ngrams)) < len(ngrams) else total(table, tokens)

    check_exhaustively(score, no_repeat_ngram=n, length_penalty=0.0)


def test_the_repetition_penalty_multiplies_the_log_probability_of_what_was_written() -> None:
    def score(table: Table, tokens: list[int]) -> float:
        steps = [float(table.log_probs(tuple(tokens[:i]))[token]) for i, token in enumerate(tokens)]
        return sum(step * (1.5 if token in tokens[:i] else 1) for i, (step, token) in enumerate(zip(steps, tokens)))  # noqa: B905

    check_exhaustively(score, repetition_penalty=1.5, length_penalty=0.0)


@pytest.mark.parametrize("shortest", [2, 3])
def test_a_translation_is_as_long_as_was_asked(shortest: int) -> None:
    def score(table: Table, tokens: list[int]) -> float:
        return total(table, tokens) if len(tokens) >= shortest else -math.inf

    check_exhaustively(score, {"min_length": shortest}, length_penalty=0.0)


@pytest.mark.parametrize("prefix", [[4], [0, 1]])
def test_a_prefix_is_written_first(prefix: list[int]) -> None:
    def score(table: Table, tokens: list[int]) -> float:
        begins = tokens[: len(prefix)] == prefix and len(tokens) > len(prefix)
        return total(table, tokens) if begins else -math.inf

    check_exhaustively(score, {"prefix": prefix}, length_penalty=0.0)


@pytest.mark.parametrize("required", [[[4]], [[1, 2]], [[0, 1], [1, 4]], [[2], [2, 2]], [[0], [1], [4]]])
def test_required_terms_stand_in_the_translation(required: list[list[int]]) -> None:
    """One token and several, overlapping terms, terms within others."""

    def score(table: Table, tokens: list[int]) -> float:
        text = " ".join(map(str, tokens))
        return total(table, tokens) if all(" ".join(map(str, term)) in text for term in required) else -math.inf

    check_exhaustively(score, {"required": required}, length_penalty=0.0)


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_narrow_beam_writes_required_terms_as_well(beam_size: int) -> None:
    for seed in range(60):
        draw = random.Random(seed)
        required = [[draw.choice([0, 1, 2, 4]) for _ in range(draw.randint(1, 3))] for _ in range(draw.randint(1, 3))]
        (found,) = search([Table(seed, end_bias=2)], [Request(max_length=20, required=required)], beam_size=beam_size)
        text = " ".join(map(str, found[0].tokens))
        assert all(" ".join(map(str, term)) in text for term in required)


class Late(Table):
    """A model whose sentences have six words at least, nearly always."""

    def log_probs(self, prefix: tuple[int, ...]) -> Tensor:
        scores = super().log_probs(prefix).clone()
        scores[END] += -12.0 if len(prefix) < 6 else 6.0
        return scores.log_softmax(0)


def test_a_term_does_not_end_a_sentence_before_its_time() -> None:
    """Were an improbable end a candidate once all terms are there, stumps would fill the beam and stop the search."""
    for seed in range(40):
        (found,) = search([Late(seed)], [Request(max_length=12, required=[[seed % 2, 4]])], beam_size=5)
        assert f"{seed % 2}, 4" in str(found[0].tokens)
        assert len(found[0].tokens) >= 6


def test_groups_of_a_diverse_beam_avoid_each_others_tokens() -> None:
    """By hand, for two groups of one hypothesis: the second takes the best token that the first did not take."""
    for seed in range(30):
        table = Table(seed, end_bias=-50)
        first, second = (), ()
        for _ in range(3):
            one = int(table.log_probs(first).argmax())
            scores = table.log_probs(second).clone()
            scores[one] -= 100.0
            first, second = (*first, one), (*second, int(scores.argmax()))
        (found,) = search([table], [3], beam_size=2, n_best=2, beam_groups=2, diversity=100.0)
        assert {tuple(one.tokens) for one in found} == {first, second}
        for one in found:
            assert one.log_prob == pytest.approx(total(table, one.tokens), abs=1e-4)


def test_groups_without_diversity_are_smaller_beams() -> None:
    for seed in range(20):
        one = search([Table(seed)], [6], beam_size=3)
        assert search([Table(seed)], [6], beam_size=6, beam_groups=2, diversity=0.0) == one


def test_samples_come_as_often_as_their_probability_says() -> None:
    """20,000 draws of the first two tokens of a model, against the model itself."""
    table, draws = Table(5), 20_000
    requests = [Request(max_length=2, seed=seed) for seed in range(draws // 1000)]
    results = search([table] * len(requests), list(requests), sample=True, n_best=1000)
    found = Counter((*one.tokens, END)[:2] for result in results for one in result)
    for pair, count in found.items():
        expected = math.exp(total(table, list(pair)))
        assert count / draws == pytest.approx(expected, abs=5 * math.sqrt(expected / draws) + 1e-4)


@pytest.mark.parametrize(
    ("options", "allowed"),
    [({"top_k": 2}, 2), ({"top_p": 1e-6}, 1), ({"temperature": 0.001}, 1), ({"top_k": 99}, VOCAB)],
)
def test_sampling_is_limited_to_the_best_tokens(options: dict[str, Any], allowed: int) -> None:
    for seed in range(10):
        table = Table(seed)
        (found,) = search([table], [Request(max_length=1, seed=seed)], sample=True, n_best=200, **options)
        drawn = {(*one.tokens, END)[0] for one in found}
        best = set(table.log_probs(()).topk(allowed).indices.tolist())
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
    alone = [search([table], [one], sample=True, n_best=3)[0] for table, one in zip(tables, requests, strict=True)]
    assert together == alone
    assert search(tables, [replace(one, seed=99) for one in requests], sample=True, n_best=3) != together


ALL_OPTIONS: list[dict[str, Any]] = [
    {},
    {"length_normalization": "average", "coverage_penalty": 0.3, "no_repeat_ngram": 2, "repetition_penalty": 1.2},
    {"beam_size": 4, "beam_groups": 2, "n_best": 4, "diversity": 1.0, "no_repeat_ngram": 3},
    {"sample": True, "n_best": 4, "top_k": 4, "top_p": 0.9, "temperature": 1.3, "repetition_penalty": 1.2},
]


@pytest.mark.parametrize("options", ALL_OPTIONS)
def test_a_sentence_does_not_notice_its_neighbours_with_any_options(options: dict[str, Any]) -> None:
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
    alone = [search([table], [one], **options)[0] for table, one in zip(tables, requests, strict=True)]
    assert together == alone


@pytest.mark.parametrize("beam_size", [1, 2, 5])
def test_a_sentence_does_not_notice_its_neighbours(beam_size: int) -> None:
    tables = [Table(seed) for seed in range(30)]
    limits = [1 + seed % 6 for seed in range(30)]
    together = search(tables, limits, beam_size=beam_size, n_best=beam_size)
    alone = [
        search([table], [limit], beam_size=beam_size, n_best=beam_size)[0]
        for table, limit in zip(tables, limits, strict=True)
    ]
    assert together == alone


def test_a_beam_of_one_takes_the_best_token_at_each_step() -> None:
    for seed in range(50):
        table, prefix = Table(seed), ()
        while len(prefix) < 8 and (token := int(table.log_probs(prefix).argmax())) != END:
            prefix = (*prefix, token)
        (found,) = search([table], [8], beam_size=1)[0]
        assert found.tokens == list(prefix)
        assert found.truncated == (len(prefix) == 8)


def test_scores_are_those_of_the_tokens() -> None:
    for seed in range(30):
        table = Table(seed)
        for one in search([table], [6], beam_size=4, length_penalty=0.8, n_best=4)[0]:
            tokens = one.tokens if one.truncated else [*one.tokens, END]
            expected = total(table, tokens)
            assert one.log_prob == pytest.approx(expected, abs=1e-4)
            assert one.score == pytest.approx(expected / length_penalty(len(tokens), 0.8), abs=1e-4)
            assert sum(one.token_log_probs) == pytest.approx(one.log_prob, abs=1e-6)


def test_what_the_length_cuts_off_is_marked_and_never_longer() -> None:
    never_ends = Table(3, end_bias=-50.0)
    results = search([never_ends], [5], beam_size=3, n_best=3)[0]
    assert [one.truncated for one in results] == [True] * 3
    assert {len(one.tokens) for one in results} == {5}


def test_the_length_penalty_is_that_of_wu_et_al() -> None:
    assert length_penalty(10, 0.6) == pytest.approx(math.exp(0.6 * (math.log(15) - math.log(6))))
