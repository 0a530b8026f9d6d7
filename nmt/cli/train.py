"""`nmt train` and `nmt average`."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli.options import Common, Given
from nmt.cli.output import log, set_up_logging, warn
from nmt.config import MODEL_SHAPE, PRESETS, ModelConfig, RuntimeConfig, TrainingConfig, auto_preset, planned_dropout
from nmt.errors import NmtError, StoppedBySignal
from nmt.settings import AUTO, Value, settings_of

if TYPE_CHECKING:
    from nmt.training.distributed import Processes


def train(common: Common, given: Annotated[Given, TrainingConfig, ModelConfig, RuntimeConfig]) -> None:
    """Train on RUN/data, or go on with the training that is there; the best model so far is RUN/model."""
    from nmt.files import locked
    from nmt.training.distributed import joined
    from nmt.training.progress import make_reporter
    from nmt.training.run import (
        check_changes,
        is_under_way,
        keep_settings,
        open_trainer,
        settings_of_run,
        training_device,
    )
    from nmt.training.state import list_checkpoints

    device, _ = training_device(given.values())
    with joined(device) as processes, locked(common.run) if processes.first else nullcontext():
        if not processes.first:
            set_up_logging(quiet=True)
        measured = False
        if is_under_way(common.run):
            before = settings_of_run(common.run, given.configs)
            given = _as_before(given, before)
            check_changes(before, given.values())
        else:
            given = _planned(_from_a_model(_with_its_preset(common, given)))
            measured = given.values()["steps"] == AUTO
            given = _settled(common.run, given, processes)
        trainer = open_trainer(common.run, given.values(), processes)

        def keep_steps(steps: int) -> None:
            settings = trainer.made["settings"] = {**given.values(), "steps": steps}
            if processes.first:
                keep_settings(common.run, settings)

        trainer.planned = keep_steps if measured else None
        if trainer.state.step and (reason := trainer.reason_to_stop()):
            log(f"nothing to do: this run is finished, it {reason}; to go on, raise the limit or use another --run")
            return
        if processes.first:
            keep_settings(common.run, given.values())
        if trainer.state.step:
            log(f"going on from step {trainer.state.step:,}")
        try:
            reason = trainer.train(make_reporter(quiet=common.quiet or not processes.first))
        except StoppedBySignal:
            names = [path.name for path in list_checkpoints(trainer.checkpoints)]
            log(f"stopped; {names[-1]} is saved, and the same command goes on from there" if names else "stopped")
            raise
    state, config = trainer.state, trainer.config
    if config.schedule == "linear" and state.step < config.steps and "--minutes" in reason:
        warn(
            f"time was up at step {state.step:,} of {config.steps:,}, before the rate had fallen to zero: with more "
            "--minutes the run goes on to there"
        )
    best = f"; best: step {int(trainer.state.ranking[0][-1]):,}" if trainer.state.ranking else ""
    log(f"training finished: it {reason}{best}; the model is {common.model}")


def _as_before(given: Given, before: Mapping[str, Value]) -> Given:
    """The settings of a run that goes on: what `auto` was found to mean stays."""
    given = given.over(before)
    for name in ("batch_tokens", "steps"):
        if given.values()[name] == AUTO:
            given = given.settled(**{name: before[name]})
            log(f"--{name.replace('_', '-')} auto: this run keeps {before[name]}")
    return given


def _planned(given: Given) -> Given:
    """With --minutes alone, a plan for that time: as many steps as fit, with a rate that falls to zero at the last one.

    That is worth more than anything else that could be done with so many updates.
    """
    if given.values()["minutes"] is None or given.chosen & {"steps", "schedule", "epochs"}:
        return given
    log("--minutes: steps auto, schedule linear")
    return given.over({"steps": AUTO, "schedule": "linear", "decay_start": 0.2})


def _settled(run: Path, given: Given, processes: "Processes") -> Given:
    """The settings of a new run with numbers where `auto` was given."""
    from nmt.training.run import fitting_batches, fitting_steps

    if given.values()["batch_tokens"] == AUTO:
        given = given.settled(batch_tokens=fitting_batches(run, given.values(), processes))
    if given.values()["steps"] == AUTO:
        steps, passes = fitting_steps(run, given.values(), processes)
        given = given.over(_in_time(steps, given.values()["warmup"])).settled(steps=steps)
        if given.values()["preset"] == AUTO and "dropout" not in given.chosen:
            given = given.over({"dropout": planned_dropout(passes)})
            log(f"--dropout {given.values()['dropout']}: the plan reads the text {passes:.1f} times")
    return given


def _with_its_preset(common: Common, given: Given) -> Given:
    """Tell what the preset sets; auto gets the values that suit the run's data."""
    from nmt.data.prepare import read_description
    from nmt.model.device import choose_device
    from nmt.text.tokenizer import Tokenizers

    name = str(given.values()["preset"])
    if name != AUTO:
        values = given.values()
        used = [f"{key} {value}" for key, value in PRESETS[name].items() if values[key] == value]
        log(f"--preset {name}: {', '.join(used) or 'every value of it is overridden'}")
        return given
    pairs = read_description(common.data, Tokenizers.load(common.run))["sets"]["train"]["pairs"]
    values, reason = auto_preset(pairs, gpu=choose_device(str(given.values()["device"])).type == "cuda")
    log(reason)
    return given.with_preset(AUTO, values)


def _in_time(steps: int, warmup: object) -> dict[str, Value]:
    """Settings of a training that is known to be short: few validations, which take time, and checkpoints close
    enough to each other that the last ones are worth averaging.
    """
    every = {"validate_every": max(1, -(-steps // 2)), "save_every": max(1, -(-steps // 40))}
    return {**every, "warmup": max(1, min(int(str(warmup)), steps // 8))}


def _from_a_model(given: Given) -> Given:
    """With --init-from the shape of that model, where no other is given."""
    from nmt.model.weights import read_model_config

    directory = given.values()["init_from"]
    if not directory:
        return given
    shape = read_model_config(Path(str(directory)))["model"]
    return given.over({name: shape[name] for name in MODEL_SHAPE & settings_of(ModelConfig).keys() if name in shape})


Checkpoints = Annotated[
    list[Path] | None,
    typer.Argument(help="Checkpoint directories.", show_default="the run's last ones"),
]
Last = Annotated[int, typer.Option(help="How many of the run's last checkpoints.", min=1)]
Output = Annotated[Path | None, typer.Option(help="Model directory to write.", show_default="RUN/model")]


def average(common: Common, checkpoints: Checkpoints = None, last: Last = 5, output: Output = None) -> None:
    """Average the weights of checkpoints into a model, often better than any of them."""
    from nmt.files import locked
    from nmt.model.weights import read_model_config, replace_weights
    from nmt.training.state import average_weights, list_checkpoints, load_weights

    paths = checkpoints or list_checkpoints(common.run / "checkpoints")[-last:]
    if not paths:
        raise NmtError(f"{common.run / 'checkpoints'}: no checkpoints there", "train first, or name them")
    weights = average_weights(map(load_weights, paths))
    read_model_config(common.model)
    with locked(common.run) if output is None else nullcontext():
        replace_weights(common.model, output or common.model, weights, {"averaged": [path.name for path in paths]})
    log(f"averaged {', '.join(path.name for path in paths)} into {output or common.model}")
