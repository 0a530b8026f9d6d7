"""The length model, on lengths whose medians are known by hand."""

import pytest

from nmt.text.lengths import LengthFit, fit_lengths
from nmt.text.pair import SentencePair


def pairs(lengths: list[tuple[int, int]]) -> list[SentencePair]:
    return [SentencePair("x" * source, "y" * target, i) for i, (source, target) in enumerate(lengths, start=1)]


def test_ratio_and_spread_are_medians() -> None:
    """With 5 added: sources of 100, targets of 190, 200 and 210, so a ratio of 2, and 1.4826 * 10 / sqrt(100)."""
    fit = fit_lengths(pairs([(95, 185)] * 60 + [(95, 195)] * 30 + [(95, 205)] * 60))
    assert fit is not None
    assert fit.ratio == pytest.approx(2.0)
    assert fit.spread == pytest.approx(1.4826)


def test_pairs_without_text_do_not_count() -> None:
    """Ninety-nine pairs are too few, however many empty ones there are."""
    assert fit_lengths(pairs([(10, 10)] * 99 + [(0, 50), (50, 0)] * 500)) is None
    assert fit_lengths(pairs([(10, 10)] * 100 + [(0, 50)] * 500)) == LengthFit(1.0, pytest.approx(0.1))


@pytest.mark.parametrize(("target", "deviations"), [(195, 0.0), (215, 1.0), (175, 1.0), (295, 5.0)])
def test_the_deviation_is_in_standard_deviations(target: int, deviations: float) -> None:
    """By hand: (target + 5 - 2 * 100) / (2 * sqrt(100))."""
    assert LengthFit(2.0, 2.0).deviation("x" * 95, "y" * target) == pytest.approx(deviations)
