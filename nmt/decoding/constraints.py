"""Lexically constrained decoding by dynamic beam allocation (Post & Vilar 2018).

The beam is divided evenly among the degrees of progress with the required terms, so that hypotheses that make room for
a term survive beside more probable ones without it.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.candidates import IMPOSSIBLE, Candidates, Choice, Choices, choose, transfer
from nmt.decoding.engine import Array
from nmt.decoding.hypotheses import Beam
from nmt.decoding.selection import CandidateSelection, Distribution
from nmt.decoding.terms import TOKEN_TERMS, TokenTerms
from nmt.runtime import to_device
from nmt.text.tokenizer import END


class Progress(NamedTuple):
    """The progress of a hypothesis with its required terms."""

    tokens: int  # of complete terms, and of the longest one begun
    complete: bool  # whether all terms are written
    next_tokens: frozenset[int]  # those that would begin or continue a term


def progress_of(
    hypothesis: Sequence[int], required: Sequence[Sequence[int]], terms: TokenTerms = TOKEN_TERMS
) -> Progress:
    """The progress of a hypothesis; terms may overlap in it.

    >>> progress_of([5, 6, 7], [[6, 7], [7, 8, 9]])
    Progress(tokens=3, complete=False, next_tokens=frozenset({8, 7}))
    """
    longest = [max(map(len, terms.spellings(term))) for term in required]
    missing = [(term, size) for term, size in zip(required, longest, strict=True) if not terms.is_met(hypothesis, term)]
    begun = [
        (size - len(spelling) + count if count else 0, spelling[count])
        for term, size in missing
        for spelling in terms.spellings(term)
        for count in range(len(spelling))
        if (not count or hypothesis[-count:] == spelling[:count])
        and terms.can_follow(hypothesis[: len(hypothesis) - count], spelling)
    ]
    tokens = sum(longest) - sum(size for _, size in missing) + max((size for size, _ in begun), default=0)
    return Progress(tokens, not missing, frozenset(token for _, token in begun))


class Constraints:
    """The required terms of one sentence at one position, and the progress of its hypotheses."""

    def __init__(
        self,
        required: Sequence[Sequence[int]],
        hypotheses: Sequence[list[int]],
        terms: TokenTerms = TOKEN_TERMS,
        *,
        last: bool,
    ) -> None:
        """`last` is whether this is the last position within the maximum length."""
        self.required, self.hypotheses, self.terms, self.last = required, hypotheses, terms, last
        self.progress = [progress_of(hypothesis, required, terms) for hypothesis in hypotheses]

    def extensions(self, members: slice) -> list[tuple[int, int]]:
        """Extensions, by hypothesis and token, that are candidates in a group however improbable they are."""
        hypotheses = list(enumerate(self.progress))[members]
        extensions = [(parent, token) for parent, progress in hypotheses for token in sorted(progress.next_tokens)]
        return extensions + [(parent, END) for parent, progress in hypotheses if self.last and progress.complete]

    def choose(self, candidates: Array, width: int) -> Choice:
        """Choose `width` candidates that finish, and `width` that continue, in turn from each degree of progress."""
        candidates = candidates[candidates["path_score"] > -math.inf]
        candidates = candidates[np.unique(candidates[["parent", "token"]], return_index=True)[1]]
        candidates = candidates[np.lexsort([candidates[key] for key in ("token", "parent", "path_score")])[::-1]]
        finishing, banks = list[int](), defaultdict[int, list[int]](list)
        for index, (_, _, parent, token) in enumerate(candidates.tolist()):
            if token != END:
                extended = [*self.hypotheses[parent], token]
                banks[progress_of(extended, self.required, self.terms).tokens].append(index)
            elif self.progress[parent].complete:
                finishing.append(index)
        turns = sorted((turn, -degree, index) for degree, bank in banks.items() for turn, index in enumerate(bank))
        return Choice(candidates[finishing[:width]], candidates[[index for _, _, index in turns[:width]]])


class ConstrainedSelection(CandidateSelection):
    """Candidate selection for batches in which some sentences have required terms: one transfer for each group."""

    def choose(self, distribution: Distribution, beam: Beam, attention: Tensor | None) -> Choices:
        """Choose candidates for each group, for sentences with terms by dynamic beam allocation."""
        log_probs = distribution.log_probs()
        scores = self.rules.scores(log_probs, beam)
        used = torch.zeros_like(scores[:, 0])
        batch, hypotheses = (torch.arange(size, device=self.device) for size in scores.shape[:2])
        constraints = self._constraints(beam)
        groups, attentions = list[Choice](), list[Array | None]()
        for group in range(self.config.beam_groups):
            members = self._members(group, beam)
            rows = [(row, *pair) for row, terms in constraints.items() for pair in terms.extensions(members)]
            required = np.array(rows, dtype=np.int64).reshape(-1, 3).T.copy()
            best_of_each = batch[:, None], *self._best_of_each(hypotheses[members], scores[:, members])
            parts = (
                self._best_of_group(members, scores, log_probs, used),
                self._extensions(best_of_each, scores, log_probs),
                self._extensions(to_device(required, self.device).unbind(), scores, log_probs),
            )
            on_host, attention_array = transfer([part.packed() for part in parts], None if attentions else attention)
            attentions.append(attention_array)
            groups.append(self._allocate(constraints, required[0], *on_host))
            taken = to_device(groups[-1].continuing["token"].astype(np.int64), self.device)
            used.scatter_add_(1, taken, torch.ones_like(taken, dtype=used.dtype))
        return Choices(groups, attentions[0])

    def _best_of_each(self, hypotheses: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The best extension of each hypothesis, and the best that leaves its last word whole: parents and tokens."""
        best = [scores.argmax(dim=2)]
        if self.rules.terms.continuing is not None:
            continuing = to_device(self.rules.terms.continuing, self.device)
            best.append(scores.masked_fill(continuing, -math.inf).argmax(dim=2))
        return hypotheses.repeat(len(best))[None], torch.cat(best, dim=1)

    def _constraints(self, beam: Beam) -> dict[int, Constraints]:
        """The constraints of open sentences that have required terms, by their rows."""
        requests = {row: self.requests[beam.sentences[row]] for row in np.flatnonzero(beam.open).tolist()}
        return {
            row: Constraints(
                request.required,
                beam.tokens[row].tolist(),
                self.rules.terms,
                last=beam.length + 1 == request.max_length,
            )
            for row, request in requests.items()
            if request.required
        }

    def _extensions(self, extensions: Sequence[Tensor], scores: Tensor, log_probs: Tensor) -> Candidates:
        """Candidates of given extensions: row of the batch, hypothesis and token, broadcast."""
        row, parent, token = extensions
        path_score = self.path_scores[row, parent] + scores[row, parent, token]
        return Candidates(path_score, log_probs[row, parent, token], parent.expand_as(token), token)

    def _allocate(
        self, constraints: dict[int, Constraints], rows: Array, candidates: Array, best: Array, required: Array
    ) -> Choice:
        """Choose as without constraints, then anew for sentences that have some; `rows` are those of `required`."""
        choice = choose(candidates, self.width, sample=False)
        available = {row: np.concatenate([required[rows == row], best[row], candidates[row]]) for row in constraints}
        for row, terms in constraints.items():
            for chosen, side in zip(terms.choose(available[row], self.width), choice, strict=True):
                side[row] = IMPOSSIBLE
                side[row, : len(chosen)] = chosen
        return choice
