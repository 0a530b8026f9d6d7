"""Fine-tuning: initialize a model with the weights of another, whose vocabulary may differ."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from nmt.config.model import MODEL_SHAPE, PARTS, ModelConfig
from nmt.config.setting import settings_of
from nmt.errors import NmtError
from nmt.model.model_directory import LoadedModel, load_model
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import Tokenizer, Tokenizers

logger = logging.getLogger("nmt")

SOURCE, TARGET, PROJECTION = "source_embedding.weight", "target_embedding.weight", "projection.weight"
BIAS = "projection.bias"
"""The parameters with a row for each piece of a vocabulary."""


def freeze(model: Transformer, parts: Sequence[str]) -> None:
    """Freeze parts of a model."""
    prefixes = tuple(prefix for part in parts for prefix in PARTS[part])
    for name, parameter in model.named_parameters():
        if name.startswith(prefixes):
            parameter.requires_grad_(False)


def load_for(directory: Path, config: ModelConfig) -> LoadedModel:
    """Load a model to start from; NmtError when its shape, apart from the vocabulary, is not that of `config`."""
    loaded = load_model(directory, torch.device("cpu"), torch.float32)
    theirs, ours = asdict(loaded.model.config), asdict(config)
    shape = sorted(MODEL_SHAPE & settings_of(ModelConfig).keys() - {"tied"})
    if changes := [f"{name} {theirs[name]} -> {ours[name]}" for name in shape if theirs[name] != ours[name]]:
        raise NmtError(
            f"{directory}: its weights do not fit a model of another shape: {', '.join(changes)}",
            "leave these options out: the shape is then that of the model",
        )
    return loaded


def transfer(own: Mapping[str, Tensor], tokenizers: Tokenizers, loaded: LoadedModel) -> dict[str, Tensor]:
    """The weights of `loaded` for a model whose weights are `own`; logs how many pieces keep their embeddings.

    A piece that the other vocabulary lacks keeps its row of `own`.
    """
    theirs = dict(loaded.model.named_parameters())
    weights = {name: theirs[name].detach() for name in own if name not in (SOURCE, TARGET, PROJECTION, BIAS)}
    source = (loaded.tokenizers.source, theirs[SOURCE])
    target = (loaded.tokenizers.target, theirs.get(TARGET, theirs[SOURCE]))
    projection = (loaded.tokenizers.target, theirs.get(PROJECTION, target[1]))
    bias = (loaded.tokenizers.target, theirs.get(BIAS, target[1]))
    for name, tokenizer, origins in (
        (SOURCE, tokenizers.source, [target, source] if tokenizers.shared else [source]),
        (TARGET, tokenizers.target, [target]),
        (PROJECTION, tokenizers.target, [projection]),
        (BIAS, tokenizers.target, [bias]),
    ):
        if name in own:
            weights[name] = own[name].detach().to("cpu", copy=True)
            kept = set().union(*(_copy_rows(weights[name], tokenizer, *origin) for origin in origins))
            logger.info("%s: %s of %s pieces keep their embeddings", name, f"{len(kept):,}", f"{len(tokenizer):,}")
    return weights


def _copy_rows(rows: Tensor, tokenizer: Tokenizer, origin: Tokenizer, values: Tensor) -> list[int]:
    """Copy the rows of the pieces that both tokenizers have; returns their tokens."""
    tokens = {piece: token for token, piece in enumerate(origin.pieces(range(len(origin))))}
    pieces = enumerate(tokenizer.pieces(range(len(tokenizer))))
    ours, theirs = zip(*((token, tokens[piece]) for token, piece in pieces if piece in tokens), strict=True)
    rows[list(ours)] = values.detach()[list(theirs)].to(rows)
    return list(ours)
