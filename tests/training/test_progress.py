"""What training shows: lines that fit a terminal, and the same figures in a log."""

import io
import logging

import pytest
from rich.console import Console

from nmt.training.progress import Reporter, TerminalReporter, duration
from nmt.training.validation import Sample

TRAINING = dict(
    step=71_234.0,
    epoch=12.0,
    loss=2.3416,
    perplexity=3.736,
    learning_rate=1.2e-3,
    tokens_per_second=112_345.0,
    mfu=0.456,
    memory_mb=1512.3,
    seconds=1000.0,
    steps=100_000,
    seconds_left=7215.0,
)
VALIDATION = dict(step=71_000.0, loss=1.6646, perplexity=5.283, bleu=37.16, chrf=60.36)


@pytest.mark.parametrize("width", [80, 130])
def test_the_live_line_fits_the_terminal_and_holds_every_figure(width: int) -> None:
    output = io.StringIO()
    reporter = TerminalReporter(Console(file=output, width=width, force_terminal=True, color_system=None))
    reporter.start(71_000)
    reporter.train(TRAINING)
    reporter.validation(VALIDATION, [Sample("ein [Satz]", "a sentence", "one")], best=True)
    reporter.stop()
    shown = output.getvalue()
    for figure in (
        "71234/100000",
        "epoch 13",
        "2.342",
        "3.74",
        "1.2e-03",
        "112345 tok/s",
        "37.16",
        "(best)",
        "ein [Satz] -> a sentence",
    ):
        assert figure in shown
    assert ("MFU 46%, 1,512 MB" in shown) == (width > 80)
    assert "\u2026" not in shown  # rich's mark of what was cut


def test_a_log_gets_a_line_now_and_then_and_each_validation(caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter()
    with caplog.at_level(logging.INFO, logger="nmt"):
        reporter.start(0)
        for _ in range(5):
            reporter.train(TRAINING)
        reporter.validation(VALIDATION, [Sample("ein Satz", "a sentence", "one")], best=False)
        reporter.stop()
    first, second, third = (record.getMessage() for record in caplog.records)
    assert first.startswith("step 71234: epoch 13, loss 2.342, ppl 3.74")
    assert first.endswith("2 h 0 min left")
    assert second == "step 71000: validation loss 1.665, ppl 5.28, BLEU 37.16, chrF 60.36"
    assert third == "  ein Satz -> a sentence"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (61, "1 min 1 s"), (3599, "59 min 59 s"), (90_000, "25 h 0 min")]
)
def test_a_duration_is_told_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text
