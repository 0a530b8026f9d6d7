"""An engine that translates each sentence to itself, for tests of what happens around search."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nmt.config.search import SearchConfig
from nmt.decoding.engine import Array, Hypothesis, Request
from nmt.errors import UsageError

ONCE = SearchConfig(no_repeat_ngram=1, fold_case=False)
"""Settings with which the engine writes each sentence once, as it is."""


class Echo:
    """Writes the source, four times unless n-grams are blocked; in its n-best list the last token stands more often."""

    max_length, batches, processes, gpu = 60, 1, 1, False

    def __init__(self, answers: list[list[int]] | None = None) -> None:
        """`answers`, if given, are the n-best list of each request."""
        self.answers = answers
        self.broken: list[int] = []  # a source that makes search fail
        self.requests: list[Request] = []

    def choose(self, config: SearchConfig) -> "Echo":
        return self

    def on_torch(self) -> Any:
        raise UsageError("this requires nmt's own engine")

    def search(
        self, requests: Sequence[Request], config: SearchConfig, text: object = None, *, token_scores: bool = True
    ) -> list[list[Hypothesis]]:
        self.requests += requests
        if self.broken and any(request.source[:-1] == self.broken for request in requests):
            raise RuntimeError("this one breaks")
        times = 1 if config.no_repeat_ngram else 4
        rows = [self.answers or _echoes(list(request.source[:-1]), times, config.returned) for request in requests]
        return [[_hypothesis(tokens, place) for place, tokens in enumerate(row)] for row in rows]

    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Array]:
        return [np.eye(len(target), len(source)) for source, target in zip(sources, targets, strict=True)]


def _echoes(source: list[int], times: int, count: int) -> list[list[int]]:
    return [source * times + source[-1:] * place for place in range(count)]


def _hypothesis(tokens: list[int], place: int) -> Hypothesis:
    log_probs = [-1.0] * (len(tokens) + 1)
    return Hypothesis(tokens, log_probs, sum(log_probs), -1.0 - place, truncated=False)
