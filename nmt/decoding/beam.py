"""Search over a step function: it knows tokens and log-probabilities, and nothing of the model behind them.

The device gives candidates, extensions of hypotheses; the host decides which end and which go on. So each position
takes one transfer from the device, however many hypotheses end, and one back. hypotheses.py says how they are scored.

Greedy search is a beam of one. Rules (rules.py) lower what search ranks by, and never the log-probabilities it reports.
Samples are hypotheses of which each goes its own way. All sentences of a batch advance together; a sentence that is
done leaves the batch, and its neighbours do not notice.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from nmt.config import SearchConfig
from nmt.decoding import rules
from nmt.decoding.constraints import Candidate, Terms
from nmt.decoding.hypotheses import Array, Ended, Hypothesis, Request
from nmt.decoding.sampling import draw, uniform_numbers
from nmt.runtime import to_device
from nmt.text.tokenizer import BEGIN, END

_ROUND = 8
"""Batches shrink to multiples of this size."""


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


def beam_search(
    step: Step,
    requests: Sequence[Request],
    config: SearchConfig,
    device: torch.device,
    forbidden: rules.ForbiddenWords | None = None,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each sentence, `config.found` at most, best first; there is always one at least."""
    search = _Search(requests, config, device, forbidden)
    while True:
        following = step(search.newest)
        search.advance(following, step.observed)
        if not search.open.any():
            return search.ended.results()
        step.select(*search.go_on())


class _Found(NamedTuple):
    """Candidates on the device, best first; all of [batch, count]."""

    rank: Tensor  # the sum that search ranks by, the extension included
    log_prob: Tensor  # of the extension alone
    parent: Tensor  # the hypothesis that it extends
    token: Tensor  # and by what

    def packed(self) -> Tensor:
        """The bits of all as integers of 32 bits: [4, batch, count]."""
        bits = (one.view(torch.int32) if one.is_floating_point() else one.int() for one in self)
        return torch.stack(list(bits))


class _Chosen:
    """The same on the host, packed: [4, batch, count]."""

    __slots__ = ("log_prob", "packed", "parent", "rank", "token")

    def __init__(self, packed: Array) -> None:
        self.packed = packed
        self.rank, self.log_prob = packed[0].view(np.float32), packed[1].view(np.float32)
        self.parent, self.token = packed[2], packed[3]

    def take(self, *index: Any) -> "_Chosen":
        """Those of an index of [batch, count]."""
        return _Chosen(self.packed[(slice(None), *index)])

    def widened(self, count: int) -> "_Chosen":
        """The same with impossible ones at the end, if they are fewer than `count`."""
        missing = count - self.rank.shape[1]
        if missing <= 0:
            return self
        wide = _Chosen(np.pad(self.packed, ((0, 0), (0, 0), (0, missing))))
        wide.rank[:, -missing:] = -math.inf
        return wide


def _transfer(tensors: Sequence[Tensor]) -> list[Array]:
    """Tensors of integers of 32 bits on the host, in one transfer."""
    if len(tensors) == 1:
        return [tensors[0].cpu().numpy()]
    flat = torch.cat([one.flatten() for one in tensors]).cpu().numpy()
    ends = np.cumsum([one.numel() for one in tensors])
    return [part.reshape(one.shape) for part, one in zip(np.split(flat, ends[:-1]), tensors, strict=True)]


class _Search:
    """The hypotheses of all sentences that are not done yet; dimensions [batch, beam]."""

    def __init__(
        self,
        requests: Sequence[Request],
        config: SearchConfig,
        device: torch.device,
        forbidden: rules.ForbiddenWords | None,
    ) -> None:
        self.config, self.requests, self.device, self.forbidden = config, requests, device, forbidden
        self.width = config.hypotheses // config.beam_groups  # hypotheses in a group
        self.ended = Ended(requests, config)
        self.longest = np.array([request.max_length for request in requests])
        self.early = np.array([max(len(request.prefix), request.min_length - 1) for request in requests])
        self.sentences = np.arange(len(requests))  # which sentence each row of the batch is
        self.open = np.full(len(requests), True)  # whether its search goes on: rows leave the batch a few at a time
        self.length = 0  # tokens of each hypothesis after <s>
        self.tokens = np.empty((len(requests), 1, 0), dtype=np.int64)
        self.log_probs = np.empty((len(requests), 1, 0), dtype=np.float32)
        self.observed: Tensor | None = None  # attention of the newest tokens, not fetched yet
        self.coverage: Array | None = None  # attention of all tokens so far [batch, beam, source]
        self.going_on: _Chosen  # what `advance` has chosen
        self.newest = torch.full((len(requests), 1), BEGIN, device=device)
        self.rank = torch.zeros((len(requests), 1), device=device)  # sum of the scores that rules leave
        self.uniform = uniform_numbers(requests, config, device) if config.sample else None
        self.constrained = any(request.required for request in requests)
        self.needs_all = config.sample or config.beam_groups > 1 or self.constrained or forbidden is not None
        self.needs_all |= config.no_repeat_ngram > 0 or config.repetition_penalty > 1

    # ------------------------------------------------------------------------------------------------- one position

    def advance(self, following: Distribution, observed: Tensor | None) -> None:
        """Extend every hypothesis: some end, some go on, and some sentences are done."""
        self.observed = observed if self.config.coverage_penalty else None
        if self.constrained:
            groups = list(self._constrained(following))
        else:
            fetched = self._fetch([found.packed() for found in self._candidates(following)])
            groups = [self._choose(_Chosen(packed)) for packed in fetched]
        self.length += 1
        for group, (ending, _) in enumerate(groups):
            self._keep_ended(group, ending)
        self.going_on = groups[0][1]
        if len(groups) > 1:
            self.going_on = _Chosen(np.concatenate([going_on.packed for _, going_on in groups], axis=2))
        self._close()

    def _fetch(self, tensors: Sequence[Tensor]) -> list[Array]:
        """Tensors on the host, in one transfer; with the first of a position comes what was observed."""
        if self.observed is None:
            return _transfer(tensors)
        *fetched, bits = _transfer([*tensors, self.observed.view(torch.int32)])
        observed = bits.view(np.float32)
        self.coverage = observed if self.coverage is None else self.coverage + observed
        self.observed = None
        return fetched

    def _choose(self, found: _Chosen) -> tuple[_Chosen, _Chosen]:
        """Of the candidates of a group the best, which may end here, and the best of those that do not."""
        impossible = (found.token == END) | np.isneginf(found.rank)
        if self.config.sample:  # samples stay in their places
            going_on = _Chosen(found.packed.copy())
            going_on.rank[impossible] = -math.inf
        else:
            order = impossible.argsort(axis=1, kind="stable")[:, : self.width]  # as they came, the possible ones first
            index = np.arange(len(order))[:, None], order
            going_on = found.take(*index)
            going_on.rank[impossible[index]] = -math.inf
        first = found.take(slice(None), slice(self.width))
        return first.widened(self.width), going_on.widened(self.width)

    def go_on(self) -> tuple[Tensor, Tensor | None]:
        """Make the chosen candidates the hypotheses, and let sentences go that are done.

        Returns which of the old hypotheses they extend, flat, and the rows of the sentences that go on, if not all do.
        """
        kept, beam = self._kept(), self.tokens.shape[1]
        chosen = self.going_on if len(kept) == len(self.open) else self.going_on.take(kept)
        extended = kept[:, None], chosen.parent
        self.tokens = np.concatenate([self.tokens[extended], chosen.token[:, :, None]], axis=2)
        self.log_probs = np.concatenate([self.log_probs[extended], chosen.log_prob[:, :, None]], axis=2)
        if self.coverage is not None:
            self.coverage = self.coverage[extended]
        packed = chosen.packed.copy()
        packed[2] += (kept * beam).astype(np.int32)[:, None]
        rank, _, rows, self.newest = to_device(packed, self.device).unbind()
        flat, self.rank = rows.flatten(), rank.view(torch.float32)
        if len(kept) == len(self.open):
            return flat, None
        self.sentences, self.open = self.sentences[kept], self.open[kept]
        sentences = to_device(kept, self.device)
        if self.uniform is not None:
            self.uniform = self.uniform.index_select(0, sentences)
        return flat, sentences

    def _kept(self) -> Array:
        """The rows that go on: those that are open, and some others for a batch of a round size.

        Nothing leaves before an eighth of the batch can, as that moves the others. Kernels are made for each new size.
        """
        batch, going_on = len(self.open), int(self.open.sum())
        size = -(-going_on // _ROUND) * _ROUND if going_on > _ROUND else going_on
        if batch - size < max(1, batch // 8):
            return np.arange(batch)
        spare = np.flatnonzero(~self.open)[: size - going_on]
        return np.sort(np.concatenate([spare, np.flatnonzero(self.open)]))

    # --------------------------------------------------------------------------------------------- hypotheses that end

    def _keep_ended(self, group: int, candidates: _Chosen) -> None:
        """Keep those of the best candidates of a group that end here."""
        ends = (candidates.token == END) & (candidates.rank > -math.inf) & self.open[:, None]
        for row, column in np.argwhere(ends).tolist():
            if self.ended.count[self.sentences[row], group] < self.width:
                self._keep(row, group, candidates, column)

    def _close(self) -> None:
        """Close the sentences that are done, and those whose length is reached; theirs are cut off where any lack."""
        best = self.going_on.rank.reshape(len(self.open), self.config.beam_groups, self.width).max(axis=2)
        done = self.ended.done(self.sentences, best)
        reached = self.length >= self.longest[self.sentences]
        for row in np.flatnonzero(self.open & reached & ~done).tolist():
            lacking = self.ended.count[self.sentences[row]] < self.ended.wanted
            for column in np.flatnonzero(self.going_on.rank[row] > -math.inf).tolist():
                if lacking[column // self.width]:
                    self._keep(row, column // self.width, self.going_on, column, truncated=True)
        self.open &= ~(done | reached)

    def _keep(self, row: int, group: int, candidates: _Chosen, column: int, *, truncated: bool = False) -> None:
        """Keep a candidate as a hypothesis of its sentence."""
        rank, log_prob = candidates.rank[row, column].item(), candidates.log_prob[row, column].item()
        parent, token = candidates.parent[row, column].item(), candidates.token[row, column].item()
        tokens, log_probs = self.tokens[row, parent].tolist(), self.log_probs[row, parent].tolist()
        if truncated:
            tokens.append(token)
        coverage = None if self.coverage is None else self.coverage[row, parent]
        sentence = int(self.sentences[row])
        self.ended.add(sentence, group, tokens, [*log_probs, log_prob], rank, coverage, truncated=truncated)

    # ------------------------------------------------------------------------------------- candidates, on the device

    def _candidates(self, following: Distribution) -> Iterator[_Found]:
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
            own = self._own(group)
            found = self._best_of_all(scores[:, own], log_probs[:, own], used, own.start)
            yield found
            possible = (found.token != END) & (found.rank > -math.inf)
            taken = possible & (possible.cumsum(dim=1) <= self.width)  # as `_choose` will
            used.scatter_add_(1, found.token, taken.to(used.dtype))

    def _own(self, group: int) -> slice:
        """The hypotheses of a group; at first there is one, with which all groups begin."""
        return slice(0, 1) if self.length == 0 else slice(group * self.width, (group + 1) * self.width)

    def _has_early_rules(self) -> bool:
        """Whether some sentence has a prefix still, or must not end yet."""
        return bool((self.length < self.early[self.sentences]).any())

    def _asked(self) -> list[Request]:
        """What is asked for each sentence of the batch."""
        return [self.requests[sentence] for sentence in self.sentences.tolist()]

    def _ruled(self, log_probs: Tensor) -> Tensor:
        """The log-probabilities as search ranks by them."""
        config, scores = self.config, log_probs.clone()
        if config.repetition_penalty > 1 or config.no_repeat_ngram:
            tokens = to_device(self.tokens, self.device)
            rules.penalise_repetition(scores, tokens, config.repetition_penalty)
            rules.forbid_repeated_ngrams(scores, tokens, config.no_repeat_ngram)
        if self.forbidden:
            self.forbidden.forbid(scores, self.tokens)
        requests = self._asked()
        rules.forbid_end(scores, [row for row, one in enumerate(requests) if self.length < one.min_length - 1])
        prefixes = {row: one.prefix for row, one in enumerate(requests) if self.length < len(one.prefix)}
        rules.force(scores, log_probs, {row: prefix[self.length] for row, prefix in prefixes.items()})
        return scores

    def _best(self, scores: Tensor, log_probs: Tensor, token: Tensor, first: int = 0) -> _Found:
        """The 2 * width best extensions: at most half of them can end here, the others go on.

        Given are the best extensions of each hypothesis [batch, beam, each]; `first` is the first hypothesis.
        """
        batch, beam, each = scores.shape
        before = self.rank[:, first : first + beam]
        rank, index = (before[:, :, None] + scores).view(batch, -1).topk(min(2 * self.width, beam * each), dim=1)
        log_prob, token = log_probs.view(batch, -1).gather(1, index), token.view(batch, -1).gather(1, index)
        return _Found(rank, log_prob, index // each + first, token)

    def _best_of_all(self, scores: Tensor, log_probs: Tensor, used: Tensor, first: int) -> _Found:
        """The same of all extensions [batch, beam, vocab] of a group, which shuns the tokens that others used."""
        penalty = self.config.diversity * used[:, None, :]
        top, token = (scores - penalty).topk(min(2 * self.width, scores.size(2)), dim=2)
        found = self._best(top, log_probs.gather(2, token), token, first)
        if self.config.beam_groups == 1:
            return found
        rank = found.rank + penalty[:, 0].gather(1, found.token)  # it counts in this choice alone
        return found._replace(rank=rank)

    def _draw(self, scores: Tensor, log_probs: Tensor) -> _Found:
        """An extension of each sample, drawn at random."""
        assert self.uniform is not None
        batch, beam, vocab = scores.shape
        token = draw(scores.expand(batch, self.width, vocab), self.uniform[:, :, self.length], self.config)
        parent = torch.arange(self.width, device=scores.device).clamp_max(beam - 1).expand(batch, self.width)
        index = parent * vocab + token
        rank = self.rank.gather(1, parent) + scores.flatten(1).gather(1, index)
        return _Found(rank, log_probs.flatten(1).gather(1, index), parent, token)

    # -------------------------------------------------------------------------------------------------- required terms

    def _constrained(self, following: Distribution) -> Iterator[tuple[_Chosen, _Chosen]]:
        """What `_choose` gives for each group, where terms must stand in some sentences: a transfer for each group."""
        log_probs = following.log_probs()
        scores = self._ruled(log_probs)
        used = torch.zeros_like(scores[:, 0])
        asked = {row: one for row, one in enumerate(self._asked()) if one.required and self.open[row]}
        for group in range(self.config.beam_groups):
            own = self._own(group)
            found = self._best_of_all(scores[:, own], log_probs[:, own], used, own.start)
            terms = {
                row: Terms(request.required, self.tokens[row, own].tolist(), last=self.length + 1 == request.max_length)
                for row, request in asked.items()
            }
            chosen = self._with_terms(terms, found, scores[:, own], log_probs[:, own], own.start)
            yield chosen
            taken = to_device(chosen[1].token.astype(np.int64), self.device)
            used.scatter_add_(1, taken, torch.ones_like(taken, dtype=used.dtype))

    def _with_terms(
        self, terms: dict[int, Terms], found: _Found, scores: Tensor, log_probs: Tensor, first: int
    ) -> tuple[_Chosen, _Chosen]:
        """What `_choose` gives, but for the sentences with terms what these ask for."""
        before = self.rank[:, first : first + scores.size(1), None]
        value, token = scores.max(dim=2, keepdim=True)
        wanted = np.array([(row, *one) for row, its in terms.items() for one in its.wanted], dtype=np.int64)
        row, parent, extra = to_device(wanted.reshape(-1, 3).T.copy(), self.device)
        own = torch.arange(first, first + scores.size(1), device=self.device).expand_as(value[:, :, 0])
        best = _Found((before + value)[:, :, 0], log_probs.gather(2, token)[:, :, 0], own, token[:, :, 0])
        ranks = before[row, parent, 0] + scores[row, parent, extra]
        more = _Found(ranks[None], log_probs[row, parent, extra][None], parent[None] + first, extra[None])
        fetched = [_Chosen(one) for one in self._fetch([found.packed(), best.packed(), more.packed()])]
        ending, going_on = self._choose(fetched[0])
        candidates = {place: _listed(fetched[0], place, first) + _listed(fetched[1], place, first) for place in terms}
        for place, one in zip(wanted.reshape(-1, 3)[:, 0].tolist(), _listed(fetched[2], 0, first), strict=True):
            candidates[place].append(one)
        for place, its in terms.items():
            for side, chosen in zip((ending, going_on), its.choose(candidates[place], self.width), strict=True):
                side.rank[place] = -math.inf
                for column, one in enumerate(chosen):
                    side.rank[place, column], side.log_prob[place, column] = one.rank, one.log_prob
                    side.parent[place, column], side.token[place, column] = one.parent + first, one.token
        return ending, going_on


def _listed(chosen: _Chosen, row: int, first: int) -> list[Candidate]:
    """The candidates of one row, whose hypotheses are counted from the `first` one."""
    fields = chosen.rank, chosen.log_prob, chosen.parent - first, chosen.token
    return [Candidate(*one) for one in zip(*(field[row].tolist() for field in fields), strict=True)]
