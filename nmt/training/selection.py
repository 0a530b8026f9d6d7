"""Which weights become a run's model: of all that were validated the best, or the mean of checkpoints at the end."""

import logging
import math
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from nmt.config import TrainingConfig
from nmt.errors import NmtError
from nmt.model.transformer import Transformer
from nmt.model.weights import save_model
from nmt.training.log import Log
from nmt.training.optimizer import MasterWeights
from nmt.training.progress import Numbers, Reporter
from nmt.training.state import TrainingState, average_weights, checkpoint_name, list_checkpoints, load_weights
from nmt.training.validation import Validation, Validator

logger = logging.getLogger("nmt")


class Selection:
    """A run's model directory, and what decides about its weights; the ranking so far is part of the state."""

    def __init__(
        self,
        run: Path,
        model: Transformer,
        master: MasterWeights,
        validator: Validator,
        config: TrainingConfig,
        log: Log,
        made: dict[str, Any],
    ) -> None:
        """`made` is what the model directory says of how it was made, beside step and scores."""
        self.run, self.model, self.master, self.validator = run, model, master, validator
        self.config, self.log, self.made = config, log, made

    def validate(self, state: TrainingState, reporter: Reporter) -> None:
        """Score the weights that the model would be made of; the best ones so far become it.

        Without a validation set the newest ones do.
        """
        weights = self.master.best()
        if self.validator.data.valid is None:
            self._publish(weights, state, {})
            return
        scored = self._score(weights, state)
        rank = self._rank(scored.numbers, state)
        best = not state.ranking or rank[:2] > state.ranking[0][:2]
        state.worse_in_a_row = 0 if best else state.worse_in_a_row + 1
        state.ranking = sorted([*state.ranking, rank], key=lambda one: one[:2], reverse=True)[: self.config.average]
        if best:
            self._publish(weights, state, scored.numbers)
        self._tell("valid", scored, state, reporter, best=best)

    def try_average(self, state: TrainingState, reporter: Reporter) -> None:
        """Validate the mean of the present weights and those of kept checkpoints: it is often the best model.

        Beside the present weights it is the loss that decides: between models as near each other as these, the noise of
        BLEU is larger than what differs. Where weights of an earlier step are the best, the mean must be better still.
        """
        present = checkpoint_name(state.step)
        paths = self._to_average(state)
        if not paths or self.validator.data.valid is None:
            return
        logger.info("averaging the weights of %d checkpoints:", len(paths) + 1)
        own = self.master.named(self.master.best())
        mean = self.master.flatten(average_weights(chain(map(load_weights, paths), [own])))
        scored = self._score(mean, state)
        rank, so_far = self._rank(scored.numbers, state), state.ranking[0]
        deciding = slice(1, 2) if so_far[2] == state.step else slice(2)
        best = rank[deciding] > so_far[deciding]
        if best:
            state.ranking = [rank, *state.ranking][: self.config.average]
            self._publish(mean, state, scored.numbers, averaged=[*(path.name for path in paths), present])
        self._tell("mean", scored, state, reporter, best=best)

    def best_checkpoints(self, state: TrainingState) -> set[str]:
        """The names of the checkpoints with the best validations, where those are kept."""
        if self.config.average_of == "last":
            return set()
        return {checkpoint_name(int(step)) for _, _, step in state.ranking}

    def _to_average(self, state: TrainingState) -> list[Path]:
        """The checkpoints whose weights are averaged in the end, the present one apart."""
        paths = list_checkpoints(self.run / "checkpoints")
        older = [path for path in paths if path.name != checkpoint_name(state.step)]
        if self.config.average_of == "best":
            best = self.best_checkpoints(state)
            return [path for path in older if path.name in best]
        return older[len(older) - min(len(older), self.config.average - 1) :]

    def _score(self, weights: torch.Tensor, state: TrainingState) -> Validation:
        with self.master.showing(weights):
            return self.validator.validate(self.model, state.parts)

    def _rank(self, numbers: Numbers, state: TrainingState) -> list[float]:
        """What is larger for better weights: their score and, where that is the same to one decimal, their loss.

        What scores of some hundred sentences differ by in the second decimal is noise; and at first BLEU is always 0.
        """
        value = -numbers["loss"] if self.config.metric == "loss" else round(numbers[self.config.metric], 1)
        rank = [value, -numbers["loss"], state.step]
        if not all(map(math.isfinite, rank)):
            raise NmtError(
                f"the validation loss is {numbers['loss']} at step {state.step:,}: training has diverged",
                "go on in another --run with a lower --peak-rate or a longer --warmup",
            )
        return rank

    def _publish(self, weights: torch.Tensor, state: TrainingState, numbers: Numbers, **how: object) -> None:
        """Make weights the run's model."""
        made = {**self.made, **how, "step": state.step, "validation": numbers}
        save_model(self.run / "model", self.model.config, self.master.named(weights), self.validator.tokenizers, made)

    def _tell(self, kind: str, scored: Validation, state: TrainingState, reporter: Reporter, *, best: bool) -> None:
        shown = [one._asdict() for one in scored.samples]
        self.log.append(kind, {"step": state.step, "seconds": state.seconds, **scored.numbers, "samples": shown})
        reporter.validation({"step": state.step, **scored.numbers}, scored.samples, best=best)
