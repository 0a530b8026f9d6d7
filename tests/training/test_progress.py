"""What training shows: lines that fit a terminal, and the same figures in a log."""

import io
import logging
import math
import re
import sys
import time

import pytest
from conftest import untouched_logging
from rich.cells import cell_len
from rich.console import Console

from nmt.cli.output import log, set_up_logging
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


class Screen(io.StringIO):
    """A terminal that keeps what each rewriting of the live line showed."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        return [re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]+", self.getvalue())]


@pytest.mark.parametrize("width", [40, 50, 80, 100, 130, 200])
@pytest.mark.parametrize("seconds", [7215.0, math.inf])
def test_the_live_line_has_step_bar_loss_and_time_left_at_every_width(width: int, seconds: float) -> None:
    """With --minutes the last step is an estimate that changes all the time, and the time left must not vanish."""
    screen = Screen()
    reporter = TerminalReporter(Console(file=screen, width=width, force_terminal=True, color_system=None))
    reporter.start(0)
    for step in (71_000, 71_234):
        reporter.train(TRAINING | {"step": step, "steps": 100_000 + step % 1000, "seconds_left": seconds})
    reporter.stop()
    live = screen.shown()[-2]
    assert len(live) <= width
    assert "…" not in live
    assert "━━" in live
    assert "loss 2.342" in live
    assert live.startswith("71234/100234 ")
    assert live.split()[-1] == ("2:00:15" if seconds == 7215 else "-:--:--")


def test_a_validation_is_announced_and_its_samples_take_a_line_each() -> None:
    screen = Screen()
    reporter = TerminalReporter(Console(file=screen, width=60, force_terminal=True, color_system=None))
    reporter.start(0)
    reporter.train(TRAINING)
    reporter.validating()
    reporter.validation(
        VALIDATION, [Sample("langer Satz " * 30, "고양이가 " * 30, ""), Sample("a", "b", "")], best=False
    )
    reporter.stop()
    shown = screen.shown()
    assert [" validating " in line for line in shown].count(True) >= 1
    assert "validating" not in shown[-2]
    samples = [line for line in shown if "->" in line]
    assert [cell_len(line) <= 60 for line in samples] == [True, True]
    assert samples[0].count("…") == 2
    assert samples[1] == "  a -> b"


def test_messages_do_not_stick_to_the_live_line(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    with untouched_logging():
        set_up_logging(quiet=False)
        reporter = TerminalReporter(Console(stderr=True, width=80, force_terminal=True, color_system=None))
        reporter.start(0)
        reporter.train(TRAINING)
        time.sleep(0.3)  # until it is drawn
        log("averaging")
        reporter.stop()
        log("done")
    assert {"averaging", "done"} <= set(screen.shown())


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
