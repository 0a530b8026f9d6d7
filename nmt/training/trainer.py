"""The training loop: update after update, and now and then a line in the log, a validation and a checkpoint.

Everything that an update draws at random follows from (seed, step, batch), and all else from the state, the weights and
the optimiser's moments that a checkpoint holds: a run that was stopped and started again is the same run. Only where
`minutes` say when training ends does the clock have a say, in the number of updates and in a linear schedule's rate.
"""

import logging
import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from nmt.config import ModelConfig, TrainingConfig
from nmt.data.batches import Position
from nmt.data.noise import Noise
from nmt.data.pairs import TrainingData
from nmt.errors import NmtError, StoppedBySignal
from nmt.model.transformer import Transformer
from nmt.model.weights import LoadedModel, check_shapes
from nmt.runtime import keep_freed_memory, peak_memory, synchronize
from nmt.text.tokenizer import Tokenizers
from nmt.training.distributed import Processes
from nmt.training.hardware import describe_machine, matrix_rate, training_flops
from nmt.training.log import Log, Window, perplexity
from nmt.training.optimizer import MasterWeights
from nmt.training.progress import Reporter
from nmt.training.schedule import learning_rate
from nmt.training.selection import Selection
from nmt.training.state import Checkpoint, TrainingState, checkpoint_name, list_checkpoints, prune, save_checkpoint
from nmt.training.transfer import freeze, transfer
from nmt.training.update import Updater
from nmt.training.validation import Validator

logger = logging.getLogger("nmt")

MOST_SKIPPED = 10
"""Updates in a row without a finite gradient: then the weights are at fault, not a batch."""


TRIED_BEFORE, TRIED_SECONDS = 5, 8.0
"""Updates that find out how long an update takes: the first ones, which are slower, and those that are timed."""


class Trainer:
    """One run: a model, its optimiser, its data, and where it is."""

    def __init__(
        self,
        run: Path,
        model: ModelConfig,
        training: TrainingConfig,
        data: TrainingData,
        tokenizers: Tokenizers,
        device: torch.device,
        dtype: torch.dtype,
        made: dict[str, Any],
        processes: Processes | None = None,
    ) -> None:
        """`made` is what the model directory says of how it was made, beside step and scores."""
        self.processes = processes or Processes()
        self.run_directory, self.config, self.data, self.tokenizers = run, training, data, tokenizers
        self.device = device
        torch.manual_seed(training.seed)
        self.model = Transformer(model).to(device)
        self.model.place_positions(device, dtype)
        freeze(self.model, training.freeze or ())
        if training.compiled:
            self.model.compile_layers()
        self.master = MasterWeights(self.model, training, dtype, self.processes)
        self.validator = Validator(training, data, tokenizers, device)
        both = (tokenizers.source, tokenizers.target)
        noise = Noise(both, training.subword_sampling, training.token_masking, model.max_length)
        self.log = Log(run / "metrics.jsonl", run / "tensorboard" if training.tensorboard else None)
        self.selection = Selection(run, self.model, self.master, self.validator, training, self.log, made)
        self.state = TrainingState()
        self.updater = Updater(self.model, self.master, training, data.train, noise, self.processes)
        self.norms: list[torch.Tensor] = []  # of the gradients that were not looked at yet
        self.lowest_loss = math.inf
        self.matrix_rate = math.inf  # floating-point operations a second, measured when training starts
        self.signal = 0  # that this process was sent
        self.validated = 0  # the last step that was
        self.clock = 0.0  # when the state's seconds were last counted up

    @property
    def checkpoints(self) -> Path:
        """Where the run's checkpoints are."""
        return self.run_directory / "checkpoints"

    def parameter_count(self) -> int:
        """Weights that training changes."""
        return len(self.master.master)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        applied = checkpoint.state.step - checkpoint.state.skipped
        check_shapes(self.master.named(self.master.master), checkpoint.weights, self.checkpoints)
        if not self.master.fits(checkpoint.moments):
            raise NmtError(f"{self.checkpoints}: the optimiser's state is of another model")
        self.master.restore(checkpoint.weights, checkpoint.moments, applied)
        self.state = checkpoint.state

    def start_from(self, loaded: LoadedModel) -> None:
        """Begin with the weights of a trained model."""
        self.master.restore(transfer(self.master.named(self.master.master), self.tokenizers, loaded), {}, 0)
        if "embeddings" in (self.config.freeze or ()) and self.tokenizers != loaded.tokenizers:
            logger.warning("--freeze embeddings: pieces that the other model does not have stay at random values")

    def pace(self) -> float:
        """How long an update takes: the mean of some seconds, after which this trainer is of no more use."""
        shares = self.updater.shares(Position(0, 0))
        keep_freed_memory()
        self.model.train()
        for _ in range(TRIED_BEFORE):
            self.updater.update(shares, self.state)
        synchronize(self.device)
        begin = time.perf_counter()
        while not self.processes.agree(time.perf_counter() - begin > TRIED_SECONDS):
            self.updater.update(shares, self.state)
            self.state.step += 1
        synchronize(self.device)
        return (time.perf_counter() - begin) / self.state.step

    # --------------------------------------------------------------------------------------------------------- the loop

    def train(self, reporter: Reporter) -> str:
        """Train until a limit is reached and return which; StoppedBySignal on SIGINT or SIGTERM, after saving."""
        self.state.finished = ""
        if self.processes.first:
            self.log.truncate(self.state.step)
        if self.data.valid is None:
            logger.warning(
                "there is no validation set: the model is the newest one, not the best; give prepare --valid or --split"
            )
        reporter.start(self.state.step)
        previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            reason = self._loop(reporter)
        finally:
            reporter.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)
        return reason

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.signal:  # a second one is meant
            raise SystemExit(128 + number)
        self.signal = number

    def _loop(self, reporter: Reporter) -> str:
        shares = self.updater.shares(Position(self.state.epoch, self.state.batch))
        window = Window()
        keep_freed_memory()
        self.matrix_rate = matrix_rate(self.device, self.master.working.dtype, self.model.config.dim)
        self.matrix_rate *= self.processes.world
        if self.processes.first:
            self._log_start()
        self.model.train()
        self.clock = time.perf_counter()
        while not (reason := self.reason_to_stop()):
            update = self.updater.update(shares, self.state)
            self.norms.append(update.norm)
            self.state.step += 1
            ranked = False
            stopping = self._exchange()
            window.add(*update)
            if self.state.step % self.config.log_every == 0:
                self._log_training(window, reporter)
                window = Window()
            if self.state.step % self.config.validate_every == 0 and not self._time_is_short():
                self.validate(reporter)
                self.state.worse_in_a_row = self.processes.agree(self.state.worse_in_a_row)
                ranked = checkpoint_name(self.state.step) in self.selection.best_checkpoints(self.state)
                self._exchange()
                window = Window()
            if self.state.step % self.config.save_every == 0 or ranked or stopping:
                with window.paused():
                    self.save()
            if stopping:
                raise StoppedBySignal(stopping)
        if window.steps:
            self._log_training(window, reporter)
        self._finish(reason, reporter)
        return reason

    def _exchange(self) -> int:
        """Add the seconds that passed since this was last done, on which the rate may depend; a signal, if one came.

        Of both it is what all processes have agreed on.
        """
        now = time.perf_counter()
        stopping, seconds = self.processes.exchange(self.signal, now - self.clock)
        self.clock = now
        self.state.seconds += seconds
        return stopping

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
            return f"found no better model in {config.patience} validations (--patience)"
        return ""

    def _time_is_short(self) -> bool:
        """Whether the last tenth of the minutes has begun: it is for updates, and ends with a validation anyway."""
        return self.config.minutes is not None and self.state.seconds > 0.9 * 60 * self.config.minutes

    def _last_step(self) -> int:
        """Where training will end, by its steps and minutes, at the pace it had so far."""
        if not self.config.minutes:
            return self.config.steps
        by_minutes = round(self.state.step / max(1e-3, self.state.seconds) * 60 * self.config.minutes)
        return min(self.config.steps, max(self.state.step, by_minutes))

    def _look_at_norms(self) -> None:
        """Count the updates that were skipped since the last look; NmtError after too many in a row."""
        if not self.norms:
            return
        finite = torch.stack(self.norms).isfinite().tolist()
        first = self.state.step - len(finite) + 1
        self.norms = []
        for step, good in enumerate(finite, start=first):
            self.state.skipped_in_a_row = 0 if good else self.state.skipped_in_a_row + 1
            if good:
                continue
            self.state.skipped += 1
            if self._in_doubt():
                logger.warning("step %s: the gradient is not finite, the update is skipped", f"{step:,}")
            if self.state.skipped_in_a_row >= MOST_SKIPPED:
                raise NmtError(
                    f"{MOST_SKIPPED} updates in a row without a finite gradient, up to step {step:,}: training has "
                    f"diverged; {self._last_checkpoint_before(step - MOST_SKIPPED)}",
                    "go on in another --run with a lower --peak-rate or a longer --warmup",
                )

    def _in_doubt(self) -> bool:
        """Whether the last steps were skipped; of float16 one says only that the loss scale was too large."""
        return self.state.skipped_in_a_row > (0 if self.master.loss_scale is None else 1)

    def _last_checkpoint_before(self, step: int) -> str:
        names = [path.name for path in list_checkpoints(self.checkpoints) if path.name <= checkpoint_name(step)]
        return f"the last good checkpoint is {self.checkpoints / names[-1]}" if names else "no checkpoint was saved"

    # ------------------------------------------------------------------------------------------------------- validation

    def validate(self, reporter: Reporter) -> None:
        """Let the selection look at the present weights, in the first process."""
        self.validated = self.state.step
        self._look_at_norms()
        if self.processes.first:
            self.selection.validate(self.state, reporter)
        else:
            self.state.worse_in_a_row = 0  # the first process knows, see `_loop`

    def _finish(self, reason: str, reporter: Reporter) -> None:
        """Validate what was not, try the average of checkpoints, and save that the run is finished."""
        if self.processes.first:
            if self.validated != self.state.step and (
                self.state.step % self.config.validate_every or self._time_is_short()
            ):
                self.validate(reporter)
            self.selection.try_average(self.state, reporter)
            self.state.finished = reason
        self.save()

    # ------------------------------------------------------------------------------------------------ state and the log

    def save(self) -> None:
        """Write a checkpoint and remove those that the policy no longer keeps; none while the weights are in doubt.

        The first process does, and the others wait for it: in the middle of a step they would wait in vain.
        """
        self._look_at_norms()
        if self.processes.first and not self._in_doubt():
            save_checkpoint(self.checkpoints, self.state, self.master.named(self.master.master), self.master.moments())
            last = self.config.average if self.config.average_of == "last" else 1
            prune(self.checkpoints, self.config.keep, last, self.selection.best_checkpoints(self.state))
        self.processes.barrier()

    def _log_start(self) -> None:
        """What training begins with, or goes on with."""
        machine = describe_machine(self.device, self.master.working.dtype, self.processes.world)
        size = {"parameters": self.parameter_count(), "pairs": len(self.data.train.source)}
        self.log.append("start", {"step": self.state.step, **size, **machine, "matrix_rate": self.matrix_rate})

    def _log_training(self, window: Window, reporter: Reporter) -> None:
        self._look_at_norms()
        means = window.means()
        tokens = means.source_tokens, means.target_tokens
        seconds = max(1e-9, time.perf_counter() - window.start)
        flops = training_flops(self.model.config, *tokens) * (2 if self.config.r_drop else 1)
        numbers = {
            "step": self.state.step,
            "epoch": self.state.epoch,
            "loss": means.loss,
            "perplexity": perplexity(means.cross_entropy),
            "rate": learning_rate(self.state.step, self.config, self.state.seconds),
            "gradient_norm": means.gradient_norm,
            "tokens_per_second": sum(tokens) / seconds,
            "utilisation": flops / seconds / self.matrix_rate,
            "memory_mb": peak_memory(self.device),
            "seconds": self.state.seconds,
            "skipped": self.state.skipped,
        }
        if self.processes.first:
            self.log.append("train", numbers)
            steps = self._last_step()
            left = self.state.seconds / self.state.step * (steps - self.state.step)
            reporter.train({**numbers, "steps": steps, "seconds_left": left})
            self._tell_divergence(means.loss)

    def _tell_divergence(self, loss: float) -> None:
        """Warn where the loss has risen by more than one nat above its lowest, once each time."""
        self.lowest_loss = min(self.lowest_loss, loss)
        if loss > self.lowest_loss + 1 and self.state.step > self.config.warmup:
            logger.warning(
                "step %s: the loss has risen from %.2f to %.2f: training diverges; a lower --peak-rate or a longer "
                "--warmup may help",
                f"{self.state.step:,}",
                self.lowest_loss,
                loss,
            )
            self.lowest_loss = loss
