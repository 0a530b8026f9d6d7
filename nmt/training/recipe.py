"""The recipe of a training: every setting resolved, once, from what was given.

A new run takes a setting from the command line, else from the file, else from the plan, else from the preset, else its
default; a run that resumes keeps its former settings instead of the last three. `auto` values become numbers here, and
`--minutes` and `--preset auto` get a plan: a learning rate that is zero at the end is worth one to three BLEU over one
that is cut off, so the end must be known before training begins.
"""

import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

from nmt.config.model import MODEL_SHAPE, ModelConfig
from nmt.config.presets import PLANNED, PRESETS, auto_batch_tokens, auto_dropout, auto_epochs, auto_preset, auto_r_drop
from nmt.config.runtime import RuntimeConfig
from nmt.config.setting import AUTO, Value, build, defaults, format_settings, read_settings, resolve, settings_of
from nmt.config.training import TrainingConfig
from nmt.data.reverse import reverse_data
from nmt.errors import NmtError, counted
from nmt.files.atomic import write_text
from nmt.files.lock import locked
from nmt.files.run_directory import RunDirectory, is_model, list_checkpoints
from nmt.model.model_directory import replace_weights, save_model
from nmt.model.model_files import read_model_config
from nmt.runtime import on_gpu
from nmt.training.batch_size import fitting_batch_tokens
from nmt.training.checkpoint import clear_leftovers
from nmt.training.distributed import Processes, connected
from nmt.training.setup import Setup, training_device
from nmt.training.trainer import Trainer

logger = logging.getLogger("nmt")

CONFIGS = (TrainingConfig, ModelConfig, RuntimeConfig)

FIXED = MODEL_SHAPE | {"preset", "init_from", "freeze", "optimizer"}
"""Settings that a run keeps: the model, where it began, and the optimizer to which the moments belong."""

FINE_TUNING = 6
"""The part of a new model's peak learning rate and warm-up that suits one that is trained (docs/experiments.md)."""

DECAY_START = 0.2  # fraction of a planned training after which the learning rate decays

STEPS_PER_EPOCH, SMALL_BATCH, ROUND, SMALLEST_BATCH = 200, 1024, 256, 16
LARGEST_STEP, BUSY_GPU = 1 << 15, 1 << 13
"""Tokens: of the order of the paper's 25,000 in a step (section 5.1), for which learning rates are known."""


class Recipe(NamedTuple):
    """The resolved settings of a training."""

    settings: Mapping[str, Value]
    changes: tuple[str, ...] = ()  # since the run began, in words


@contextmanager
def open_training(
    run: RunDirectory, given: Mapping[str, Value], reverse_of: RunDirectory | None = None
) -> Iterator[Trainer]:
    """The trainer of a run, new or resumed, with the settings that were given over all others.

    Its data are those of `reverse_of` in the other direction, if that is given.

    Connects the processes of a distributed training and locks the run. Raises NmtError and UsageError for settings or
    data that do not fit.
    """
    former = former_settings(run)
    runtime = build(RuntimeConfig, {**defaults([RuntimeConfig]), **former, **given})
    device, dtype = training_device(runtime)
    with ExitStack() as stack:
        processes = stack.enter_context(connected(device))
        if processes.first:
            if reverse_of:
                reverse_data(run, reverse_of)  # before the lock, since it makes the directory of a new run
            stack.enter_context(locked(run.path))
        else:
            logger.setLevel(logging.WARNING)
        clear_leftovers(run.checkpoints)
        processes.barrier()
        setup = Setup.open(run, device, dtype, processes)
        recipe = resume_recipe(former, given) if former else new_recipe(setup, given)
        trainer = setup.open_trainer(recipe.settings)
        if trainer.state.step and trainer.reason_to_stop():
            yield trainer
            return
        if trainer.state.step:
            logger.info("resuming from step %s", f"{trainer.state.step:,}")
        if recipe.changes:
            logger.info("settings changed since this run began: %s", ", ".join(recipe.changes))
        if processes.first:
            write_text(run.settings, format_settings("train", recipe.settings))
            if trainer.config.warmup > trainer.config.steps:
                warmup, steps = trainer.config.warmup, trainer.config.steps
                logger.warning(
                    "--warmup %d is longer than --steps %d: the learning rate never reaches its peak", warmup, steps
                )
        yield trainer


def former_settings(run: RunDirectory) -> dict[str, Value]:
    """The settings with which a run was trained last; empty where there is no training to resume.

    Settings that did not exist then have their defaults. Raises NmtError where the file is missing or incomplete.
    """
    if not list_checkpoints(run.checkpoints):
        return {}
    hint = "restore the file, or move the run's checkpoints away to train from the start"
    if not run.settings.exists():
        raise NmtError(f"{run.settings} is missing: a run can only be resumed with its original settings", hint)
    settings = read_settings(run.settings, "train", CONFIGS)
    if missing := (MODEL_SHAPE & settings_of(ModelConfig).keys()) - {"activation", "projection_bias"} - settings.keys():
        names = ", ".join(sorted(missing))
        raise NmtError(f"{run.settings}: {names} missing: a run can only be resumed with its original settings", hint)
    return {**defaults(CONFIGS), **settings}


def save_average(
    run: RunDirectory, output: Path, weights: Mapping[str, torch.Tensor], changes: Mapping[str, object]
) -> None:
    """Write the model of a run with averaged weights, also before the first validation has made it."""
    if is_model(run.model):
        replace_weights(run.model, output, weights, changes)
        return
    setup, settings = Setup.open(run, torch.device("cpu"), torch.float32, Processes()), former_settings(run)
    made = {**setup.provenance(settings), **changes}
    save_model(output, setup.model_config(settings), weights, setup.tokenizers, made, setup.run.shortlist)


def resume_recipe(former: Mapping[str, Value], given: Mapping[str, Value]) -> Recipe:
    """The former settings with what was given over them; NmtError where the run cannot be resumed with those."""
    settings = {**former, **given}
    if settings["batch_tokens"] == AUTO:
        settings["batch_tokens"] = former["batch_tokens"]
        logger.info("--batch-tokens auto: this run keeps %s", former["batch_tokens"])
    changes = {
        name: f"{name} {'unset' if former[name] is None else former[name]} -> {value}"
        for name, value in sorted(settings.items())
        if value != former[name]
    }
    if broken := [change for name, change in changes.items() if name in FIXED]:
        problem = f"cannot change after a run has started: {', '.join(broken)}"
        raise NmtError(problem, "leave that out, or use another --run")
    return Recipe(settings, tuple(changes.values()))


def new_recipe(setup: Setup, given: Mapping[str, Value]) -> Recipe:
    """Everything resolved for a new run: preset, shape of the --init-from model, batch size, and the plan."""
    presets, name, start = dict(PRESETS), str(given.get("preset", AUTO)), given.get("init_from")
    if name in PLANNED:
        presets[name], reason = auto_preset(setup.train_set["pairs"], gpu=on_gpu(setup.device), name=name)
        if not start:
            logger.info(reason)
    settings = resolve(CONFIGS, given, presets)
    if start:
        settings |= starting_settings(Path(str(start)), build(TrainingConfig, settings)) | {**given}
    if name not in PLANNED:
        used = [f"{key} {value}" for key, value in presets[name].items() if settings[key] == value]
        logger.info("--preset %s: %s", name, ", ".join(used) or "every value of it is overridden")
    if settings["batch_tokens"] == AUTO:
        settings["batch_tokens"] = fitting_batches(setup, settings)
    by_time = settings["minutes"] is not None and not given.keys() & {"steps", "schedule", "epochs"}
    if by_time or (name in PLANNED and "schedule" not in given):
        settings = _with_plan(setup, settings, given, by_time=by_time)
    if start:
        names = [*sorted(MODEL_SHAPE & settings.keys()), "optimizer", "learning_rate", "warmup"]
        logger.info("--init-from %s: %s", start, ", ".join(f"{name} {settings[name]}" for name in names))
    return Recipe(settings)


def starting_settings(directory: Path, config: TrainingConfig) -> dict[str, Value]:
    """The shape of the --init-from model, and a learning rate and warm-up that do not undo its training."""
    model, shape = read_model_config(directory)["model"], MODEL_SHAPE & settings_of(ModelConfig).keys()
    rate, warmup = float(f"{config.learning_rate / FINE_TUNING:.3g}"), -(-config.warmup // FINE_TUNING)
    return {key: model[key] for key in shape if key in model} | {"learning_rate": rate, "warmup": warmup}


def fitting_batches(setup: Setup, settings: Mapping[str, Value]) -> int:
    """The value of `--batch-tokens auto` for this model, corpus and machine; logs the reason.

    As many tokens as fit into memory; but above SMALL_BATCH only as many as leave STEPS_PER_EPOCH steps in an epoch,
    since larger batches learn less from the same text, and at most LARGEST_STEP in a step, or BUSY_GPU, which keep a
    GPU busy, in each process.
    """
    config, processes = build(TrainingConfig, {**settings, "batch_tokens": SMALLEST_BATCH}), setup.processes
    fitting = fitting_batch_tokens(setup.model_config(settings), setup.device, setup.dtype, config.r_drop)
    fitting = -processes.agree(-fitting)  # the least of any
    batches = processes.world_size * config.accumulate
    by_text = max(SMALL_BATCH, max(setup.train_set["tokens"].values()) // (STEPS_PER_EPOCH * batches))
    by_step = max(BUSY_GPU, LARGEST_STEP // batches)
    tokens = max(SMALLEST_BATCH, min(fitting, by_text, by_step) // ROUND * ROUND)
    limits = {
        fitting: "",
        by_text: ", limited because the corpus is small",
        by_step: ", but larger batches are not faster and learn less from each token",
    }
    logger.info("--batch-tokens auto: %s (room for %s%s)", f"{tokens:,}", f"{fitting:,}", limits[min(limits)])
    return tokens


# --------------------------------------------------------------------------------------------------------------- plans


class TrainingPlan(NamedTuple):
    """The length of a training, before it begins."""

    steps: int  # an estimate, where the clock ends it
    batch_tokens: int
    pairs: int
    epochs: float
    r_drop: float  # its weight
    by_time: bool  # whether the clock ends it


def _with_plan(
    setup: Setup, settings: dict[str, Value], given: Mapping[str, Value], *, by_time: bool
) -> dict[str, Value]:
    """The settings of a training whose learning rate is zero when time is up or, of auto, after enough epochs."""
    config = build(TrainingConfig, settings)
    if by_time:
        logger.info("--minutes: linear schedule, the learning rate is zero when time is up")
        try:
            plan = plan_by_time(setup, settings)
        except KeyboardInterrupt:
            logger.info("stopped before training began")
            raise
    else:
        plan = plan_by_text(setup, settings, config.steps if "steps" in given else None)
    if config.preset in PLANNED and "r_drop" not in given:
        plan = with_r_drop(plan)
    if config.preset in PLANNED and not given.keys() & {"batch_tokens", "steps"}:
        plan = with_larger_batches(plan)
        if not by_time:
            larger = {**settings, "batch_tokens": plan.batch_tokens}
            plan = plan_by_text(setup, larger, None)._replace(r_drop=plan.r_drop)
    settings = {**settings, **planned_settings(plan, config), **given}
    if settings["batch_tokens"] == AUTO:
        settings["batch_tokens"] = plan.batch_tokens
    length = f"about {counted(plan.steps, 'step')} ({plan.epochs:.1f} epochs) of {plan.batch_tokens:,} tokens"
    r_drop = f", R-Drop {plan.r_drop:g}" if plan.r_drop else ""
    logger.info("%s; dropout %s%s", length, settings["dropout"], r_drop)
    return settings


def plan_by_time(setup: Setup, settings: Mapping[str, Value]) -> TrainingPlan:
    """As many steps as `minutes` have room for on this machine, measured by some seconds of training."""
    logger.info("measuring the time of a step")
    config = build(TrainingConfig, settings)
    assert config.minutes is not None
    seconds = setup.new_trainer({**settings, "tensorboard": False}).measure_step()
    steps = setup.processes.agree(max(1, int(60 * config.minutes / seconds)))
    epochs = steps / setup.steps_per_epoch(settings)
    return TrainingPlan(steps, config.batch_tokens, setup.train_set["pairs"], epochs, config.r_drop, by_time=True)


def plan_by_text(setup: Setup, settings: Mapping[str, Value], steps: int | None) -> TrainingPlan:
    """These steps, or the number that `epochs` take, or as many epochs as suit the size of the corpus."""
    pairs, steps_per_epoch = setup.train_set["pairs"], setup.steps_per_epoch(settings)
    config = build(TrainingConfig, settings)
    if steps is None:
        steps = math.ceil((config.epochs or auto_epochs(pairs)) * steps_per_epoch)
    return TrainingPlan(steps, config.batch_tokens, pairs, steps / steps_per_epoch, config.r_drop, by_time=False)


def with_r_drop(plan: TrainingPlan) -> TrainingPlan:
    """The plan with R-Drop where that pays: by the clock with half as many steps, which take twice as long."""
    halved = plan._replace(steps=-(-plan.steps // 2), epochs=plan.epochs / 2) if plan.by_time else plan
    weight = auto_r_drop(halved.pairs, halved.epochs)
    return halved._replace(r_drop=weight) if weight else plan


def with_larger_batches(plan: TrainingPlan) -> TrainingPlan:
    """The same epochs in fewer steps, where that pays: not with R-Drop, which computes each batch twice already."""
    if plan.r_drop:
        return plan
    larger = auto_batch_tokens(plan.batch_tokens, plan.pairs, plan.epochs, plan.steps)
    return plan._replace(steps=-(-plan.steps * plan.batch_tokens // larger), batch_tokens=larger)


def planned_settings(plan: TrainingPlan, config: TrainingConfig) -> dict[str, Value]:
    """The settings that suit a plan: linear decay, a short warm-up, enough lines in the log, checkpoints so close that
    the last ones are worth averaging and, of auto, dropout, R-Drop and batch size.

    No early stopping: scores rise again when the learning rate decays.
    """
    settings: dict[str, Value] = {
        "steps": plan.steps,
        "schedule": "linear",
        "decay_start": DECAY_START,
        "patience": 0,
        "warmup": max(1, min(config.warmup, plan.steps // 8)),
        "log_every": min(config.log_every, -(-plan.steps // 20)),
        "save_every": min(config.save_every, -(-plan.steps // 40)),
    }
    if plan.by_time:  # time will be up before the last step; and validations take time, too
        settings |= {"steps": max(config.steps, 10 * plan.steps), "validate_every": -(-plan.steps * 3 // 5)}
    if config.preset in PLANNED:
        dropout = auto_dropout(plan.pairs, plan.epochs * (2 if plan.r_drop else 1))
        settings |= {"dropout": dropout, "r_drop": plan.r_drop, "batch_tokens": plan.batch_tokens}
    return settings
