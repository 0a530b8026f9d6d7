"""Hypotheses on the host: unfinished ones in the beam, finished ones with their scores."""

import math
from collections.abc import Hashable, Sequence

import numpy as np

from nmt.config.search import SearchConfig
from nmt.decoding.candidates import Choice, Choices
from nmt.decoding.engine import Array, Hypothesis, Request, length_penalty
from nmt.decoding.text_rules import TextOf
from nmt.runtime import aligned
from nmt.text.tokenizer import END


class FinishedHypotheses:
    """The finished hypotheses of each sentence and beam group; arrays are [sentence, group]."""

    def __init__(self, requests: Sequence[Request], config: SearchConfig, text_of: TextOf) -> None:
        self.config, self.width = config, config.hypotheses // config.beam_groups
        self.wanted = min(config.returned, self.width)  # hypotheses that each group must return
        self.text_of: TextOf = text_of if config.returned > 1 and not config.sample else lambda _: object()
        self.hypotheses: list[dict[Hashable, tuple[int, Hypothesis]]] = [{} for _ in requests]  # by text, with groups
        self.count = np.zeros((len(requests), config.beam_groups), dtype=int)
        self.to_beat = np.full(self.count.shape, -math.inf)  # score of the last hypothesis that would be returned
        self.largest_penalty = np.array([[self._penalty(request.max_length)] for request in requests])

    def _penalty(self, length: int) -> float:
        return length_penalty(length, self.config.length_penalty, self.config.length_normalization)

    def score(self, path_score: float, length: int, attention: Array | None) -> float:
        """s(Y, X) of a path score, a length, and the attention [source] summed over target tokens; 0 at padding."""
        score = path_score / self._penalty(length)
        if attention is not None:
            coverage = np.log(attention[attention > 0].astype(np.float64).clip(max=1))
            score += self.config.coverage_penalty * float(coverage.sum())
        return score

    def add(self, sentence: int, group: int, hypothesis: Hypothesis) -> None:
        """Add a hypothesis of a sentence, or replace one with the same text if this one is better."""
        hypotheses, text = self.hypotheses[sentence], self.text_of(hypothesis.tokens)
        group, same = hypotheses.get(text, (group, hypothesis))
        hypotheses[text] = group, min(same, hypothesis, key=Hypothesis.order)
        scores = sorted(other.score for owner, other in hypotheses.values() if owner == group)
        self.count[sentence, group] = len(scores)
        if len(scores) >= self.wanted:
            self.to_beat[sentence, group] = scores[-self.wanted]

    def done(self, sentences: Array, best: Array) -> Array:
        """Whether each sentence is done [batch], given the best path score that continues [batch, group]."""
        count = self.count[sentences]
        done = (count >= self.width) | np.isneginf(best)
        if not self.config.sample:  # path scores only fall, so no score exceeds that at the maximum length
            reachable = best / self.largest_penalty[sentences]
            done |= (count >= self.wanted) & (reachable <= self.to_beat[sentences])
        return np.logical_and.reduce(done, axis=1)

    def n_best(self) -> list[list[Hypothesis]]:
        """The n-best list of each sentence, truncated hypotheses last."""
        n_best_lists = ([hypothesis for _, hypothesis in texts.values()] for texts in self.hypotheses)
        return [sorted(n_best, key=Hypothesis.order)[: self.config.returned] for n_best in n_best_lists]


class Beam:
    """The hypotheses of all sentences that are not done yet; dimensions [batch, beam]."""

    def __init__(self, requests: Sequence[Request], config: SearchConfig, text_of: TextOf = tuple) -> None:
        self.width = config.hypotheses // config.beam_groups  # hypotheses in a group
        self.finished = FinishedHypotheses(requests, config, text_of)
        self.max_length = np.array([request.max_length for request in requests])
        self.sentences = np.arange(len(requests))  # the sentence in each row of the batch
        self.open = np.full(len(requests), True)  # whether its search continues: rows leave a few at a time
        self.tokens = np.empty((len(requests), 1, 0), dtype=np.int64)  # after <s>: [batch, beam, length]
        self.log_probs = np.empty((len(requests), 1, 0), dtype=np.float32)
        self.coverage: Array | None = None  # attention summed over target tokens: [batch, beam, source]

    @property
    def length(self) -> int:
        """The number of tokens in each hypothesis."""
        return self.tokens.shape[2]

    def finish(self, choices: Choices) -> None:
        """Add hypotheses that end, or are truncated at the maximum length, and close sentences that are done."""
        if choices.attention is not None:
            self.coverage = choices.attention if self.coverage is None else self.coverage + choices.attention
        at_maximum = self.length + 1 >= self.max_length[self.sentences]
        for group, choice in enumerate(choices.groups):
            self._add_ended(group, choice.finishing, at_maximum)
        best = np.stack([choice.continuing["path_score"].max(axis=1) for choice in choices.groups], axis=1)
        done = self.finished.done(self.sentences, best)
        for row in np.flatnonzero(self.open & at_maximum & ~done).tolist():
            self._add_truncated(row, choices.groups)
        self.open &= ~(done | at_maximum)

    def _add_ended(self, group: int, candidates: Array, at_maximum: Array) -> None:
        searching = self.open & (self.finished.count[self.sentences, group] < self.width)
        ended = (candidates["token"] == END) & (candidates["path_score"] > -math.inf) & searching[:, None]
        ended[:, self.width :] &= at_maximum[:, None] & (self.width > 1)  # greedy search takes the best candidate only
        for row, column in np.argwhere(ended).tolist():
            self._add(row, group, candidates[row, column], truncated=False)

    def _add_truncated(self, row: int, groups: Sequence[Choice]) -> None:
        lacking = self.finished.count[self.sentences[row]] < self.finished.wanted
        for group in np.flatnonzero(lacking).tolist():
            candidates = groups[group].continuing[row]
            for candidate in candidates[candidates["path_score"] > -math.inf]:
                self._add(row, group, candidate, truncated=True)

    def _add(self, row: int, group: int, candidate: Array, *, truncated: bool) -> None:
        path_score, log_prob, parent, token = candidate.item()
        tokens = self.tokens[row, parent].tolist() + [token] * truncated
        log_probs = [*self.log_probs[row, parent].tolist(), log_prob]
        attention = None if self.coverage is None else self.coverage[row, parent]
        score = self.finished.score(path_score, len(log_probs), attention)
        hypothesis = Hypothesis(tokens, log_probs, math.fsum(log_probs), score, truncated)
        self.finished.add(int(self.sentences[row]), group, hypothesis)

    def extend(self, choices: Choices) -> tuple[Array, Array | None]:
        """Make the continuing candidates the hypotheses, and drop rows of sentences that are done.

        Returns these candidates, their parents as flat indices into batch * beam, and the rows kept (None: all).
        """
        kept, beam_size = self._rows_to_keep(), self.tokens.shape[1]
        continuing = np.concatenate([choice.continuing for choice in choices.groups], axis=1)[kept]
        parents = kept[:, None], continuing["parent"]
        self.tokens = np.concatenate([self.tokens[parents], continuing["token"][:, :, None]], axis=2)
        self.log_probs = np.concatenate([self.log_probs[parents], continuing["log_prob"][:, :, None]], axis=2)
        if self.coverage is not None:
            self.coverage = self.coverage[parents]
        all_kept = len(kept) == len(self.open)
        self.sentences, self.open = self.sentences[kept], self.open[kept]
        continuing["parent"] += (kept * beam_size)[:, None]
        return continuing, None if all_kept else kept

    def _rows_to_keep(self) -> Array:
        """The rows of open sentences, and a few others for a batch size that kernels have seen before."""
        batch, still_open = len(self.open), int(self.open.sum())
        size = aligned(still_open, 8) if still_open > 8 else still_open
        if batch - size < max(1, batch // 8):  # dropping rows copies the rest
            return np.arange(batch)
        spare = np.flatnonzero(~self.open)[: size - still_open]
        return np.sort(np.concatenate([spare, np.flatnonzero(self.open)]))
