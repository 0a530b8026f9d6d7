"""`nmt train` and `nmt average`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from nmt.cli.data import log
from nmt.cli.options import Common, Given
from nmt.config import (
    MODEL_SHAPE,
    ModelConfig,
    RuntimeConfig,
    TrainingConfig,
    Value,
    format_settings,
    read_settings,
)
from nmt.errors import NmtError, StoppedBySignal


def train(common: Common, given: Annotated[Given, TrainingConfig, ModelConfig, RuntimeConfig]) -> None:
    """Train on RUN/data, or go on with the training that is there; the best model so far is RUN/model."""
    from nmt.training.progress import make_reporter

    trainer = open_trainer(common, given)
    if trainer is None:
        return
    try:
        reason = trainer.train(make_reporter(quiet=common.quiet))
    except StoppedBySignal:
        log(f"stopped; step {trainer.state.step:,} is saved, and the same command goes on from there")
        raise
    best = "" if trainer.state.best_score is None else f"; best: step {trainer.state.best_step:,}"
    log(f"training finished: {reason}{best}; the model is {common.model}")


def open_trainer(common: Common, given: Given) -> Any:
    """A trainer that stands where the run stands; None, with a message, when the run is finished."""
    from nmt.data.prepare import read_description
    from nmt.files import write_text
    from nmt.model.device import prepare_runtime
    from nmt.text.tokenizer import Tokenizers
    from nmt.training.state import clear_leftovers, load_newest
    from nmt.training.trainer import Trainer, TrainingData

    tokenizers = Tokenizers.load(common.run)
    description = read_description(common.data, tokenizers)
    clear_leftovers(common.run / "checkpoints")
    checkpoint = load_newest(common.run / "checkpoints")
    if checkpoint:
        given = _go_on(common.run / "config.toml", given)
    runtime, training = given.build(RuntimeConfig), given.build(TrainingConfig)
    vocabularies: dict[str, Value] = {
        "source_vocabulary": len(tokenizers.source),
        "target_vocabulary": len(tokenizers.target),
        "shared_vocabulary": tokenizers.shared,
    }
    model = given.build(ModelConfig, **vocabularies)
    device, dtype = prepare_runtime(runtime, exact=False)
    made = {"languages": description["languages"], "data": description["sha256"], "settings": given.values()}
    trainer = Trainer(common.run, model, training, TrainingData.open(common.data), tokenizers, device, dtype, made)
    if checkpoint:
        trainer.restore(checkpoint)
        if reason := trainer.reason_to_stop():
            log(f"nothing to do: this run is finished, it {reason}; to go on, raise the limit or use another --run")
            return None
        log(f"going on from step {trainer.state.step:,}")
    write_text(common.run / "config.toml", format_settings("train", given.values()))
    pairs, precision = description["sets"]["train"]["pairs"], str(dtype).removeprefix("torch.")
    log(f"{trainer.parameter_count():,} parameters, {pairs:,} pairs, {device}, {precision}")
    return trainer


def _go_on(path: Path, given: Given) -> Given:
    """Settings of the run that goes on, under those given now; tells what changed, refuses what cannot."""
    before = read_settings(path, "train", given.configs) if path.exists() else {}
    merged = given.over(before)
    now = merged.values()
    changed = {name: (old, now[name]) for name, old in before.items() if now[name] != old}
    told = [f"{name} {old} -> {new}" for name, (old, new) in sorted(changed.items())]
    if broken := sorted(changed.keys() & MODEL_SHAPE):
        raise NmtError(
            f"the run's model cannot change while it trains: {', '.join(told)}",
            f"leave out {', '.join(broken)}, or train another run with --run",
        )
    if told:
        log(f"settings changed since this run began: {', '.join(told)}")
    return merged


Checkpoints = Annotated[
    list[Path] | None,
    typer.Argument(help="Checkpoint directories.", show_default="the run's last ones"),
]
Last = Annotated[int, typer.Option(help="How many of the run's last checkpoints.", min=1)]
Output = Annotated[Path | None, typer.Option(help="Model directory to write.", show_default="RUN/model")]


def average(common: Common, checkpoints: Checkpoints = None, last: Last = 5, output: Output = None) -> None:
    """Average the weights of checkpoints into a model, often better than any of them."""
    from nmt.model.weights import read_model_config, replace_weights
    from nmt.training.state import average_weights, list_checkpoints, load_weights

    paths = checkpoints or list_checkpoints(common.run / "checkpoints")[-last:]
    if not paths:
        raise NmtError(f"{common.run / 'checkpoints'}: no checkpoints there", "train first, or name them")
    weights = average_weights(map(load_weights, paths))
    read_model_config(common.model)
    replace_weights(common.model, output or common.model, weights, {"averaged": [path.name for path in paths]})
    log(f"averaged {', '.join(path.name for path in paths)} into {output or common.model}")
