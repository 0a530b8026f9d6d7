"""The training loop: batches in, updates out, and now and then a validation and a checkpoint.

A step is one update of the weights: forward and backward over `accumulate` batches, the gradient divided by the
number of target tokens in all of them, one step of Adam at the schedule's rate. Everything that a step draws at random
follows from (seed, step, batch), so a run that was stopped and started again is the same run.
"""

import json
import logging
import math
import signal
import time
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np
import torch

from nmt.config import ModelConfig, SearchConfig, TrainingConfig
from nmt.data.batches import Batch, Indices, Position, make_batch, plan_epoch, stream_batches
from nmt.data.binary import Rows
from nmt.decoding.translate import Translator
from nmt.errors import NmtError, StoppedBySignal
from nmt.evaluation.metrics import score
from nmt.files import read_text
from nmt.model.transformer import Transformer
from nmt.model.weights import save_model
from nmt.text.tokenizer import Tokenizers
from nmt.training.optimizer import MasterWeights
from nmt.training.progress import Numbers, Reporter
from nmt.training.schedule import learning_rate
from nmt.training.state import (
    Checkpoint,
    TrainingState,
    average_weights,
    checkpoint_name,
    list_checkpoints,
    load_weights,
    prune,
    save_checkpoint,
)

logger = logging.getLogger("nmt")


class Pairs(NamedTuple):
    """Token rows of both sides of a set, and which of them are short enough for the model."""

    source: Rows
    target: Rows
    fitting: Indices

    @classmethod
    def open(cls, directory: Path, max_length: int) -> "Pairs":
        """Open one set of a data directory; what is longer than the model reads is left out, and told."""
        source, target = Rows(directory, "source"), Rows(directory, "target")
        if len(source) != len(target):
            raise NmtError(f"{directory}: {len(source)} source but {len(target)} target rows", "run nmt prepare again")
        fitting = np.flatnonzero(np.maximum(source.lengths, target.lengths) <= max_length)
        if len(fitting) < len(source):
            logger.warning(
                "%s: %d pairs are longer than --max-length and left out", directory, len(source) - len(fitting)
            )
        if not len(fitting):
            raise NmtError(f"{directory}: no pair is short enough for --max-length {max_length}", "raise it")
        return cls(source, target, fitting)

    def lengths(self) -> tuple[Indices, Indices]:
        """Lengths of source and target of the pairs that fit."""
        return self.source.lengths[self.fitting], self.target.lengths[self.fitting]

    def batch(self, chosen: Indices, model: ModelConfig) -> Batch:
        """A batch of pairs, by their places among those that fit."""
        rows = self.fitting[chosen]
        return make_batch(self.source, self.target, rows, model.source_vocabulary, model.target_vocabulary)


class TrainingData(NamedTuple):
    """What training reads: the pairs of both sets, and the validation set as text; that set may be absent."""

    train: Pairs
    valid: Pairs | None
    valid_lines: list[str]
    valid_references: list[str]

    @classmethod
    def open(cls, directory: Path, max_length: int) -> "TrainingData":
        """Open a prepared data directory for a model of this length."""
        train = Pairs.open(directory / "train", max_length)
        if not (directory / "valid").is_dir():
            return cls(train, None, [], [])
        files = directory / "valid.source", directory / "valid.target"
        lines, references = (list(read_text(file)) for file in files)
        if len(lines) != len(references):
            counts = f"{files[0]} has {len(lines):,} lines but {files[1]} has {len(references):,}"
            raise NmtError(counts, "run nmt prepare again")
        return cls(train, Pairs.open(directory / "valid", max_length), lines, references)


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
    ) -> None:
        """`made` is what the model directory says of how it was made, beside step and scores."""
        self.run_directory, self.config, self.data, self.tokenizers = run, training, data, tokenizers
        self.device, self.made = device, made
        torch.manual_seed(training.seed)
        self.model = Transformer(model).to(device)
        self.model.place_positions(device, dtype)
        self.master = MasterWeights(self.model, training, dtype)
        self.state = TrainingState()
        self.signal = 0

    @property
    def checkpoints(self) -> Path:
        """Where the run's checkpoints are."""
        return self.run_directory / "checkpoints"

    def parameter_count(self) -> int:
        """Weights that training changes."""
        return len(self.master.master)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint."""
        self.master.restore(checkpoint.weights, checkpoint.moments, checkpoint.state.step)
        self.state = checkpoint.state

    # --------------------------------------------------------------------------------------------------------- the loop

    def train(self, reporter: Reporter) -> str:
        """Train until a limit is reached and return which; StoppedBySignal on SIGINT or SIGTERM, after saving."""
        self.state.finished = ""
        _truncate_log(self.run_directory / "metrics.jsonl", self.state.step)
        reporter.start(self.state.step, self.config.steps)
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
        batches = self._batches()
        window = _Window(self.state.seconds)
        self.model.train()
        clock = time.perf_counter()
        while not (reason := self.reason_to_stop()):
            numbers = self._step(batches)
            self.state.step += 1
            self.state.seconds, clock = self.state.seconds + time.perf_counter() - clock, time.perf_counter()
            window.add(*numbers)
            if self.state.step % self.config.log_every == 0:
                self._log_training(window, reporter)
                window = _Window(self.state.seconds)
            if self.state.step % self.config.validate_every == 0:
                self.validate(reporter)
                self.state.seconds, clock = self.state.seconds + time.perf_counter() - clock, time.perf_counter()
                window = _Window(self.state.seconds)
            if self.state.step % self.config.save_every == 0 or self.signal:
                self.save()
            if self.signal:
                raise StoppedBySignal(self.signal)
        self._finish(reason, reporter)
        return reason

    def _batches(self) -> Iterator[tuple[Position, Batch]]:
        start, config = Position(self.state.epoch, self.state.batch), self.config
        for position, rows in stream_batches(*self.data.train.lengths(), config.batch_tokens, config.seed, start):
            yield position, self.data.train.batch(rows, self.model.config).to(self.device)

    def _step(self, batches: Iterator[tuple[Position, Batch]]) -> tuple[torch.Tensor, torch.Tensor, int, int]:
        """One update: summed loss and cross-entropy (on the device), target tokens, all tokens."""
        smoothed, cross_entropy = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        target_tokens = tokens = 0
        for number in range(self.config.accumulate):
            position, batch = next(batches)
            torch.manual_seed(_mix(self.config.seed, self.state.step, number))
            loss = self.model.loss(*batch[:4], self.config.label_smoothing)
            loss.smoothed.backward()
            self.master.collect()
            smoothed += loss.smoothed.detach()
            cross_entropy += loss.cross_entropy
            target_tokens += batch.target_tokens
            tokens += batch.source_tokens + batch.target_tokens
        self.master.update(learning_rate(self.state.step + 1, self.config), target_tokens)
        self.state.epoch, self.state.batch = position
        return smoothed, cross_entropy, target_tokens, tokens

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

    def _seconds_left(self) -> float:
        """How long training may go on, by its steps and minutes, at the rate it had so far."""
        by_steps = self.state.seconds / max(1, self.state.step) * (self.config.steps - self.state.step)
        return min(by_steps, 60 * self.config.minutes - self.state.seconds if self.config.minutes else math.inf)

    # ------------------------------------------------------------------------------------------------------- validation

    def validate(self, reporter: Reporter) -> bool:
        """Score the present weights on the validation set; the best so far become the run's model."""
        if self.data.valid is None:
            self._publish({})
            return True
        self.model.eval()
        numbers = {"step": float(self.state.step), **self.validation_scores()}
        self.model.train()
        value = -numbers["loss"] if self.config.metric == "loss" else numbers[self.config.metric]
        state = self.state
        best = state.best_score is None or (value, -numbers["loss"]) > (state.best_score, -state.best_loss)
        if best:
            state.best_score, state.best_loss = value, numbers["loss"]
            state.best_step, state.worse_in_a_row = state.step, 0
            self._publish(numbers)
        else:
            state.worse_in_a_row += 1
        self._append_log("valid", numbers)
        reporter.validation(numbers, best=best)
        return best

    @torch.inference_mode()
    def validation_scores(self) -> dict[str, float]:
        """Loss and perplexity over the validation set's tokens, BLEU and chrF of its translations."""
        assert self.data.valid is not None
        total, tokens = 0.0, 0
        for rows in plan_epoch(*self.data.valid.lengths(), self.config.batch_tokens, seed=0, epoch=0):
            batch = self.data.valid.batch(rows, self.model.config).to(self.device)
            total += float(self.model.loss(*batch[:4], 0.0).cross_entropy)
            tokens += batch.target_tokens
        loss = total / max(1, tokens)
        self._check_finite(loss)
        translator = Translator(self.model, self.tokenizers, self.device)
        search = SearchConfig(beam=self.config.valid_beam)
        hypotheses = [one.text for one in translator.stream(self.data.valid_lines, search)]
        scores = {one.name: one.value for one in score(hypotheses, [self.data.valid_references], ("bleu", "chrf"))}
        return {"loss": loss, "perplexity": _perplexity(loss), "bleu": scores["BLEU"], "chrf": scores["chrF2"]}

    def _publish(self, numbers: Numbers) -> None:
        """Make the present weights the run's model."""
        made = {**self.made, "step": self.state.step, "validation": {k: v for k, v in numbers.items() if k != "step"}}
        weights = self.master.named(self.master.master)
        save_model(self.run_directory / "model", self.model.config, weights, self.tokenizers, made)

    def _finish(self, reason: str, reporter: Reporter) -> None:
        """Validate what was not, try the average of the last checkpoints, and save that the run is finished."""
        if self.state.step % self.config.validate_every:
            self.validate(reporter)
        self._try_average(reporter)
        self.state.finished = reason
        self.save()

    def _try_average(self, reporter: Reporter) -> None:
        """Validate the mean of the present weights and those of the newest checkpoints: it is often the best model."""
        paths = [path for path in list_checkpoints(self.checkpoints) if path.name != checkpoint_name(self.state.step)]
        paths = paths[len(paths) - min(len(paths), self.config.average - 1) :]
        if not paths or self.data.valid is None:
            return
        logger.info("averaging the weights of the last %d checkpoints", len(paths) + 1)
        present, worse_in_a_row, made = self.master.master.clone(), self.state.worse_in_a_row, self.made
        own = self.master.named(present)
        self.master.load(average_weights(chain(map(load_weights, paths), [own])))
        self.made = {**made, "averaged": [*(path.name for path in paths), checkpoint_name(self.state.step)]}
        self.validate(reporter)
        self.master.load(own)
        self.state.worse_in_a_row, self.made = worse_in_a_row, made

    # ------------------------------------------------------------------------------------------------ state and the log

    def save(self) -> None:
        """Write a checkpoint and remove those that the policy no longer keeps."""
        save_checkpoint(self.checkpoints, self.state, self.master.named(self.master.master), self.master.moments())
        prune(self.checkpoints, self.config.keep, self.config.average)

    def _log_training(self, window: "_Window", reporter: Reporter) -> None:
        loss, cross_entropy = window.means()
        self._check_finite(loss)
        numbers = {
            "step": float(self.state.step),
            "epoch": float(self.state.epoch),
            "loss": loss,
            "perplexity": _perplexity(cross_entropy),
            "rate": learning_rate(self.state.step, self.config),
            "tokens_per_second": window.tokens / max(1e-9, self.state.seconds - window.start),
            "seconds": self.state.seconds,
            "seconds_left": self._seconds_left(),
        }
        self._append_log("train", {k: v for k, v in numbers.items() if k != "seconds_left"})
        reporter.train(numbers)

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise NmtError(
                f"the loss is {loss} at step {self.state.step:,}: training has diverged",
                "lower --peak-rate or raise --warmup; earlier checkpoints are as they were",
            )

    def _append_log(self, kind: str, numbers: Numbers) -> None:
        whole = {k: int(v) if k in ("step", "epoch") else v for k, v in numbers.items()}
        with open(self.run_directory / "metrics.jsonl", "a", encoding="utf-8") as stream:
            stream.write(json.dumps({"kind": kind, **whole}) + "\n")


class _Window:
    """Sums since the last line of the log; what is on the device stays there until the line is written."""

    def __init__(self, start: float) -> None:
        self.start = start  # seconds of training before
        self.losses: list[torch.Tensor] = []
        self.cross_entropies: list[torch.Tensor] = []
        self.target_tokens = self.tokens = 0

    def add(self, smoothed: torch.Tensor, cross_entropy: torch.Tensor, target_tokens: int, tokens: int) -> None:
        """Take in one step."""
        self.losses.append(smoothed)
        self.cross_entropies.append(cross_entropy)
        self.target_tokens += target_tokens
        self.tokens += tokens

    def means(self) -> tuple[float, float]:
        """Loss and cross-entropy for each target token."""
        sums = (torch.stack(parts).sum().item() for parts in (self.losses, self.cross_entropies))
        loss, cross_entropy = (total / self.target_tokens for total in sums)
        return loss, cross_entropy


def _perplexity(cross_entropy: float) -> float:
    return math.exp(min(cross_entropy, 700.0))


def _mix(seed: int, step: int, batch: int) -> int:
    """One seed from three numbers, so that neighbours have nothing in common."""
    return int(np.random.SeedSequence((seed, step, batch)).generate_state(1, np.uint64)[0])


def _truncate_log(path: Path, step: int) -> None:
    """Take out of metrics.jsonl what was logged behind the step that training goes on from."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        try:
            if line.endswith("\n") and json.loads(line)["step"] <= step:
                kept.append(line)
        except (ValueError, KeyError, TypeError):
            continue  # a line that was cut when the process was killed
    path.write_text("".join(kept), encoding="utf-8")
