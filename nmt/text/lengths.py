"""The length ratio of a corpus, and how far a pair deviates from it.

After Gale & Church 1993 (section 3.2): a source character yields c target characters on average, with variance v, so
that for lengths s and t, (t - c s) / sqrt(v s) is about normally distributed. c and v are fitted by medians, which
misaligned pairs hardly move.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from nmt.text.pair import SentencePair

FITTED_ON = 20_000  # pairs at the beginning of a corpus that the fit uses

_FEWEST = 100
_NORMAL = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_SLACK = 5.0  # characters added to each length: short ones vary more


class LengthFit(NamedTuple):
    """The length model of a corpus: c, and the square root of v."""

    ratio: float
    spread: float

    def deviation(self, source: str, target: str) -> float:
        """The distance of a target's length from the expected one, in standard deviations."""
        length = len(source) + _SLACK
        return abs(len(target) + _SLACK - self.ratio * length) / (self.spread * float(length**0.5))


def fit_lengths(pairs: Iterable[SentencePair]) -> LengthFit | None:
    """Fit the length model to pairs with text on both sides; None if there are too few."""
    lengths = [(len(pair.source), len(pair.target)) for pair in pairs if pair.source.strip() and pair.target.strip()]
    if len(lengths) < _FEWEST:
        return None
    source, target = (np.asarray(lengths) + _SLACK).T
    ratio = float(np.median(target / source))
    spread = _NORMAL * float(np.median(np.abs(target - ratio * source) / np.sqrt(source)))
    return LengthFit(ratio, max(spread, 0.1))
