"""A run directory as training sees it: its data, its tokenizers, its settings and the checkpoint it goes on from."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from nmt.config import MODEL_SHAPE, ModelConfig, RuntimeConfig, TrainingConfig
from nmt.data.order import Corpus, mix
from nmt.data.pairs import TrainingData
from nmt.data.prepare import corpora_of, fingerprint, read_description
from nmt.errors import NmtError, UsageError
from nmt.files import write_text
from nmt.runtime import choose_device, choose_dtype, gpu_of_rank, on_gpu, use_device, use_threads
from nmt.settings import Value, build, defaults, format_settings, read_settings, settings_of
from nmt.text.tokenizer import Tokenizers
from nmt.training.distributed import Processes, local_rank, local_world
from nmt.training.memory import fitting_batch_tokens
from nmt.training.state import clear_leftovers, list_checkpoints, load_newest
from nmt.training.trainer import Trainer
from nmt.training.transfer import load_for

logger = logging.getLogger("nmt")


FIXED = MODEL_SHAPE | {"preset", "init_from", "freeze", "optimizer"}
"""Settings that a run keeps: they say what the model is, where it began, and for what the optimiser's moments stand."""


def is_under_way(run: Path) -> bool:
    """Whether there is training to go on with; what a killed process left behind is cleared away."""
    clear_leftovers(run / "checkpoints")
    return bool(list_checkpoints(run / "checkpoints"))


def settings_of_run(run: Path, configs: Iterable[type[Any]]) -> dict[str, Value]:
    """The settings that a run with checkpoints was trained with last; defaults where it began before a setting was."""
    path = run / "config.toml"
    if not path.exists():
        raise NmtError(
            f"{path} is missing: with other settings than before a run cannot go on",
            "put it back, or move the run's checkpoints away to train from the start",
        )
    configs = tuple(configs)
    kept = read_settings(path, "train", configs)
    if missing := (MODEL_SHAPE & settings_of(ModelConfig).keys()) - kept.keys():
        raise NmtError(
            f"{path}: {', '.join(sorted(missing))} missing: with other settings than before a run cannot go on",
            "put the file back, or move the run's checkpoints away to train from the start",
        )
    return {**defaults(configs), **kept}


def keep_settings(run: Path, settings: Mapping[str, Value]) -> None:
    """Write the settings that a run trains with to its config.toml."""
    write_text(run / "config.toml", format_settings("train", settings))


def changes(before: Mapping[str, Value], now: Mapping[str, Value]) -> list[str]:
    """Which settings changed since a run began, in words; NmtError where it cannot go on with them."""
    told = {
        name: f"{name} {'unset' if before[name] is None else before[name]} -> {value}"
        for name, value in sorted(now.items())
        if value != before[name]
    }
    if broken := [change for name, change in told.items() if name in FIXED]:
        raise NmtError(
            f"this cannot change while a run trains: {', '.join(broken)}",
            "leave that out, or train another run with --run",
        )
    return list(told.values())


def training_device(settings: Mapping[str, Value]) -> tuple[torch.device, torch.dtype]:
    """Device and number format of this process; of several on one machine each has its GPU, or its share of cores."""
    runtime, rank = build(RuntimeConfig, settings), local_rank()
    device = choose_device(runtime.device)
    if rank is not None and on_gpu(device):
        device = gpu_of_rank(device, rank, local_world())
    use_device(device)
    use_threads(runtime, local_world() if rank is not None else 1)
    return device, choose_dtype(runtime.precision, device, exact=False)


def fitting_batches(run: Path, settings: Mapping[str, Value], processes: Processes) -> int:
    """What `--batch-tokens auto` means for this model, corpus and machine, and told why.

    As many tokens as fit into memory, but above SMALL not so many that an epoch is less than UPDATES steps: a batch
    that large learns less from the same text. Nor more than LARGEST in a step, or BUSY, which keep a GPU busy, in each
    process.
    """
    tokenizers = Tokenizers.load(run)
    counts = read_description(run / "data", tokenizers)["sets"]["train"]["tokens"]
    device, dtype = training_device(settings)
    config = build(TrainingConfig, {**settings, "batch_tokens": MINIMUM})
    fitting = fitting_batch_tokens(_model_config(settings, tokenizers), device, dtype, config.r_drop)
    fitting = -processes.agree(-fitting)  # the least of any
    share = processes.world * config.accumulate
    by_text, by_step = max(SMALL, max(counts.values()) // (UPDATES * share)), max(BUSY, LARGEST // share)
    tokens = max(MINIMUM, min(fitting, by_text, by_step) // ROUND * ROUND)
    limits = {
        fitting: "",
        by_text: ", but more would learn less from a corpus this small",
        by_step: ", but larger batches are not faster and learn less from each token",
    }
    reason = f"room for {fitting:,}{limits[min(limits)]}"
    logger.info("--batch-tokens auto: %s (%s)", f"{tokens:,}", reason)
    return tokens


UPDATES, SMALL, ROUND, MINIMUM = 200, 1024, 256, 16
LARGEST, BUSY = 1 << 15, 1 << 13
"""Of the order of the paper's 25,000 tokens in a step (section 5.1), for which learning rates are known."""


def _model_config(settings: Mapping[str, Value], tokenizers: Tokenizers) -> ModelConfig:
    return build(
        ModelConfig,
        settings,
        source_vocabulary=len(tokenizers.source),
        target_vocabulary=len(tokenizers.target),
        shared_vocabulary=tokenizers.shared,
    )


def open_trainer(run: Path, settings: Mapping[str, Value], processes: Processes | None = None) -> Trainer:
    """A trainer that stands where the run stands, at its newest checkpoint if it has one.

    Raises NmtError when tokenizer, data or settings are missing or do not belong together.
    """
    trainer = make_trainer(run, settings, processes)
    training = trainer.config
    if checkpoint := load_newest(run / "checkpoints"):
        if checkpoint.state.data != trainer.state.data:
            raise NmtError(
                f"{run / 'data'} was prepared anew since this run began, so the run cannot go on",
                "train on it in another --run, or remove the run's checkpoints",
            )
        trainer.restore(checkpoint)
    elif training.init_from:
        trainer.start_from(load_for(Path(training.init_from), trainer.model.config))
    size = f"{trainer.parameter_count():,} parameters, {len(trainer.data.train.source):,} pairs"
    precision = str(trainer.master.working.dtype).removeprefix("torch.")
    logger.info("%s, %s, %s", size, trainer.device, precision)
    return trainer


def make_trainer(run: Path, settings: Mapping[str, Value], processes: Processes | None) -> Trainer:
    """A trainer that has not begun."""
    tokenizers = Tokenizers.load(run)
    description = read_description(run / "data", tokenizers)
    model = _model_config(settings, tokenizers)
    training = build(TrainingConfig, settings)
    device, dtype = training_device(settings)
    data = TrainingData.open(run / "data", model.max_length, _mixture(description, training))
    made = {"languages": description["languages"], "data": description["sha256"], "settings": dict(settings)}
    trainer = Trainer(run, model, training, data, tokenizers, device, dtype, made, processes)
    trainer.state.data = fingerprint(description)
    return trainer


def _mixture(description: dict[str, Any], config: TrainingConfig) -> tuple[Corpus, ...]:
    """What an epoch reads of each corpus; UsageError when the weights do not fit the corpora there are."""
    described = corpora_of(description)
    weights = _weights(described, config)
    corpora = mix([one["pairs"] for one in described], weights, config.corpus_temperature)
    if not any(corpus.read for corpus in corpora):
        raise UsageError(f"--corpus-weights {config.corpus_weights} leaves nothing to read")
    if len(corpora) > 1:
        shares = (
            f"{corpus.read:,} of {corpus.pairs:,} pairs of {one['name']}"
            for corpus, one in zip(corpora, described, strict=True)
        )
        logger.info("an epoch reads %s", ", ".join(shares))
    return corpora


def _weights(described: Sequence[dict[str, Any]], config: TrainingConfig) -> list[float]:
    """A weight for each corpus, if any are given; one that is not named is read once."""
    given = config.weights()
    if given and given[0][0]:
        known, names = dict(given), [one["name"] for one in described]
        unknown = [name for name in known if name not in names]
        if unknown:
            raise UsageError(
                f"--corpus-weights: no corpus is called {', '.join(unknown)}; there are {', '.join(names)}",
                "prepare gives names: NAME=FILE",
            )
        return [known.get(name, 1.0) for name in names]
    if given and len(given) != len(described):
        names = [f"{i}. {one['name']}" for i, one in enumerate(described, start=1)]
        raise UsageError(
            f"--corpus-weights {config.corpus_weights} has {len(given)} weights for {len(described)} corpora: "
            + "; ".join(names)
        )
    return [weight for _, weight in given]
