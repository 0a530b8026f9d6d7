"""How long translations are in a corpus, and which are not as long as they should be.

After Gale & Church 1993 (section 3.2): each character of the source gives c characters of the target on average, and
their number varies like a sum of independent draws, so that for a pair of lengths s and t

    delta = (t - c s) / sqrt(v s)

is distributed about normally. c and v are fitted by medians, which the pairs to be found hardly move.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from nmt.text.pair import SentencePair

FITTED_ON = 20_000
"""Pairs at the beginning of a corpus that the fit is made on."""

_FEWEST = 100
_NORMAL = 1.4826  # a normal distribution's standard deviation over its median distance from the median
_SLACK = 5.0  # characters that are added to each source: short ones vary more


class LengthFit(NamedTuple):
    """What is usual in a corpus: c, and the square root of v."""

    ratio: float
    spread: float

    def deviation(self, source: str, target: str) -> float:
        """How many standard deviations the length of a target is away from the usual."""
        length = len(source) + _SLACK
        return abs(len(target) + _SLACK - self.ratio * length) / (self.spread * float(length**0.5))


def fit_lengths(pairs: Iterable[SentencePair]) -> LengthFit | None:
    """Fit to the pairs of a corpus, those without text on a side apart; None where too few are left to tell."""
    lengths = [(len(pair.source), len(pair.target)) for pair in pairs if pair.source.strip() and pair.target.strip()]
    if len(lengths) < _FEWEST:
        return None
    source, target = (np.asarray(lengths) + _SLACK).T
    ratio = float(np.median(target / source))
    spread = _NORMAL * float(np.median(np.abs(target - ratio * source) / np.sqrt(source)))
    return LengthFit(ratio, max(spread, 0.1))
