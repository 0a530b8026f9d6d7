"""Terms that must stand in a translation: dynamic beam allocation (Post & Vilar 2018).

A hypothesis's progress is how many tokens of the required terms it has written: all of those that stand in it, and of
one more those that it has begun. The beam is shared out evenly among the degrees of progress, so that hypotheses that
make room for a term survive beside those that are more probable without it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

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


def choose_constrained(
    total: Tensor, tokens: Sequence[Sequence[int]], required: Sequence[Sequence[int]], width: int, *, last: bool
) -> list[tuple[float, int, int]]:
    """The extensions of one sentence's hypotheses: rank, hypothesis and token, `width` that end and `width` that go on.

    `total` [beam, vocab] is what each extension would rank by, `tokens` what each hypothesis has written. Those that
    end stand first; the others are chosen in turn from each degree of progress, the highest first. At the `last`
    position a hypothesis that has all terms may end however improbable that is.
    """
    vocab = total.size(1)
    progress = [progress_of(list(written), required) for written in tokens]
    index = set(total.flatten().topk(min(2 * width, total.numel())).indices.tolist())
    index |= {parent * vocab + int(token) for parent, token in enumerate(total.argmax(dim=1).tolist())}
    index |= {parent * vocab + token for parent, one in enumerate(progress) for token in one.next_tokens}
    index |= {parent * vocab + END for parent, one in enumerate(progress) if last and one.complete}
    candidates = sorted(((float(total[i // vocab, i % vocab]), i // vocab, i % vocab) for i in index), reverse=True)
    candidates = [one for one in candidates if one[0] > -math.inf and (one[2] != END or progress[one[1]].complete)]
    ending = [one for one in candidates if one[2] == END][:width]
    banks: dict[int, list[tuple[float, int, int]]] = {}
    for one in candidates:
        if one[2] != END:
            banks.setdefault(progress_of([*tokens[one[1]], one[2]], required).tokens, []).append(one)
    chosen: list[tuple[float, int, int]] = []
    while banks and len(chosen) < width:
        for degree in sorted(banks, reverse=True):
            chosen.append(banks[degree].pop(0))
            if not banks[degree]:
                del banks[degree]
    return ending + chosen[:width]
