"""Hypotheses that have ended, their scores, and which sentences are done. It knows no tensors: this is the host's part.

A hypothesis Y for the source X is scored as by Wu et al. 2016 (equation 14), where |Y| counts the end of the sentence:

    s(Y, X) = log p(Y | X) / lp(Y) + cp(X; Y)
    lp(Y)   = ((5 + |Y|) / 6) ** alpha,  or |Y| ** alpha
    cp(X; Y) = beta * sum over source i of log(min(1, sum over target j of attention[j, i]))
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from nmt.config import SearchConfig

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked of search for one sentence; lengths count the end of the sentence."""

    max_length: int
    min_length: int = 1
    prefix: Sequence[int] = ()  # tokens that the translation begins with
    required: Sequence[Sequence[int]] = ()  # rows of tokens that must each stand in it
    seed: int = 0  # of its samples


class Hypothesis(NamedTuple):
    """A translation: its tokens without the end of the sentence, and its scores."""

    tokens: list[int]
    token_log_probs: list[float]  # of each token and, unless truncated, of the end of the sentence
    log_prob: float  # their sum
    score: float  # what search ranks by
    truncated: bool  # whether the longest length allowed ended it


def length_penalty(length: int, alpha: float, normalization: str = "wu") -> float:
    """lp(Y) of a hypothesis of this length, the end of the sentence counted.

    >>> length_penalty(1, 0.6), length_penalty(7, 1.0), length_penalty(7, 1.0, "average")
    (1.0, 2.0, 7.0)
    """
    base = (5 + length) / 6 if normalization == "wu" else length
    return float(base**alpha)


def coverage_score(attention: Array) -> float:
    """cp(X; Y) without its beta, of the attention [source] of all tokens together; padding, which has none, apart."""
    return float(np.log(attention[attention > 0].astype(np.float64).clip(max=1)).sum())


class Ended:
    """The hypotheses of each sentence that have ended, in the groups of its beam; arrays are [sentence, group]."""

    def __init__(self, requests: Sequence[Request], config: SearchConfig) -> None:
        self.config, self.width = config, config.hypotheses // config.beam_groups
        self.wanted = min(config.found, self.width)  # hypotheses that each group must give
        self.kept: list[list[list[Hypothesis]]] = [[[] for _ in range(config.beam_groups)] for _ in requests]
        self.count = np.zeros((len(requests), config.beam_groups), dtype=int)
        self.to_beat = np.full(self.count.shape, -math.inf)  # the score of the last one that is wanted
        self.longest_penalty = np.array([[self._penalty(request.max_length)] for request in requests])

    def _penalty(self, length: int) -> float:
        return length_penalty(length, self.config.length_penalty, self.config.length_normalization)

    def add(
        self,
        sentence: int,
        group: int,
        tokens: list[int],
        log_probs: list[float],
        rank: float,
        coverage: Array | None,
        *,
        truncated: bool = False,
    ) -> None:
        """Keep a hypothesis; `rank` is what its score divides by the length, `coverage` its attention [source]."""
        score = rank / self._penalty(len(log_probs))
        if coverage is not None:
            score += self.config.coverage_penalty * coverage_score(coverage)
        kept = self.kept[sentence][group]
        kept.append(Hypothesis(tokens, log_probs, math.fsum(log_probs), score, truncated))
        self.count[sentence, group] = len(kept)
        if len(kept) >= self.wanted:
            self.to_beat[sentence, group] = sorted((one.score for one in kept), reverse=True)[self.wanted - 1]

    def done(self, sentences: Array, best: Array) -> Array:
        """Whether each sentence has what it wants, `best` [batch, group] being the best rank that goes on.

        A group is done when as many of its hypotheses have ended as it has, or when none that goes on could still be
        among the wanted ones: ranks only fall, so a hypothesis reaches at most its rank over the largest penalty.
        """
        count = self.count[sentences]
        done = (count >= self.width) | np.isneginf(best)
        if not self.config.sample:
            reachable = best / self.longest_penalty[sentences]
            done |= (count >= self.wanted) & (reachable <= self.to_beat[sentences])
        every: Array = np.all(done, axis=1)
        return every

    def results(self) -> list[list[Hypothesis]]:
        """The best of each sentence; what ended by itself goes before what was truncated."""
        found = []
        for groups in self.kept:
            every = [one for group in groups for one in group]
            if len(groups) > 1:  # two groups may come to the same end
                every = list({tuple(one.tokens): one for one in every}.values())
            found.append(sorted(every, key=lambda one: (one.truncated, -one.score))[: self.config.found])
        return found
