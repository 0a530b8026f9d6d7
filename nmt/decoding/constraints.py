"""Terms that must stand in a translation: dynamic beam allocation (Post & Vilar 2018).

A hypothesis's progress is how many tokens of the required terms it has written: all of those that stand in it, and of
one more those that it has begun. The beam is shared out evenly among the degrees of progress, so that hypotheses that
make room for a term survive beside those that are more probable without it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nmt.text.tokenizer import END


class Progress(NamedTuple):
    """How far a hypothesis is with the required terms."""

    tokens: int  # of the required ones, how many are written
    complete: bool  # whether every term stands in it
    next_tokens: frozenset[int]  # what would go on with a term or begin one


def progress_of(written: Sequence[int], required: Sequence[Sequence[int]]) -> Progress:
    """The progress of a hypothesis; terms may overlap in it.

    >>> progress_of([5, 6, 7], [[6, 7], [7, 8, 9]])
    Progress(tokens=3, complete=False, next_tokens=frozenset({8, 7}))
    """
    missing = [list(term) for term in required if not _stands_in(term, written)]
    begun = [
        (size, term[size])
        for term in missing
        for size in range(len(term))
        if not size or written[-size:] == term[:size]
    ]
    tokens = sum(map(len, required)) - sum(map(len, missing)) + max((size for size, _ in begun), default=0)
    return Progress(tokens, not missing, frozenset(token for _, token in begun))


def _stands_in(term: Sequence[int], written: Sequence[int]) -> bool:
    size = len(term)
    return any(list(term) == list(written[start : start + size]) for start in range(len(written) - size + 1))


class Candidate(NamedTuple):
    """An extension of a hypothesis."""

    rank: float  # what search ranks by
    log_prob: float
    parent: int  # the hypothesis
    token: int


class Terms:
    """The terms of one sentence at one position of its translation, and how far its hypotheses are with them."""

    def __init__(self, required: Sequence[Sequence[int]], tokens: Sequence[Sequence[int]], *, last: bool) -> None:
        """`tokens` are what each hypothesis has written; `last` says that the translation cannot become longer."""
        self.required, self.tokens = required, [list(written) for written in tokens]
        self.progress = [progress_of(written, required) for written in self.tokens]
        self.last = last

    @property
    def wanted(self) -> list[tuple[int, int]]:
        """The extensions that must be candidates however improbable they are: hypothesis and token.

        What goes on with a term or begins one, and at the last position the end of a hypothesis that has all terms.
        """
        found = [(parent, token) for parent, one in enumerate(self.progress) for token in sorted(one.next_tokens)]
        ends = [(parent, END) for parent, one in enumerate(self.progress) if self.last and one.complete]
        return found + ends

    def choose(self, candidates: Iterable[Candidate], width: int) -> tuple[list[Candidate], list[Candidate]]:
        """Of the candidates `width` that end here and `width` that go on.

        The latter are chosen in turn from each degree of progress, the highest first.
        """
        each = {(one.parent, one.token): one for one in candidates if one.rank > -math.inf}.values()
        ranked = sorted(each, key=lambda one: (one.rank, one.parent, one.token), reverse=True)
        ending = [one for one in ranked if one.token == END and self.progress[one.parent].complete]
        banks: dict[int, list[Candidate]] = {}
        for one in ranked:
            if one.token != END:
                written = [*self.tokens[one.parent], one.token]
                banks.setdefault(progress_of(written, self.required).tokens, []).append(one)
        chosen: list[Candidate] = []
        while banks and len(chosen) < width:
            for degree in sorted(banks, reverse=True):
                chosen.append(banks[degree].pop(0))
                if not banks[degree]:
                    del banks[degree]
        return ending[:width], chosen[:width]
