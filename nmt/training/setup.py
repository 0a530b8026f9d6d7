"""What a run trains with, whatever its settings: tokenizers, data, device, processes; and the trainer made of them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nmt.config.model import ModelConfig
from nmt.config.runtime import RuntimeConfig
from nmt.config.setting import Value, build
from nmt.config.training import TrainingConfig
from nmt.data.batches import WINDOW, BatchPlan
from nmt.data.dataset import TrainingData
from nmt.data.description import corpora_of, fingerprint, read_description
from nmt.data.shuffle import CorpusRows, mix
from nmt.data.token_store import TokenRows
from nmt.errors import NmtError, UsageError, counted
from nmt.files.run_directory import SIDES, TRAIN, RunDirectory, is_model
from nmt.model.model_files import read_model_config
from nmt.runtime import choose_device, choose_dtype, gpu_of_rank, on_gpu, use_device, use_threads
from nmt.text.tokenizer import Tokenizers
from nmt.training.checkpoint import load_newest
from nmt.training.distributed import Processes, local_rank, local_world_size
from nmt.training.init_from import load_for
from nmt.training.trainer import Trainer

logger = logging.getLogger("nmt")


def training_device(runtime: RuntimeConfig) -> tuple[torch.device, torch.dtype]:
    """Device and compute dtype of this process; of several on one machine each has its GPU, or its share of cores."""
    device, rank = choose_device(runtime.device), local_rank()
    if rank is not None and on_gpu(device):
        device = gpu_of_rank(device, rank, local_world_size())
    use_device(device)
    use_threads(runtime, local_world_size() if rank is not None else 1)
    return device, choose_dtype(runtime.precision, device, exact=False)


class Setup(NamedTuple):
    """Read and chosen once for a run."""

    run: RunDirectory
    tokenizers: Tokenizers
    description: dict[str, Any]  # data.json
    device: torch.device
    dtype: torch.dtype
    processes: Processes

    @classmethod
    def open(cls, run: RunDirectory, device: torch.device, dtype: torch.dtype, processes: Processes) -> "Setup":
        """Raises NmtError when tokenizer or data are missing or do not belong together."""
        tokenizers = Tokenizers.load(run.path)
        return cls(run, tokenizers, read_description(run.data, tokenizers), device, dtype, processes)

    @property
    def train_set(self) -> dict[str, Any]:
        """The description of the training set."""
        described: dict[str, Any] = self.description["sets"]["train"]
        return described

    def model_config(self, settings: Mapping[str, Value]) -> ModelConfig:
        """The shape of the model, with the vocabularies of the tokenizers."""
        return build(
            ModelConfig,
            settings,
            source_vocabulary=len(self.tokenizers.source),
            target_vocabulary=len(self.tokenizers.target),
            shared_vocabulary=self.tokenizers.shared,
        )

    def provenance(self, settings: Mapping[str, Value]) -> dict[str, Any]:
        """What a model directory says about its origin, besides step and scores."""
        languages, hashes = self.description["languages"], self.description["sha256"]
        origin = {"languages": languages, "data": hashes, "settings": dict(settings)}
        start = settings.get("init_from")
        for model in (self.run.model, *([Path(str(start))] if start else [])):
            if is_model(model) and (imported := read_model_config(model)["made"].get("imported")):
                origin["imported"] = imported  # its licence holds for what is made of it
        return origin

    def steps_per_epoch(self, settings: Mapping[str, Value]) -> float:
        """The steps of an epoch: exact for one window of pairs, else 1 % more than its first window suggests."""
        config = build(TrainingConfig, settings)
        corpora, longest = _mixture(self.description, config), self.model_config(settings).max_length
        source, target = (TokenRows(self.run.data / TRAIN, side).lengths for side in SIDES)
        batches, pairs = 0.0, 0
        for rows in BatchPlan(source, target, config.batch_tokens, config.seed, longest, corpora).epoch(0):
            batches, pairs = batches + 1, pairs + len(rows)
            if pairs >= WINDOW:
                batches *= 1.01 * sum(corpus.read for corpus in corpora) / pairs
                break
        return batches / (self.processes.world_size * config.accumulate)

    def new_trainer(self, settings: Mapping[str, Value]) -> Trainer:
        """A trainer at step 0."""
        model, config = self.model_config(settings), build(TrainingConfig, settings)
        data = TrainingData.open(self.run.data, model.max_length, _mixture(self.description, config))
        origin, place = self.provenance(settings), (self.device, self.dtype)
        trainer = Trainer(self.run, model, config, data, self.tokenizers, *place, origin, self.processes)
        trainer.state.data = fingerprint(self.description)
        return trainer

    def open_trainer(self, settings: Mapping[str, Value]) -> Trainer:
        """A trainer at the run's newest checkpoint, else with the weights of --init-from, else at step 0."""
        trainer = self.new_trainer(settings)
        if checkpoint := load_newest(self.run.checkpoints):
            if checkpoint.state.data != trainer.state.data:
                raise NmtError(
                    f"{self.run.data} has changed since this run began, so the run cannot be resumed",
                    "train on it in another --run, or remove the run's checkpoints",
                )
            trainer.restore(checkpoint)
        elif trainer.config.init_from:
            trainer.initialize_from(load_for(Path(trainer.config.init_from), trainer.model.config))
        if len(corpora := trainer.data.train.corpora) > 1:
            names = [corpus["name"] for corpus in corpora_of(self.description)]
            shares = (f"{rows.read:,} of {rows.pairs:,} in {name}" for name, rows in zip(names, corpora, strict=True))
            logger.info("an epoch reads these pairs: %s", ", ".join(shares))
        size = f"{len(trainer.master.master):,} parameters, {counted(len(trainer.data.train.source), 'pair')}"
        logger.info("%s, %s, %s", size, self.device, str(self.dtype).removeprefix("torch."))
        return trainer


def _mixture(description: dict[str, Any], config: TrainingConfig) -> tuple[CorpusRows, ...]:
    """How often an epoch reads each corpus; UsageError when the weights do not fit the corpora."""
    described = corpora_of(description)
    names = [corpus["name"] for corpus in described]
    corpora = mix([corpus["pairs"] for corpus in described], _weights(names, config), config.corpus_temperature)
    if not any(corpus.read for corpus in corpora):
        raise UsageError(f"--corpus-weights {config.corpus_weights} leaves nothing to train on")
    return corpora


def _weights(names: Sequence[str], config: TrainingConfig) -> list[float]:
    """The weight of each corpus, if any are given; one that is not named has weight 1."""
    weights = config.weights()
    if weights and weights[0][0]:
        named = dict(weights)
        if twice := [name for name in named if names.count(name) > 1]:
            hint = "give weights in the order of the corpora, or prepare them with names: NAME=FILE"
            raise UsageError(f"--corpus-weights: several corpora are called {', '.join(twice)}", hint)
        unknown = [name for name in named if name not in names]
        if unknown:
            raise UsageError(
                f"--corpus-weights: no corpus is called {', '.join(unknown)}; there are {', '.join(names)}",
                "prepare gives names: NAME=FILE",
            )
        return [named.get(name, 1.0) for name in names]
    if weights and len(weights) != len(names):
        numbered = "; ".join(f"{i}. {name}" for i, name in enumerate(names, start=1))
        raise UsageError(
            f"--corpus-weights {config.corpus_weights} has {counted(len(weights), 'weight')} for "
            f"{counted(len(names), 'corpus', 'corpora')}: {numbered}"
        )
    return [weight for _, weight in weights]
