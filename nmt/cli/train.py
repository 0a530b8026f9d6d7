"""`nmt train` and `nmt average`."""

import signal
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli.options import Common, Given
from nmt.cli.output import log, set_up_logging, warn
from nmt.config import MODEL_SHAPE, PRESETS, ModelConfig, RuntimeConfig, TrainingConfig, auto_preset
from nmt.errors import NmtError, ProcessLost, StoppedBySignal
from nmt.settings import AUTO, Value, settings_of

if TYPE_CHECKING:
    from nmt.training.distributed import Processes


def train(common: Common, given: Annotated[Given, TrainingConfig, ModelConfig, RuntimeConfig]) -> None:
    """Train on RUN/data, or go on with the training that is there; the best model so far is RUN/model."""
    from nmt.files import locked
    from nmt.training.distributed import joined
    from nmt.training.progress import make_reporter
    from nmt.training.run import (
        changes,
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
        changed: list[str] = []
        if is_under_way(common.run):
            before = settings_of_run(common.run, given.configs)
            given = _as_before(given, before)
            changed = changes(before, given.values())
        else:
            given = _settled(common.run, _from_a_model(_with_its_preset(common, given)), processes)
        trainer = open_trainer(common.run, given.values(), processes)
        if trainer.state.step and (reason := trainer.reason_to_stop()):
            log(f"nothing to do: this run is finished, it {reason}; to go on, raise the limit or use another --run")
            return
        if changed:
            log(f"settings changed since this run began: {', '.join(changed)}")
        if processes.first:
            keep_settings(common.run, given.values())
        if processes.first and trainer.config.warmup > trainer.config.steps:
            warn(f"--warmup {trainer.config.warmup} is longer than --steps {trainer.config.steps}: the rate only rises")
        if trainer.state.step:
            log(f"going on from step {trainer.state.step:,}")
        try:
            reason = trainer.train(make_reporter(quiet=common.quiet or not processes.first))
        except StoppedBySignal:
            names = [path.name for path in list_checkpoints(trainer.checkpoints)]
            log(f"stopped; {names[-1]} is saved, and the same command goes on from there" if names else "stopped")
            raise
        except ProcessLost:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which torchrun is about to send: the message comes first
            raise
    log(f"training finished: it {reason}; the model is {common.model}, {_described(common.model)}")


def _described(model: Path) -> str:
    """Which weights a model directory holds."""
    from nmt.model.weights import read_model_config

    made = read_model_config(model)["made"]
    step = f"step {made['step']:,}"
    return f"the mean of {len(made['averaged'])} checkpoints up to {step}" if made.get("averaged") else f"of {step}"


def _as_before(given: Given, before: Mapping[str, Value]) -> Given:
    """The settings of a run that goes on: what `auto` was found to mean stays."""
    given = given.over(before)
    if given.values()["batch_tokens"] == AUTO:
        given = given.settled(batch_tokens=before["batch_tokens"])
        log(f"--batch-tokens auto: this run keeps {before['batch_tokens']}")
    return given


def _settled(run: Path, given: Given, processes: "Processes") -> Given:
    """The settings of a new run: numbers where `auto` was given, and a plan for --minutes alone and for auto."""
    from nmt.training.run import fitting_batches

    if given.values()["batch_tokens"] == AUTO:
        given = given.settled(batch_tokens=fitting_batches(run, given.values(), processes))
    by_time = given.values()["minutes"] is not None and not given.chosen & {"steps", "schedule", "epochs"}
    if by_time or (given.values()["preset"] == AUTO and "schedule" not in given.chosen):
        return _planned(run, given, processes, by_time=by_time)
    return given


def _planned(run: Path, given: Given, processes: "Processes", *, by_time: bool) -> Given:
    """The settings of a training whose rate is zero when time is up or, of auto, when the text is read often enough."""
    from nmt.training.plan import plan_by_text, plan_by_time, suiting, with_larger_batches, with_r_drop

    config = given.build(TrainingConfig)
    if by_time:
        log("--minutes: schedule linear, the rate is zero when time is up")
        try:
            plan = plan_by_time(run, given.values(), processes)
        except KeyboardInterrupt:
            log("stopped before training began")
            raise
    else:
        plan = plan_by_text(run, config, processes, config.steps if "steps" in given.chosen else None)
    if config.preset == AUTO and "r_drop" not in given.chosen:
        plan = with_r_drop(plan)
    if config.preset == AUTO and not given.chosen & {"batch_tokens", "steps"}:
        plan = with_larger_batches(plan)
    given = given.over(suiting(plan, config))
    reading = f"about {plan.steps:,} steps of {plan.batch_tokens:,} tokens, which read the text {plan.passes:.1f} times"
    noise = f"dropout {given.values()['dropout']}" + (f", R-Drop {plan.r_drop:g}" if plan.r_drop else "")
    log(f"{reading}; {noise}")
    return given


def _with_its_preset(common: Common, given: Given) -> Given:
    """Tell what the preset sets; auto gets the values that suit the run's data."""
    from nmt.data.prepare import read_description
    from nmt.runtime import choose_device, on_gpu
    from nmt.text.tokenizer import Tokenizers

    name = str(given.values()["preset"])
    if name != AUTO:
        values = given.values()
        used = [f"{key} {value}" for key, value in PRESETS[name].items() if values[key] == value]
        log(f"--preset {name}: {', '.join(used) or 'every value of it is overridden'}")
        return given
    pairs = read_description(common.data, Tokenizers.load(common.run))["sets"]["train"]["pairs"]
    values, reason = auto_preset(pairs, gpu=on_gpu(choose_device(str(given.values()["device"]))))
    log(reason)
    return given.with_preset(AUTO, values)


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
