"""Search over a step function: it knows tokens and log-probabilities, and nothing of the model behind them.

A hypothesis Y for the source X is scored as by Wu et al. 2016 (equation 14), where |Y| counts the end of the sentence:

    s(Y, X) = log p(Y | X) / lp(Y) + cp(X; Y)
    lp(Y)   = ((5 + |Y|) / 6) ** alpha,  or |Y| ** alpha
    cp(X; Y) = beta * sum over source i of log(min(1, sum over target j of attention[j, i]))

Greedy search is a beam of one. Rules (rules.py) lower what search ranks by, and never the log-probabilities it reports.
Samples are hypotheses of which each goes its own way. All sentences of a batch advance together; a sentence that is
done leaves the batch, and its neighbours do not notice.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.config import SearchConfig
from nmt.decoding import rules
from nmt.decoding.constraints import choose_constrained
from nmt.decoding.sampling import draw, uniform_numbers
from nmt.text.tokenizer import BEGIN, END

_ROUND = 8
"""Batches shrink to multiples of this size."""


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


class Distribution(Protocol):
    """The log-probabilities of what follows each hypothesis of a batch."""

    def log_probs(self) -> Tensor:
        """All of them: [batch, beam, vocab]."""

    def best(self, count: int) -> tuple[Tensor, Tensor]:
        """The largest of each hypothesis, largest first, and their tokens: [batch, beam, count] or fewer."""


class Step(Protocol):
    """The model as search sees it. There is one hypothesis of each sentence at first, and then a beam of them."""

    @property
    def observed(self) -> Tensor | None:
        """Attention of the newest tokens to the source [batch, beam, source], where coverage is asked for."""

    def __call__(self, tokens: Tensor) -> Distribution:
        """What follows the newest tokens [batch, beam]."""

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Go on with these hypotheses (flat indices into batch * beam) of these sentences (None: of all)."""


def length_penalty(length: int, alpha: float, normalization: str = "wu") -> float:
    """lp(Y) of a hypothesis of this length, the end of the sentence counted.

    >>> length_penalty(1, 0.6), length_penalty(7, 1.0), length_penalty(7, 1.0, "average")
    (1.0, 2.0, 7.0)
    """
    base = (5 + length) / 6 if normalization == "wu" else length
    return float(base**alpha)


def coverage_score(attention: Tensor) -> float:
    """cp(X; Y) without its beta, of the attention [source] of all tokens together; padding, which has none, apart."""
    return float(attention[attention > 0].clamp(max=1).log().sum())


def beam_search(
    step: Step,
    requests: Sequence[Request],
    config: SearchConfig,
    device: torch.device,
    forbidden: rules.ForbiddenWords | None = None,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence, `config.found` at most, best first; there is always one at least.

    A sentence is done when as many of its hypotheses have ended as its beam has, or when none that goes on could still
    be among the best.
    """
    search = _Search(requests, config, device, forbidden)
    while search.sentences:
        rows, sentences = search.advance(step(search.newest), step.observed)
        if search.sentences:
            step.select(rows, sentences)
    return search.results()


class _Candidates(NamedTuple):
    """Extensions of hypotheses, best first; all of [batch, count]."""

    rank: Tensor  # the sum that search ranks by, the extension included
    log_prob: Tensor  # of the extension alone
    parent: Tensor  # the hypothesis that it extends
    token: Tensor  # and by what

    def take(self, index: Tensor) -> "_Candidates":
        """Those at these places of each row [batch, count]."""
        return _Candidates(*(one.gather(1, index) for one in self))

    def widened(self, count: int) -> "_Candidates":
        """The same with impossible ones at the end, if they are fewer than `count`."""
        missing = (0, max(0, count - self.rank.size(1)))
        rank, *others = self
        return _Candidates(F.pad(rank, missing, value=-math.inf), *(F.pad(one, missing) for one in others))


class _Search:
    """The hypotheses of all sentences that are not done yet; dimensions [batch, beam]."""

    def __init__(
        self,
        requests: Sequence[Request],
        config: SearchConfig,
        device: torch.device,
        forbidden: rules.ForbiddenWords | None,
    ) -> None:
        self.config, self.requests, self.forbidden = config, requests, forbidden
        self.width = config.hypotheses // config.beam_groups  # hypotheses in a group
        self.sentences = list(range(len(requests)))  # which sentence each row of the batch is
        self.open = [True] * len(requests)  # whether its search goes on: rows leave the batch a few at a time
        self.ended: list[list[list[Hypothesis]]] = [[[] for _ in range(config.beam_groups)] for _ in requests]
        self.length = 0  # tokens of each hypothesis behind <s>
        batch = len(requests)
        self.newest = torch.full((batch, 1), BEGIN, device=device)
        self.tokens = torch.empty((batch, 1, 0), dtype=torch.long, device=device)
        self.token_log_probs = torch.empty((batch, 1, 0), device=device)
        self.rank = torch.zeros((batch, 1), device=device)  # sum of the scores that rules leave
        self.coverage: Tensor | None = None  # attention of all tokens so far [batch, beam, source]
        self.uniform = uniform_numbers(requests, config, device) if config.sample else None
        self.constrained = any(request.required for request in requests)
        self.needs_all = config.sample or config.beam_groups > 1 or self.constrained or forbidden is not None
        self.needs_all |= config.no_repeat_ngram > 0 or config.repetition_penalty > 1

    # ------------------------------------------------------------------------------------------------- one position

    def advance(self, following: Distribution, observed: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Extend every hypothesis; returns which old ones the new ones extend, and the sentences that go on."""
        if self.config.coverage_penalty:
            assert observed is not None
            self.coverage = observed if self.coverage is None else self.coverage + observed
        groups: list[_Candidates] = []
        for candidates in self._candidates(following):
            self._keep_ended(len(groups), candidates)
            groups.append(self._going_on(candidates))
        self.length += 1
        best = torch.stack([one.rank.amax(1) for one in groups], dim=1).tolist()
        for row in range(len(self.sentences)):
            self.open[row] = self.open[row] and not self._closes(row, best[row], groups)
        return self._move(_Candidates(*(torch.cat(parts, dim=1) for parts in zip(*groups, strict=True))))

    def _candidates(self, following: Distribution) -> Iterator[_Candidates]:
        """The candidates of each group; those of one depend on what the groups before it took."""
        if not (self.needs_all or self._has_early_rules()):
            log_probs, token = following.best(2 * self.width)
            yield self._best(log_probs, log_probs, token)
            return
        log_probs = following.log_probs()
        scores = self._ruled(log_probs)
        if self.config.sample:
            yield self._draw(scores, log_probs)
            return
        used = torch.zeros_like(scores[:, 0])  # how often each token was taken by the groups so far
        for group in range(self.config.beam_groups):
            first = 0 if self.length == 0 else group * self.width  # all groups begin with the same hypothesis
            own = slice(first, first + (1 if self.length == 0 else self.width))
            found = self._best_of_all(scores[:, own], log_probs[:, own], used, own)
            yield found
            taken = self._going_on(found)
            used.scatter_add_(1, taken.token, torch.ones_like(taken.rank))

    def _has_early_rules(self) -> bool:
        """Whether some sentence has a prefix still, or must not end yet."""
        requests = (self.requests[sentence] for sentence in self.sentences)
        return any(self.length < max(len(one.prefix), one.min_length - 1) for one in requests)

    def _ruled(self, log_probs: Tensor) -> Tensor:
        """The log-probabilities as search ranks by them."""
        config, scores = self.config, log_probs.clone()
        if config.repetition_penalty > 1:
            rules.penalise_repetition(scores, self.tokens, config.repetition_penalty)
        if config.no_repeat_ngram:
            rules.forbid_repeated_ngrams(scores, self.tokens, config.no_repeat_ngram)
        if self.forbidden:
            self.forbidden.forbid(scores, self.tokens)
        for row, sentence in enumerate(self.sentences):
            request = self.requests[sentence]
            if self.length < request.min_length - 1:
                scores[row, :, END] = -math.inf
            if self.length < len(request.prefix):
                rules.force(scores[row], log_probs[row], request.prefix[self.length])
        return scores

    def _best(self, scores: Tensor, log_probs: Tensor, token: Tensor, first: int = 0) -> _Candidates:
        """The 2 * width best extensions: at most half of them can end here, the others go on.

        Given are the best extensions of each hypothesis [batch, beam, each]; `first` is the first hypothesis.
        """
        batch, beam, each = scores.shape
        before = self.rank[:, first : first + beam]
        rank, index = (before[:, :, None] + scores).view(batch, -1).topk(min(2 * self.width, beam * each), dim=1)
        log_prob, token = log_probs.view(batch, -1).gather(1, index), token.view(batch, -1).gather(1, index)
        return _Candidates(rank, log_prob, index // each + first, token)

    def _best_of_all(self, scores: Tensor, log_probs: Tensor, used: Tensor, own: slice) -> _Candidates:
        """The same of all extensions [batch, beam, vocab] of a group, which shuns the tokens that others used."""
        penalty = self.config.diversity * used[:, None, :]
        top, token = (scores - penalty).topk(min(2 * self.width, scores.size(2)), dim=2)
        found = self._best(top, log_probs.gather(2, token), token, own.start)
        if self.config.beam_groups > 1:  # in this choice alone: it does not stay in the rank
            rank = found.rank + penalty[:, 0].gather(1, found.token)
            found = found._replace(rank=rank)
        if self.constrained:
            found = found.widened(2 * self.width)
            for row, sentence in enumerate(self.sentences):
                if self.requests[sentence].required and self.open[row]:
                    self._constrain(found, row, scores[row], log_probs[row], own)
        return found

    def _constrain(self, found: _Candidates, row: int, scores: Tensor, log_probs: Tensor, own: slice) -> None:
        """Put other candidates in the row of a sentence in which terms must stand."""
        total = self.rank[row, own][:, None] + scores
        request, tokens = self.requests[self.sentences[row]], self.tokens[row, own].tolist()
        last = self.length + 1 == request.max_length
        chosen = choose_constrained(total, tokens, request.required, self.width, last=last)
        found.rank[row] = -math.inf
        for column, (rank, parent, token) in enumerate(chosen):
            found.rank[row, column], found.log_prob[row, column] = rank, log_probs[parent, token]
            found.parent[row, column], found.token[row, column] = parent + own.start, token

    def _draw(self, scores: Tensor, log_probs: Tensor) -> _Candidates:
        """An extension of each sample, drawn at random."""
        assert self.uniform is not None
        batch, beam, vocab = scores.shape
        token = draw(scores.expand(batch, self.width, vocab), self.uniform[:, :, self.length], self.config)
        parent = torch.arange(self.width, device=scores.device).clamp_max(beam - 1).expand(batch, self.width)
        index = parent * vocab + token
        rank = self.rank.gather(1, parent) + scores.flatten(1).gather(1, index)
        return _Candidates(rank, log_probs.flatten(1).gather(1, index), parent, token)

    def _going_on(self, candidates: _Candidates) -> _Candidates:
        """The best of the candidates that do not end; samples stay in their places."""
        going_on = candidates._replace(rank=candidates.rank.masked_fill(candidates.token == END, -math.inf))
        if self.config.sample:
            return going_on
        count = going_on.rank.size(1)
        order = torch.arange(count, device=going_on.rank.device) + count * going_on.rank.isneginf()  # as they came
        index = order.topk(min(self.width, count), dim=1, largest=False).indices
        return going_on.take(index).widened(self.width)  # a vocabulary may be smaller than the beam

    def _move(self, chosen: _Candidates) -> tuple[Tensor, Tensor | None]:
        """Make the extensions the hypotheses, and let sentences go that are done."""
        batch, beam = self.rank.shape
        first = torch.arange(batch, device=self.rank.device)[:, None] * beam
        sentences, kept = None, self._kept()
        if len(kept) < batch:
            self.sentences, self.open = [self.sentences[row] for row in kept], [self.open[row] for row in kept]
            sentences = torch.tensor(kept, dtype=torch.long, device=first.device)
            first, chosen = first[sentences], _Candidates(*(one[sentences] for one in chosen))
            if self.uniform is not None:
                self.uniform = self.uniform[sentences]
        rows = (first + chosen.parent).flatten()
        self.rank, self.newest = chosen.rank, chosen.token
        self.tokens = torch.cat([self._of(rows, self.tokens), chosen.token[:, :, None]], dim=2)
        self.token_log_probs = torch.cat([self._of(rows, self.token_log_probs), chosen.log_prob[:, :, None]], dim=2)
        if self.coverage is not None:
            self.coverage = self._of(rows, self.coverage)
        return rows, sentences

    def _kept(self) -> list[int]:
        """The rows that go on: those that are open, and some others for a batch of a round size.

        Nothing leaves before an eighth of the batch can, as that moves the others. Kernels are made for each new size.
        """
        batch, going_on = len(self.open), self.open.count(True)
        size = -(-going_on // _ROUND) * _ROUND if going_on > _ROUND else going_on
        if batch - size < max(1, batch // 8):
            return list(range(batch))
        spare = [row for row, is_open in enumerate(self.open) if not is_open][: size - going_on]
        return sorted(spare + [row for row, is_open in enumerate(self.open) if is_open])

    def _of(self, rows: Tensor, x: Tensor) -> Tensor:
        """What the hypotheses that go on have of x [batch, beam, ...]."""
        return x.flatten(0, 1).index_select(0, rows).view(*self.rank.shape, x.size(2))

    # --------------------------------------------------------------------------------------------- hypotheses that end

    def _keep_ended(self, group: int, candidates: _Candidates) -> None:
        """Keep those of the best candidates of a group that end here."""
        ends = (candidates.token[:, : self.width] == END) & (candidates.rank[:, : self.width] > -math.inf)
        for row, column in ends.nonzero().tolist():
            if self.open[row] and len(self.ended[self.sentences[row]][group]) < self.width:
                self._keep(row, group, candidates, column)

    def _keep(self, row: int, group: int, candidates: _Candidates, column: int) -> None:
        """Keep a candidate as a hypothesis of its sentence; one that does not end is truncated."""
        rank, log_prob, parent, token = (one[row, column].item() for one in candidates)
        tokens, log_probs = self.tokens[row, int(parent)].tolist(), self.token_log_probs[row, int(parent)].tolist()
        log_probs.append(log_prob)
        score = rank / length_penalty(len(log_probs), self.config.length_penalty, self.config.length_normalization)
        if self.coverage is not None:
            score += self.config.coverage_penalty * coverage_score(self.coverage[row, int(parent)])
        if token != END:
            tokens.append(token)
        hypothesis = Hypothesis(tokens, log_probs, math.fsum(log_probs), score, truncated=token != END)
        self.ended[self.sentences[row]][group].append(hypothesis)

    def _closes(self, row: int, best: list[float], groups: list[_Candidates]) -> bool:
        """Whether a sentence is done now: all groups have what they want, or its length is reached."""
        sentence = self.sentences[row]
        if all(self._is_done(*one, sentence) for one in zip(self.ended[sentence], best, strict=True)):
            return True
        if self.length < self.requests[sentence].max_length:
            return False
        for group, candidates in enumerate(groups):
            if len(self.ended[sentence][group]) < self._wanted:
                for column in (candidates.rank[row] > -math.inf).nonzero().flatten().tolist():
                    self._keep(row, group, candidates, column)
        return True

    @property
    def _wanted(self) -> int:
        """Hypotheses that each group must give."""
        return min(self.config.found, self.width)

    def _is_done(self, ended: list[Hypothesis], best: float, sentence: int) -> bool:
        """Whether a group has enough ended hypotheses, the best of those that go on being `best`."""
        if len(ended) >= self.width or best == -math.inf:
            return True
        if len(ended) < self._wanted or self.config.sample:
            return False
        # ranks only fall, so what goes on can reach at most its present one over the largest penalty
        longest = self.requests[sentence].max_length
        reachable = best / length_penalty(longest, self.config.length_penalty, self.config.length_normalization)
        return reachable <= sorted((one.score for one in ended), reverse=True)[self._wanted - 1]

    def results(self) -> list[list[Hypothesis]]:
        """The best of each sentence; what ended by itself goes before what was truncated."""
        found = []
        for groups in self.ended:
            every = [one for group in groups for one in group]
            if len(groups) > 1:  # two groups may come to the same end
                every = list({tuple(one.tokens): one for one in every}.values())
            found.append(sorted(every, key=lambda one: (one.truncated, -one.score))[: self.config.found])
        return found
