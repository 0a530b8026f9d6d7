"""Engines: models that turn batches of source tokens into hypotheses.

A hypothesis Y for the source X is scored as by Wu et al. 2016 (equation 14), where |Y| counts the end of sentence:

    s(Y, X) = log p(Y | X) / lp(Y) + cp(X; Y)
    lp(Y)   = ((5 + |Y|) / 6) ** alpha,  or |Y| ** alpha
    cp(X; Y) = beta * sum over source i of log(min(1, sum over target j of attention[j, i]))
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt

from nmt.config.search import SearchConfig
from nmt.decoding.text_rules import NO_TEXT, TextRules

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A sentence to translate and the constraints on its translation; lengths in tokens, end of sentence included."""

    source: Sequence[int] = ()  # ends with END
    words: Sequence[int] = ()  # of the source, for its tokens without END; for alignments only
    fine: bool = False  # whether `words` also end at punctuation
    max_length: int
    min_length: int = 1
    prefix: Sequence[int] = ()  # first tokens of the translation
    required: Sequence[Sequence[int]] = ()  # terms, as tokens, that the translation must contain
    seed: int = 0  # of its samples


class Hypothesis(NamedTuple):
    """A finished translation: its tokens without end of sentence, and its scores."""

    tokens: list[int]
    token_log_probs: list[float]  # of each token and, unless truncated, of the end of sentence
    log_prob: float  # their sum
    score: float  # s(Y, X)
    truncated: bool  # whether it reached the maximum length unfinished

    def order(self) -> tuple[bool, float]:
        """The key that sorts an n-best list: best first, truncated hypotheses last."""
        return self.truncated, -self.score


def length_penalty(length: int, alpha: float, normalization: str = "average") -> float:
    """lp(Y) of a hypothesis of this length, end of sentence included.

    >>> length_penalty(7, 1.0), length_penalty(1, 0.6, "wu"), length_penalty(7, 1.0, "wu")
    (7.0, 1.0, 2.0)
    """
    base = (5 + length) / 6 if normalization == "wu" else length
    return float(base**alpha)


class Engine(Protocol):
    """A model that can search: on torch, or in other software."""

    max_length: int  # tokens of source and translation, END included
    gpu: bool  # whether it computes on a GPU
    processes: int  # that are to search at the same time
    batches: int  # that it takes at a time, to decode them in parallel by itself

    def choose(self, config: SearchConfig) -> "Engine":
        """The engine for a search; UsageError if there is none."""

    def on_torch(self) -> Any:
        """TorchEngine, nmt's own engine with the same model; UsageError if there is none."""

    def search(
        self,
        requests: Sequence[Request],
        config: SearchConfig,
        text: TextRules = NO_TEXT,
        *,
        token_scores: bool = True,
    ) -> list[list[Hypothesis]]:
        """The n-best list of each request; without `token_scores`, log-probabilities of tokens may be missing."""

    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Array]:
        """The attention of target tokens to source tokens, for alignments: [target, source] of each pair."""
