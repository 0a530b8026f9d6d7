"""Candidate selection on the device: the best extensions, or random draws, for each group of the beam."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.candidates import Candidates, Choices, choose, transfer
from nmt.decoding.engine import Array
from nmt.decoding.hypotheses import Beam
from nmt.decoding.rules import Rules
from nmt.decoding.sampling import draw, uniform_numbers
from nmt.runtime import to_device
from nmt.text.tokenizer import END


class Distribution:
    """The distribution of the next token of each hypothesis; a subclass may compute it on demand."""

    def __init__(self, log_probs: Tensor) -> None:
        self._log_probs = log_probs

    def log_probs(self) -> Tensor:
        """Log-probabilities of all tokens: [batch, beam, vocab]."""
        return self._log_probs

    def best(self, count: int, impossible: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities and tokens of the most probable ones, best first, those of impossible ones as -inf.

        Shapes are [batch, beam, count], or fewer.
        """
        possible = self._log_probs.index_fill(2, impossible, -math.inf)
        values, tokens = possible.topk(min(count, possible.size(2)), dim=2)
        return values, tokens


class CandidateSelection:
    """Selects candidates, and holds what search keeps on the device."""

    def __init__(self, rules: Rules, device: torch.device) -> None:
        self.rules, self.requests, self.config, self.device = rules, rules.requests, rules.config, device
        self.width = self.config.hypotheses // self.config.beam_groups  # hypotheses in a group
        self.path_scores = torch.zeros((len(self.requests), 1), device=device)  # of the hypotheses [batch, beam]
        self.uniform = uniform_numbers(self.requests, self.config, device) if self.config.sample else None
        self.impossible = to_device(np.array([END, *rules.impossible]), device)

    def choose(self, distribution: Distribution, beam: Beam, attention: Tensor | None) -> Choices:
        """Choose candidates for each group, given attention [batch, beam, source] where coverage needs it."""
        packed = [candidates.packed() for candidates in self._candidates(distribution, beam)]
        groups, on_host = transfer(packed, attention)
        return Choices([choose(group, self.width, sample=self.config.sample) for group in groups], on_host)

    def upload(self, continuing: Array, kept: Array | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """Send what `Beam.extend` returns to the device: newest tokens [batch, beam], parents, rows kept or None."""
        packed = continuing.view(np.int32).reshape(*continuing.shape, -1)
        path_scores, _, parents, newest = to_device(packed, self.device).unbind(-1)
        self.path_scores = path_scores.view(torch.float32)
        rows = None if kept is None else to_device(kept, self.device)
        if rows is not None and self.uniform is not None:
            self.uniform = self.uniform.index_select(0, rows)
        return newest, parents.flatten(), rows

    def _candidates(self, distribution: Distribution, beam: Beam) -> Iterator[Candidates]:
        """Select the candidates of each group, given what the groups before it take."""
        if not (self.config.sample or self.config.beam_groups > 1 or self.rules.apply_to(beam)):
            impossible = self.impossible if self.rules.too_short(beam).all() else self.impossible[1:]
            log_probs, tokens = distribution.best(2 * self.width, impossible)
            yield self._best(log_probs, log_probs, tokens)
            return
        log_probs = distribution.log_probs()
        scores = self.rules.scores(log_probs, beam)
        if self.config.sample:
            yield self._draw(scores, log_probs, beam.length)
            return
        used = torch.zeros_like(scores[:, 0])  # how often the groups so far took each token [batch, vocab]
        for group in range(self.config.beam_groups):
            candidates = self._best_of_group(self._members(group, beam), scores, log_probs, used)
            yield candidates
            possible = (candidates.token != END) & (candidates.path_score > -math.inf)
            taken = possible & (possible.cumsum(dim=1) <= self.width)  # as `choose` on the host
            used.scatter_add_(1, candidates.token, taken.to(used.dtype))

    def _members(self, group: int, beam: Beam) -> slice:
        """The hypotheses of a group; at the first position all groups share the only one."""
        return slice(0, 1) if beam.length == 0 else slice(group * self.width, (group + 1) * self.width)

    def _best_of_group(self, members: slice, scores: Tensor, log_probs: Tensor, used: Tensor) -> Candidates:
        """Select the best extensions of a group among all [batch, beam, vocab], with a penalty on used tokens."""
        scores, log_probs = scores[:, members], log_probs[:, members]
        penalty = self.config.diversity * used[:, None, :]
        best, tokens = (scores - penalty).topk(min(2 * self.width, scores.size(2)), dim=2)
        candidates = self._best(best, log_probs.gather(2, tokens), tokens, members.start)
        if self.config.beam_groups == 1:
            return candidates
        path_score = candidates.path_score + penalty[:, 0].gather(1, candidates.token)  # without the penalty again
        return candidates._replace(path_score=path_score)

    def _best(self, scores: Tensor, log_probs: Tensor, tokens: Tensor, first: int = 0) -> Candidates:
        """Select the best of given extensions [batch, beam, count], whose hypotheses begin with the `first` one."""
        batch, beam, count = scores.shape
        totals = (self.path_scores[:, first : first + beam, None] + scores).view(batch, -1)
        path_score, index = totals.topk(min(2 * self.width, beam * count), dim=1)  # at least half of them can continue
        log_prob, token = log_probs.view(batch, -1).gather(1, index), tokens.view(batch, -1).gather(1, index)
        return Candidates(path_score, log_prob, index // count + first, token)

    def _draw(self, scores: Tensor, log_probs: Tensor, position: int) -> Candidates:
        """Draw an extension of each sample."""
        assert self.uniform is not None
        batch, beam, vocab = scores.shape
        token = draw(scores.expand(batch, self.width, vocab), self.uniform[:, :, position], self.config)
        parent = torch.arange(self.width, device=scores.device).clamp_max(beam - 1).expand(batch, self.width)
        index = parent * vocab + token
        path_score = self.path_scores.gather(1, parent) + scores.flatten(1).gather(1, index)
        return Candidates(path_score, log_probs.flatten(1).gather(1, index), parent, token)
