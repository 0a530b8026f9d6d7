"""Beam search over a step function: it knows tokens and log-probabilities, and nothing of the model behind them.

A hypothesis Y is scored by log p(Y) / lp(Y) with the length penalty of Wu et al. 2016 (equation 14),

    lp(Y) = ((5 + |Y|) / 6) ** alpha

where |Y| counts the end of the sentence. Greedy search is a beam of one. All sentences of a batch advance together;
a sentence that is done leaves the batch, and its neighbours do not notice.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nmt.text.tokenizer import BEGIN, END


class Hypothesis(NamedTuple):
    """A translation: its tokens without the end of the sentence, and its scores."""

    tokens: list[int]
    score: float  # log_prob divided by the length penalty
    log_prob: float  # of all tokens and, unless truncated, of the end of the sentence
    truncated: bool  # whether the longest length allowed ended it


class Step(Protocol):
    """The model as search sees it."""

    def __call__(self, tokens: Tensor, position: int) -> Tensor:
        """Log-probabilities [batch, beam, vocab] of what follows the newest tokens [batch, beam]."""

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Keep these hypotheses (flat indices into batch * beam) and, unless None, these sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """What the search itself must know."""

    beam_size: int = 5
    length_penalty: float = 1.0
    n_best: int = 1


def length_penalty(length: int, alpha: float) -> float:
    """lp(Y) of a hypothesis of this length, the end of the sentence counted.

    >>> length_penalty(1, 0.6), length_penalty(7, 1.0)
    (1.0, 2.0)
    """
    return float(((5 + length) / 6) ** alpha)


def beam_search(
    step: Step, max_lengths: list[int], options: SearchOptions, device: torch.device
) -> list[list[Hypothesis]]:
    """The `n_best` best hypotheses of each sentence, best first; there is always one at least.

    `max_lengths` bounds the tokens of each sentence's hypotheses, the end of the sentence counted. A sentence is done
    when `beam_size` of its hypotheses have ended, or when none that goes on could still be among the n best.
    """
    search = _Search(max_lengths, options, device)
    while search.sentences:
        log_probs = step(search.tokens[:, :, -1], search.length)
        rows, sentences = search.advance(log_probs)
        if search.sentences:
            step.select(rows, sentences)
    return search.results()


class _Search:
    """The hypotheses of all sentences that are not done yet; dimensions [batch, beam]."""

    def __init__(self, max_lengths: list[int], options: SearchOptions, device: torch.device) -> None:
        self.options = options
        self.max_lengths = max_lengths
        self.sentences = list(range(len(max_lengths)))  # which sentence each row of the batch is
        self.ended: list[list[Hypothesis]] = [[] for _ in max_lengths]
        self.length = 0  # tokens of each hypothesis behind <s>
        shape = (len(max_lengths), options.beam_size)
        self.tokens = torch.full((*shape, 1), BEGIN, device=device)
        self.log_prob = torch.full(shape, -torch.inf, device=device)
        self.log_prob[:, 0] = 0.0  # all hypotheses are the same at first, so only one of them may be extended

    def advance(self, log_probs: Tensor) -> tuple[Tensor, Tensor | None]:
        """Extend every hypothesis; returns which old ones the new ones extend, and the sentences that go on."""
        log_prob, parent, token = self._candidates(log_probs)
        self.length += 1
        beam = self.options.beam_size
        # of twice the beam's candidates at most half can end here, so that enough are left to go on
        self._keep_ended(log_prob[:, :beam].tolist(), parent[:, :beam].tolist(), token[:, :beam].tolist())
        going_on = log_prob.masked_fill(token == END, -torch.inf)
        self.log_prob, chosen = going_on.topk(beam, dim=1)
        parent, token = parent.gather(1, chosen), token.gather(1, chosen)
        self.tokens = torch.cat([self._of_parents(parent), token[:, :, None]], dim=2)
        best = self.log_prob[:, 0].tolist()
        open_rows = [row for row in range(len(self.sentences)) if not self._is_done(row, best[row])]
        batch = torch.arange(len(self.sentences), device=parent.device)[:, None]
        if len(open_rows) == len(self.sentences):
            return (batch * beam + parent).flatten(), None
        kept = torch.tensor(open_rows, dtype=torch.long, device=parent.device)
        rows = (batch * beam + parent).index_select(0, kept).flatten()
        self.sentences = [self.sentences[row] for row in open_rows]
        self.tokens, self.log_prob = self.tokens.index_select(0, kept), self.log_prob.index_select(0, kept)
        return rows, kept

    def _candidates(self, log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The 2 * beam best extensions of each sentence, best first: log-probability, hypothesis extended, token."""
        batch, beam, vocab = log_probs.shape
        each = min(2 * beam, vocab)  # no hypothesis can have more of its extensions among the best than that
        top, token = log_probs.topk(each, dim=-1)
        total = (self.log_prob[:, :, None] + top).view(batch, beam * each)
        best, index = total.topk(min(2 * beam, beam * each), dim=1)
        return best, index // each, token.view(batch, beam * each).gather(1, index)

    def _of_parents(self, parent: Tensor) -> Tensor:
        return self.tokens.gather(1, parent[:, :, None].expand(-1, -1, self.tokens.size(2)))

    def _keep_ended(self, log_prob: list[list[float]], parent: list[list[int]], token: list[list[int]]) -> None:
        penalty = length_penalty(self.length, self.options.length_penalty)
        for row, sentence in enumerate(self.sentences):
            for total, hypothesis, last in zip(log_prob[row], parent[row], token[row], strict=True):
                if last == END and total > -torch.inf:
                    tokens = self.tokens[row, hypothesis, 1:].tolist()
                    self.ended[sentence].append(Hypothesis(tokens, total / penalty, total, truncated=False))

    def _is_done(self, row: int, best: float) -> bool:
        """Whether a sentence has enough ended hypotheses, or reached its length; keeps those that the length ends."""
        sentence = self.sentences[row]
        ended, n_best = self.ended[sentence], self.options.n_best
        if len(ended) >= self.options.beam_size or best == -torch.inf:
            return True
        limit = self.max_lengths[sentence]
        if self.length >= limit:
            if len(ended) < n_best:
                self._keep_truncated(row)
            return True
        if len(ended) < n_best:
            return False
        # log-probabilities only fall, so what goes on can reach at most its present one over the largest penalty
        reachable = best / length_penalty(limit, self.options.length_penalty)
        return reachable <= sorted((one.score for one in ended), reverse=True)[n_best - 1]

    def _keep_truncated(self, row: int) -> None:
        penalty = length_penalty(self.length, self.options.length_penalty)
        for total, tokens in zip(self.log_prob[row].tolist(), self.tokens[row, :, 1:].tolist(), strict=True):
            if total > -torch.inf:
                self.ended[self.sentences[row]].append(Hypothesis(tokens, total / penalty, total, truncated=True))

    def results(self) -> list[list[Hypothesis]]:
        """The best of each sentence; what ended by itself goes before what was truncated."""
        return [
            sorted(ended, key=lambda one: (one.truncated, -one.score))[: self.options.n_best] for ended in self.ended
        ]
