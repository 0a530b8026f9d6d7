"""Which weights become a run's model: those with the best validation, or the average of checkpoints at the end."""

import logging
import math
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from nmt.config.training import TrainingConfig
from nmt.data.shortlist import write_shortlist
from nmt.errors import NmtError
from nmt.files.run_directory import TRAIN, RunDirectory, checkpoint_name, list_checkpoints
from nmt.model.model_directory import save_model
from nmt.model.transformer import Transformer
from nmt.training.checkpoint import TrainingState, average_weights, load_weights
from nmt.training.metrics_log import MetricsLog
from nmt.training.optimizer import MasterWeights
from nmt.training.progress import Numbers, Reporter
from nmt.training.validation import Validation, Validator

logger = logging.getLogger("nmt")


class BestModel:
    """A run's model directory, and the choice of its weights; the ranking so far is part of the state."""

    def __init__(
        self,
        run: RunDirectory,
        model: Transformer,
        master: MasterWeights,
        validator: Validator,
        config: TrainingConfig,
        log: MetricsLog,
        provenance: dict[str, Any],
    ) -> None:
        """`provenance` is what the model directory will say about its origin, besides step and scores."""
        self.run, self.model, self.master, self.validator = run, model, master, validator
        self.config, self.log, self.provenance = config, log, provenance
        self.validated = 0  # the last step that was

    def validate(self, state: TrainingState, reporter: Reporter) -> None:
        """Score the present weights; publish them if they are the best so far, or where there is no validation set."""
        self.validated, weights = state.step, self.master.best()
        if self.validator.data.valid is None:
            self._publish(weights, state, {})
            return
        validation = self._score(weights, state, reporter)
        entry = self._entry(validation.numbers, state)
        best = not state.ranking or entry[:2] > state.ranking[0][:2]
        state.worse_in_a_row = 0 if best else state.worse_in_a_row + 1
        state.ranking = sorted([*state.ranking, entry], key=lambda entry: entry[:2], reverse=True)
        state.ranking = state.ranking[: self.config.average]
        if best:
            self._publish(weights, state, validation.numbers)
        self._log("valid", validation, state, reporter, best=best)

    def try_average(self, state: TrainingState, reporter: Reporter) -> None:
        """Validate the average of the present weights and those of kept checkpoints: it is often the best model.

        Against the present weights the loss decides: between models as similar as these, the noise of BLEU is larger
        than the difference. Where weights of an earlier step are the best, the average must have a better score.
        """
        present = checkpoint_name(state.step)
        paths = self._to_average(state)
        if not paths or self.validator.data.valid is None:
            return
        logger.info("averaging the weights of %d checkpoints:", len(paths) + 1)
        own = self.master.named(self.master.best())
        weights = self.master.flatten(average_weights(chain(map(load_weights, paths), [own])))
        validation = self._score(weights, state, reporter)
        entry, so_far = self._entry(validation.numbers, state), state.ranking[0]
        deciding = slice(1, 2) if so_far[2] == state.step else slice(2)
        best = entry[deciding] > so_far[deciding]
        if best:
            state.ranking = [entry, *state.ranking][: self.config.average]
            self._publish(weights, state, validation.numbers, averaged=[*(path.name for path in paths), present])
        self._log("average", validation, state, reporter, best=best)

    def best_checkpoints(self, state: TrainingState) -> set[str]:
        """The names of the checkpoints with the best validations, where those are averaged."""
        if self.config.average_of == "last":
            return set()
        return {checkpoint_name(int(step)) for _, _, step in state.ranking}

    def _to_average(self, state: TrainingState) -> list[Path]:
        """The checkpoints whose weights are averaged at the end, without the present one."""
        paths = list_checkpoints(self.run.checkpoints)
        older = [path for path in paths if path.name != checkpoint_name(state.step)]
        if self.config.average_of == "best":
            best = self.best_checkpoints(state)
            return [path for path in older if path.name in best]
        return older[len(older) - min(len(older), self.config.average - 1) :]

    def _score(self, weights: torch.Tensor, state: TrainingState, reporter: Reporter) -> Validation:
        reporter.validating()
        with self.master.replaced_by(weights):
            return self.validator.validate(self.model, state.parts)

    def _entry(self, numbers: Numbers, state: TrainingState) -> list[float]:
        """An entry of the ranking, larger for better weights: their score to one decimal, then their loss.

        A second decimal of BLEU over some hundred sentences is noise; and at first BLEU is always 0.
        """
        score = -numbers["loss"] if self.config.metric == "loss" else round(numbers[self.config.metric], 1)
        entry = [score, -numbers["loss"], state.step]
        if not all(map(math.isfinite, entry)):
            raise NmtError(
                f"the validation loss is {numbers['loss']} at step {state.step:,}: training has diverged",
                "train in another --run with a lower --learning-rate or a longer --warmup",
            )
        return entry

    def _publish(self, weights: torch.Tensor, state: TrainingState, numbers: Numbers, **details: object) -> None:
        """Make weights the run's model."""
        made = {**self.provenance, **details, "step": state.step, "validation": numbers}
        tokenizers, shortlist = self.validator.tokenizers, self.run.shortlist
        if not shortlist.exists():
            write_shortlist(shortlist, self.run.data / TRAIN, tokenizers)
        save_model(self.run.model, self.model.config, self.master.named(weights), tokenizers, made, shortlist)

    def _log(self, kind: str, validation: Validation, state: TrainingState, reporter: Reporter, *, best: bool) -> None:
        samples = [sample._asdict() for sample in validation.samples]
        self.log.append(kind, {"step": state.step, "seconds": state.seconds, **validation.numbers, "samples": samples})
        reporter.validation({"step": state.step, **validation.numbers}, validation.samples, best=best)
