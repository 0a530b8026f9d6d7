"""Progress of training: a live line on a terminal, plain lines now and then elsewhere."""

import logging
import math
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column
from rich.text import Text

from nmt.text.control_characters import visible
from nmt.training.validation import Sample

logger = logging.getLogger("nmt")

Numbers = Mapping[str, float]


def describe_training(numbers: Numbers) -> str:
    """One line of a training log, short enough for a narrow terminal."""
    return (
        f"epoch {numbers['epoch'] + 1:.0f}, loss {numbers['loss']:.3f}, ppl {numbers['perplexity']:.2f}, "
        f"lr {numbers['learning_rate']:.1e}, {numbers['tokens_per_second']:,.0f} tok/s"
    )


def describe_hardware(numbers: Numbers) -> str:
    """Model FLOPs utilization and peak memory."""
    return f"MFU {numbers['mfu']:.0%}, {numbers['memory_mb']:,.0f} MB"


def describe_validation(numbers: Numbers, *, best: bool) -> str:
    """One line about a validation."""
    return (
        f"step {numbers['step']:.0f}: validation loss {numbers['loss']:.3f}, ppl {numbers['perplexity']:.2f}, "
        f"BLEU {numbers['bleu']:.2f}, chrF {numbers['chrf']:.2f}{' (best)' if best else ''}"
    )


class Reporter:
    """Reports progress in lines of the log, for a file or a pipe: at first often, then every half minute."""

    SECONDS = 30.0

    def __init__(self) -> None:
        self.due = 0.0

    def start(self, step: int) -> None:
        """Training starts, or resumes after `step`."""

    def train(self, numbers: Numbers) -> None:
        """Report a line of the training log, with `steps` and `seconds_left`, if one is due."""
        now = time.monotonic()
        if now >= self.due:
            left = duration(numbers["seconds_left"])
            described = f"{describe_training(numbers)}, {describe_hardware(numbers)}"
            logger.info("step %d: %s, %s left", numbers["step"], described, left)
            self.due = now + self.SECONDS

    def validating(self) -> None:
        """A validation begins, which may take long."""

    def validation(self, numbers: Numbers, samples: Sequence[Sample], *, best: bool) -> None:
        """Report the scores of a validation, and some translations."""
        logger.info(describe_validation(numbers, best=best))
        for sample in samples:
            logger.info("  %s -> %s", visible(sample.source), visible(sample.translation))

    def stop(self) -> None:
        """Training has ended, for whatever reason."""


class TerminalReporter(Reporter):
    """A live line at the bottom of a terminal: a bar, and the figures that fit; validations scroll by above it."""

    def __init__(self, console: Console) -> None:
        step, figures, left = (
            TextColumn(f"{{task.{name}}}", markup=False) for name in ("fields[step]", "description", "fields[left]")
        )
        bar = BarColumn(bar_width=None, table_column=Column(max_width=40))
        self.progress = Progress(step, bar, figures, left, console=console)
        self.task = self.progress.add_task("starting", total=None, step="", left="")
        self.figures = ""  # shown between validations

    def start(self, step: int) -> None:
        """Draw the bar."""
        self.progress.update(self.task, completed=step, step=str(step))
        self.progress.start()

    def train(self, numbers: Numbers) -> None:
        """Move the bar."""
        step, seconds = f"{numbers['step']:.0f}/{numbers['steps']:.0f}", numbers["seconds_left"]
        left = str(timedelta(seconds=int(seconds))) if math.isfinite(seconds) else "-:--:--"
        room = self.progress.console.width - len(f"{step} ---- {left} ")
        shown = [figure.replace(",", "") for figure in describe_training(numbers).split(", ")]
        shown.append(describe_hardware(numbers))
        for dispensable in [shown[place] for place in (5, 3, 2, 0, 4)]:
            if len(" ".join(shown)) > room:
                shown.remove(dispensable)
        self.figures = " ".join(shown)
        completed, total = numbers["step"], numbers["steps"]
        self.progress.update(
            self.task, completed=completed, total=total, description=self.figures, step=step, left=left
        )

    def validating(self) -> None:
        """Show why the bar stands still."""
        self.progress.update(self.task, description="validating", refresh=True)

    def validation(self, numbers: Numbers, samples: Sequence[Sample], *, best: bool) -> None:
        """Print a line above the bar, and one for each translation, cut to the terminal's width."""
        console = self.progress.console
        console.print(describe_validation(numbers, best=best), highlight=False)
        for sample in samples:
            sides = [Text(visible(sample.source), "dim"), Text(visible(sample.translation))]
            for side in sides:
                side.truncate((console.width - len("   -> ")) // 2, overflow="ellipsis")
            console.print(Text.assemble("  ", sides[0], " -> ", sides[1]), highlight=False, soft_wrap=True)
        self.progress.update(self.task, description=self.figures)

    def stop(self) -> None:
        """Remove the bar."""
        self.progress.stop()


def make_reporter(*, quiet: bool) -> Reporter:
    """A live display where stderr is a terminal, log lines elsewhere."""
    if sys.stderr.isatty() and not quiet:
        return TerminalReporter(Console(stderr=True))
    return Reporter()


def duration(seconds: float) -> str:
    """A duration in words.

    >>> duration(59), duration(3700), duration(float("inf"))
    ('59 s', '1 h 1 min', 'unknown time')
    """
    if not math.isfinite(seconds):
        return "unknown time"
    minutes = int(seconds) // 60
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {int(seconds) % 60} s" if minutes else f"{int(seconds)} s"
