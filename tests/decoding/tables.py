"""Lookup tables as models: small enough to try every sentence, so that search has an independent judge."""

import itertools
import math
import random
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.decoding.beam import Step, beam_search
from nmt.decoding.engine import Hypothesis, Request
from nmt.decoding.selection import Distribution
from nmt.decoding.text_rules import NO_TEXT, TextRules
from nmt.text.tokenizer import END

VOCAB = 5
SOURCE = 3
CPU = torch.device("cpu")

Prefix = tuple[int, ...]


class Table:
    """A random model: log-probabilities and attention drawn for each prefix, which excludes `<s>`."""

    def __init__(self, seed: int, end_bias: float = 0.0, vocab: int = VOCAB) -> None:
        self.seed, self.end_bias, self.vocab = seed, end_bias, vocab
        self.log_probs, self.attention = cache(self._log_probs), cache(self._attention)

    def __repr__(self) -> str:
        return f"Table({self.seed}, {self.end_bias}, {self.vocab})"

    def _log_probs(self, prefix: Prefix) -> list[float]:
        draw = random.Random(f"{self.seed} {prefix}")
        logits = [draw.gauss(0, 2) + self.end_bias * (token == END) for token in range(self.vocab)]
        total = math.log(sum(map(math.exp, logits)))
        return [logit - total for logit in logits]

    def _attention(self, prefix: Prefix) -> list[float]:
        """The attention of the token after the prefix to a source of three tokens."""
        draw = random.Random(f"attention {self.seed} {prefix}")
        weights = [math.exp(draw.gauss(0, 2)) for _ in range(SOURCE)]
        return [weight / sum(weights) for weight in weights]


class Mixture(Table):
    """An ensemble of tables, computed by hand."""

    def __init__(self, tables: list[Table], average: str) -> None:
        super().__init__(0, vocab=tables[0].vocab)
        self.tables, self.average = tables, average

    def _log_probs(self, prefix: Prefix) -> list[float]:
        log_probs = np.array([table.log_probs(prefix) for table in self.tables])
        if self.average == "probabilities":
            return np.log(np.exp(log_probs).mean(axis=0)).tolist()
        geometric = np.exp(log_probs.mean(axis=0))
        return np.log(geometric / geometric.sum()).tolist()


class TableStep:
    """Tables as search sees them, one for each sentence."""

    def __init__(self, tables: list[Table]) -> None:
        self.rows: list[tuple[Table, list[Prefix]]] = [(table, [()]) for table in tables]
        self.attention: Tensor | None = None

    def __call__(self, tokens: Tensor) -> Distribution:
        for (_, prefixes), newest in zip(self.rows, tokens.tolist(), strict=True):
            prefixes[:] = [(*prefix, token) for prefix, token in zip(prefixes, newest, strict=True)]
        self.attention = self._stack(lambda table: table.attention)
        return Distribution(self._stack(lambda table: table.log_probs))

    def _stack(self, function_of: Callable[[Table], Callable[[Prefix], list[float]]]) -> Tensor:
        return torch.tensor(
            [[function_of(table)(prefix[1:]) for prefix in prefixes] for table, prefixes in self.rows],
            dtype=torch.float32,
        )

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        flat = [prefix for _, prefixes in self.rows for prefix in prefixes]
        kept = range(len(self.rows)) if sentences is None else sentences.tolist()
        chosen, beam = [flat[row] for row in rows.tolist()], len(rows) // len(kept)
        self.rows = [(self.rows[old][0], chosen[new * beam : (new + 1) * beam]) for new, old in enumerate(kept)]


def search(
    models: list[Table] | Step, requests: list[int | Request], text: TextRules = NO_TEXT, **options: Any
) -> list[list[Hypothesis]]:
    """Beam search over tables; a request may be a maximum length, and `beam_size` is SearchConfig's `beam`."""
    requests = [Request(max_length=request) if isinstance(request, int) else request for request in requests]
    config = SearchConfig(**{"beam": options.pop("beam_size", 5), **options})
    assert not config.problems()
    step = TableStep(models) if isinstance(models, list) else models
    return beam_search(step, requests, config, CPU, text)


def log_probs_of(table: Table, tokens: list[int]) -> list[float]:
    """The log-probability of each token, END included if it is among them."""
    return [table.log_probs(tuple(tokens[:position]))[token] for position, token in enumerate(tokens)]


Score = Callable[[Table, list[int]], float]
"""The score of a sentence that ends with END; -inf where a rule forbids it."""


def all_sentences(table: Table, max_length: int, score: Score) -> list[tuple[float, list[int]]]:
    """All sentences within a length in tokens, END included, that no rule forbids: score and tokens, best first."""
    words = [token for token in range(table.vocab) if token != END]
    sentences = [list(row) for length in range(max_length) for row in itertools.product(words, repeat=length)]
    scored = ((score(table, [*sentence, END]), sentence) for sentence in sentences)
    return sorted((pair for pair in scored if pair[0] > -math.inf), reverse=True)


def contains(tokens: list[int], term: list[int]) -> bool:
    """Whether a term is in the tokens, by comparing them as text."""
    return f" {' '.join(map(str, term))} " in f" {' '.join(map(str, tokens))} "
