"""Beam search over tables of log-probabilities: a model small enough to try every sentence."""

import itertools
import math
import random

import pytest
import torch
from torch import Tensor

from nmt.decoding.beam import Hypothesis, SearchOptions, beam_search, length_penalty
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


class TableStep:
    """Tables as search sees them, one for each sentence."""

    def __init__(self, tables: list[Table], beam: int) -> None:
        self.beam = beam
        self.tables = [(table, [()] * beam) for table in tables]

    def __call__(self, tokens: Tensor, position: int) -> Tensor:
        if position:
            for (_, prefixes), newest in zip(self.tables, tokens.tolist(), strict=True):
                prefixes[:] = [(*prefix, token) for prefix, token in zip(prefixes, newest, strict=True)]
        return torch.stack(
            [torch.stack([table.log_probs(prefix) for prefix in prefixes]) for table, prefixes in self.tables]
        )

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        flat = [prefix for _, prefixes in self.tables for prefix in prefixes]
        kept = range(len(self.tables)) if sentences is None else sentences.tolist()
        chosen = [flat[row] for row in rows.tolist()]
        self.tables = [
            (self.tables[old][0], chosen[new * self.beam : (new + 1) * self.beam]) for new, old in enumerate(kept)
        ]


def search(tables: list[Table], limits: list[int], **options: float) -> list[list[Hypothesis]]:
    chosen = SearchOptions(**options)  # type: ignore[arg-type]
    return beam_search(TableStep(tables, chosen.beam_size), limits, chosen, CPU)


def every_sentence(table: Table, limit: int, alpha: float) -> list[tuple[float, list[int]]]:
    """All sentences that end within the limit, best first, by trying each."""
    found = []
    others = [token for token in range(VOCAB) if token != END]
    for length in range(limit):
        for words in itertools.product(others, repeat=length):
            total = sum(float(table.log_probs(words[:i])[token]) for i, token in enumerate([*words, END]))
            found.append((total / ((5 + length + 1) / 6) ** alpha, list(words)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
def test_a_wide_beam_finds_what_trying_every_sentence_finds(alpha: float) -> None:
    """200 random models over the four penalties, eight sentences at a time."""
    for group in range(7):
        tables = [Table(1000 * group + i, end_bias=random.Random(i).choice([-2, 0, 2])) for i in range(8)]
        limits = [random.Random(f"{group} {i}").choice([1, 2, 3, 4]) for i in range(8)]
        results = search(tables, limits, beam_size=4**4, length_penalty=alpha, n_best=3)
        for table, limit, hypotheses in zip(tables, limits, results, strict=True):
            expected = every_sentence(table, limit, alpha)[:3]
            assert [one.tokens for one in hypotheses[: len(expected)]] == [words for _, words in expected]
            for one, (score, _) in zip(hypotheses, expected, strict=False):
                assert one.score == pytest.approx(score, abs=1e-4)


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
            total = sum(float(table.log_probs(tuple(tokens[:i]))[token]) for i, token in enumerate(tokens))
            assert one.log_prob == pytest.approx(total, abs=1e-4)
            assert one.score == pytest.approx(total / length_penalty(len(tokens), 0.8), abs=1e-4)


def test_what_the_length_cuts_off_is_marked_and_never_longer() -> None:
    never_ends = Table(3, end_bias=-50.0)
    results = search([never_ends], [5], beam_size=3, n_best=3)[0]
    assert [one.truncated for one in results] == [True] * 3
    assert {len(one.tokens) for one in results} == {5}


def test_the_length_penalty_is_that_of_wu_et_al() -> None:
    assert length_penalty(10, 0.6) == pytest.approx(math.exp(0.6 * (math.log(15) - math.log(6))))
