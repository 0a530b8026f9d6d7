"""The training loop: step after step, and now and then a line of the log, a validation and a checkpoint.

A step's random numbers are derived from (seed, step, batch), and the rest from the state, the weights and the
optimizer's moments that a checkpoint holds: a run that was stopped and resumed is the same run. Only where `minutes`
limit training does the clock influence it, in the number of steps and in the learning rate of a linear schedule.
"""

import logging
import signal
import time
from types import FrameType
from typing import Any

import torch

from nmt.config.model import ModelConfig
from nmt.config.training import TrainingConfig
from nmt.data.augmentation import Augmentation
from nmt.data.batches import Position
from nmt.data.dataset import TrainingData
from nmt.errors import NmtError, StoppedBySignal, counted, leave_lost_terminal, stopping_signals
from nmt.files.run_directory import RunDirectory, checkpoint_name
from nmt.model.model_directory import LoadedModel, check_shapes
from nmt.model.transformer import Transformer
from nmt.runtime import keep_freed_memory, synchronize
from nmt.text.tokenizer import Tokenizers
from nmt.training.best_model import BestModel
from nmt.training.checkpoint import Checkpoint, TrainingState, prune, save_checkpoint
from nmt.training.distributed import Processes
from nmt.training.init_from import freeze, transfer
from nmt.training.metrics_log import MetricsLog
from nmt.training.monitor import Monitor
from nmt.training.optimizer import MasterWeights
from nmt.training.progress import Reporter
from nmt.training.step import StepRunner
from nmt.training.throughput import describe_machine, measure_peak_flops
from nmt.training.validation import Validator

logger = logging.getLogger("nmt")

TRIAL_STEPS, TRIAL_SECONDS = 5, 8.0
"""Steps that measure how long a step takes: the first ones, which are slower, and then those that are timed."""


class Trainer:
    """One run: a model, its optimizer, its data, and the state of training."""

    def __init__(
        self,
        run: RunDirectory,
        model: ModelConfig,
        config: TrainingConfig,
        data: TrainingData,
        tokenizers: Tokenizers,
        device: torch.device,
        dtype: torch.dtype,
        provenance: dict[str, Any],
        processes: Processes | None = None,
    ) -> None:
        """`provenance` is what the model directory will say about its origin, besides step and scores."""
        self.processes = processes or Processes()
        self.run, self.config, self.data, self.tokenizers = run, config, data, tokenizers
        torch.manual_seed(config.seed)
        self.model = Transformer(model).to(device)
        self.model.place_positions(device, dtype)
        freeze(self.model, config.freeze or ())
        if config.compile:
            self.model.compile_layers()
        self.master = MasterWeights(self.model, config, dtype, self.processes)
        log = MetricsLog(run.metrics, run.tensorboard if config.tensorboard else None)
        validator = Validator(config, data, tokenizers, device)
        self.best_model = BestModel(run, self.model, self.master, validator, config, log, provenance)
        self.monitor = Monitor(log, model, config, run.checkpoints, scaled=self.master.loss_scale is not None)
        sides = (tokenizers.source, tokenizers.target)
        augmentation = Augmentation(sides, config, model.max_length) or None
        self.runner = StepRunner(self.model, self.master, config, data.train, augmentation, self.processes)
        self.state = TrainingState()
        self.signal = 0  # that this process received
        self.clock = 0.0  # when the state's seconds were last counted

    def restore(self, checkpoint: Checkpoint) -> None:
        """Continue from a checkpoint."""
        applied = checkpoint.state.step - checkpoint.state.skipped
        check_shapes(self.master.named(self.master.master), checkpoint.weights, self.run.checkpoints)
        if not self.master.fits(checkpoint.moments):
            raise NmtError(f"{self.run.checkpoints}: the optimizer's state belongs to another model")
        self.master.restore(checkpoint.weights, checkpoint.moments, applied)
        self.state = checkpoint.state

    def initialize_from(self, loaded: LoadedModel) -> None:
        """Begin with the weights of a trained model."""
        self.master.restore(transfer(self.master.named(self.master.master), self.tokenizers, loaded), {}, 0)
        if "embeddings" in (self.config.freeze or ()) and self.tokenizers != loaded.tokenizers:
            logger.warning("--freeze embeddings: pieces that the other model lacks keep their random embeddings")

    def measure_step(self) -> float:
        """The seconds that a step takes, as the mean over some; afterwards this trainer is used up."""
        batches = self.runner.batches(Position(0, 0))
        keep_freed_memory()
        self.model.train()
        for _ in range(TRIAL_STEPS):
            self.runner.run(batches, self.state)
        for _ in range(2 if self.runner.graphs else 1):  # most shapes are recorded in the first round
            synchronize(self.runner.device)
            begin, first = time.perf_counter(), self.state.step
            while not self.processes.agree(time.perf_counter() - begin > TRIAL_SECONDS):
                self.runner.run(batches, self.state)
                self.state.step += 1
            synchronize(self.runner.device)
            seconds = (time.perf_counter() - begin) / (self.state.step - first)
        self.runner.graphs = None  # a cycle of references, which would keep this trainer in memory
        return seconds

    # --------------------------------------------------------------------------------------------------------- the loop

    def train(self, reporter: Reporter) -> str:
        """Train until a limit is reached and return which; StoppedBySignal on a signal, after saving."""
        config, state, monitor = self.config, self.state, self.monitor
        handlers = {number: signal.signal(number, self._on_signal) for number in stopping_signals()}
        try:
            self._start(reporter)
            batches = self.runner.batches(Position(state.epoch, state.batch))
            while not (reason := self.reason_to_stop()):
                result = self.runner.run(batches, state)
                state.step += 1
                monitor.steps.append(result)
                monitor.unchecked.append(result.norm)
                stopping = self._count_seconds()
                if state.step % config.log_every == 0:
                    self._log(reporter)
                ranked = False
                if state.step % config.validate_every == 0 and not self._is_nearly_over():
                    self.validate(reporter)
                    self._count_seconds()
                    ranked = checkpoint_name(state.step) in self.best_model.best_checkpoints(state)
                if state.step % config.save_every == 0 or stopping or ranked:
                    with monitor.paused():
                        self.save()
                if stopping:
                    raise StoppedBySignal(stopping)
            self._finish(reason, reporter)
        finally:
            reporter.stop()
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return reason

    def _start(self, reporter: Reporter) -> None:
        """Measure the machine, and log the start of training."""
        self.state.finished = ""
        if self.data.valid is None:
            logger.warning("no validation set: the newest model counts as the best; give prepare --valid or --split")
        keep_freed_memory()
        self.model.train()
        dtype, processes = self.master.working.dtype, self.processes
        self.monitor.peak_flops = (
            measure_peak_flops(self.runner.device, dtype, self.model.config.dim) * processes.world_size
        )
        if processes.first:
            self.monitor.log.truncate(self.state.step)
            size = {"parameters": len(self.master.master), "pairs": len(self.data.train.source)}
            machine = describe_machine(self.runner.device, dtype, processes.world_size)
            numbers = {"step": self.state.step, **size, **machine, "peak_flops": self.monitor.peak_flops}
            self.monitor.log.append("start", numbers)
        reporter.start(self.state.step)
        if self.config.init_from and not self.state.step:
            self.validate(reporter)  # the model that training starts from is the best until another is better
        self.monitor.restart()
        self.clock = time.perf_counter()

    def _count_seconds(self) -> int:
        """Add the time since the last call to the state; return the signal that any process received, or 0."""
        now = time.perf_counter()
        signalled, seconds, self.clock = self.signal, now - self.clock, now
        if self.processes.world_size > 1:
            signalled, seconds = self.processes.exchange(signalled, seconds)
        self.state.seconds += seconds
        return signalled

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal:  # the second one is urgent
            raise StoppedBySignal(number)
        self.signal = number
        leave_lost_terminal()

    def reason_to_stop(self) -> str:
        """The limit that training has reached, or nothing."""
        config, state = self.config, self.state
        if state.step >= config.steps:
            return f"reached --steps {config.steps:,}"
        if config.epochs and state.epoch >= config.epochs:
            return f"reached --epochs {config.epochs}"
        if config.minutes and state.seconds >= 60 * config.minutes:
            return f"reached --minutes {config.minutes:g}"
        if config.patience and state.worse_in_a_row >= config.patience:
            return f"found no better model in {counted(config.patience, 'validation')} (--patience)"
        return ""

    def _is_nearly_over(self) -> bool:
        """Whether the last tenth of the minutes has begun: it is for steps, and ends with a validation anyway."""
        return self.config.minutes is not None and self.state.seconds > 0.9 * 60 * self.config.minutes

    def _last_step(self) -> int:
        """The step at which training will end, by its steps and minutes, at its throughput so far."""
        if not self.config.minutes:
            return self.config.steps
        by_minutes = round(self.state.step / max(1e-3, self.state.seconds) * 60 * self.config.minutes)
        return min(self.config.steps, max(self.state.step, by_minutes))

    def _log(self, reporter: Reporter) -> None:
        self.monitor.check_gradients(self.state)
        if self.processes.first:
            self.monitor.write(self.state, self.runner.device, self._last_step(), reporter)
        self.monitor.restart()

    # --------------------------------------------------------------------------------------- validation and checkpoints

    def validate(self, reporter: Reporter) -> None:
        """Score the present weights in rank 0; all ranks learn the validations since the best."""
        self.monitor.check_gradients(self.state)
        if self.processes.first:
            self.best_model.validate(self.state, reporter)
        worse = self.state.worse_in_a_row if self.processes.first else 0
        self.state.worse_in_a_row = self.processes.agree(worse)
        self.monitor.restart()

    def _finish(self, reason: str, reporter: Reporter) -> None:
        """Log the last steps, validate them if that is missing, try the average of checkpoints, and save."""
        state = self.state
        if self.monitor.steps:
            self._log(reporter)
        if self.processes.first:
            if self.best_model.validated != state.step and (
                state.step % self.config.validate_every or self._is_nearly_over()
            ):
                self.best_model.validate(state, reporter)
            self.best_model.try_average(state, reporter)
            state.finished = reason
        self.save()

    def save(self) -> None:
        """Write a checkpoint and remove those that are no longer kept; none while the weights are in doubt.

        Rank 0 writes and the others wait: in the middle of a step they would wait in vain.
        """
        self.monitor.check_gradients(self.state)
        if self.processes.first and not self.monitor.in_doubt(self.state):
            weights = self.master.named(self.master.master)
            save_checkpoint(self.run.checkpoints, self.state, weights, self.master.moments())
            last = self.config.average if self.config.average_of == "last" else 1
            prune(self.run.checkpoints, self.config.keep, last, self.best_model.best_checkpoints(self.state))
        self.processes.barrier()
