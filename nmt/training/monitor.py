"""Watches a training: throughput and mean losses for the log, skipped steps, and divergence."""

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.config.model import ModelConfig
from nmt.config.training import TrainingConfig
from nmt.errors import NmtError
from nmt.files.run_directory import checkpoint_name, list_checkpoints
from nmt.runtime import peak_memory
from nmt.training.checkpoint import TrainingState
from nmt.training.metrics_log import MetricsLog, perplexity
from nmt.training.progress import Reporter
from nmt.training.schedule import learning_rate
from nmt.training.step import StepResult
from nmt.training.throughput import training_flops

logger = logging.getLogger("nmt")

MOST_SKIPPED = 10  # steps in a row without a finite gradient: then the weights are at fault, not a batch


class Means(NamedTuple):
    """Means and sums over some steps."""

    loss: float  # per target token, over the steps with finite losses; else not a number
    cross_entropy: float
    source_tokens: int
    target_tokens: int
    gradient_norm: float  # before clipping, over the finite gradients; else not a number


def means(steps: list[StepResult]) -> Means:
    """The means of some steps, in one transfer from the device."""
    rows = torch.stack([torch.cat([step.totals, step.norm[None]]) for step in steps])
    losses, cross_entropies, source, target, norms = rows.cpu().double().unbind(dim=1)
    finite = losses.isfinite() & cross_entropies.isfinite()
    loss, cross_entropy = (float(sums[finite].sum() / target[finite].sum()) for sums in (losses, cross_entropies))
    norm = float(norms[norms.isfinite()].mean())
    return Means(loss, cross_entropy, int(source.sum()), int(target.sum()), norm)


class Monitor:
    """The steps since the last line of the log, which stay on the device until the line is written."""

    def __init__(
        self, log: MetricsLog, model: ModelConfig, config: TrainingConfig, checkpoints: Path, *, scaled: bool
    ) -> None:
        """`scaled` says that gradients are scaled, so that one step without a finite gradient means nothing."""
        self.log, self.model, self.config, self.checkpoints = log, model, config, checkpoints
        self.doubtful = 1 if scaled else 0  # skipped steps in a row that say nothing of the weights
        self.peak_flops = math.inf  # of the machine, in matrix products, measured when training starts
        self.lowest_loss = math.inf
        self.unchecked: list[Tensor] = []  # norms of gradients
        self.restart()

    def restart(self) -> None:
        """Begin the next line of the log."""
        self.steps, self.start = list[StepResult](), time.perf_counter()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the time of something that is not training."""
        begin = time.perf_counter()
        yield
        self.start += time.perf_counter() - begin

    def write(self, state: TrainingState, device: torch.device, last_step: int, reporter: Reporter) -> None:
        """Write a line of the log about the steps since the last one."""
        mean, seconds = means(self.steps), max(1e-9, time.perf_counter() - self.start)
        flops = training_flops(self.model, mean.source_tokens, mean.target_tokens) * self.config.forward_passes
        self.peak_flops = max(self.peak_flops, flops / seconds)  # measured too low where the machine was busy
        numbers = {
            "step": state.step,
            "epoch": state.epoch,
            "loss": mean.loss,
            "perplexity": perplexity(mean.cross_entropy),
            "learning_rate": learning_rate(state.step, self.config, state.seconds),
            "gradient_norm": mean.gradient_norm,
            "tokens_per_second": (mean.source_tokens + mean.target_tokens) / seconds,
            "flops": flops,
            "mfu": flops / seconds / self.peak_flops,
            "memory_mb": peak_memory(device),
            "seconds": state.seconds,
            "skipped": state.skipped,
        }
        self.log.append("train", numbers)
        left = state.seconds / state.step * (last_step - state.step)
        reporter.train({**numbers, "steps": last_step, "seconds_left": left})
        self._check_divergence(mean.loss, state.step)

    def check_gradients(self, state: TrainingState) -> None:
        """Count the steps that were skipped since the last check; NmtError after too many in a row."""
        finite = torch.stack(self.unchecked).isfinite().tolist() if self.unchecked else []
        self.unchecked = []
        for step, good in enumerate(finite, start=state.step - len(finite) + 1):
            state.skipped_in_a_row = 0 if good else state.skipped_in_a_row + 1
            if good:
                continue
            state.skipped += 1
            if self.in_doubt(state):
                logger.warning("step %s: skipped, its gradient is not finite", f"{step:,}")
            if state.skipped_in_a_row >= MOST_SKIPPED:
                before = checkpoint_name(step - MOST_SKIPPED)
                paths = [path for path in list_checkpoints(self.checkpoints) if path.name <= before]
                saved = f"the last good checkpoint is {paths[-1]}" if paths else "no checkpoint was saved"
                raise NmtError(
                    f"{MOST_SKIPPED} steps in a row without a finite gradient, up to step {step:,}: training has "
                    f"diverged; {saved}",
                    "train in another --run with a lower --learning-rate or a longer --warmup",
                )

    def in_doubt(self, state: TrainingState) -> bool:
        """Whether the weights may be at fault for the steps skipped last."""
        return state.skipped_in_a_row > self.doubtful

    def _check_divergence(self, loss: float, step: int) -> None:
        """Warn where the loss has risen by more than one nat above its lowest, once each time."""
        self.lowest_loss = min(self.lowest_loss, loss)
        if loss > self.lowest_loss + 1 and step > self.config.warmup:
            logger.warning(
                "step %s: the loss has risen from %.2f to %.2f: training diverges; a lower --learning-rate or a longer "
                "--warmup may help",
                f"{step:,}",
                self.lowest_loss,
                loss,
            )
            self.lowest_loss = loss
