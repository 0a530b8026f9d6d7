"""Starting from a trained model: its weights, and where the vocabulary is another, those of the pieces both have."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from nmt.config import MODEL_SHAPE, PARTS, ModelConfig
from nmt.errors import NmtError
from nmt.model.transformer import Transformer
from nmt.model.weights import LoadedModel, load_model
from nmt.settings import settings_of
from nmt.text.tokenizer import Tokenizer, Tokenizers

logger = logging.getLogger("nmt")

SOURCE, TARGET, PROJECTION = "source_embedding.weight", "target_embedding.weight", "projection.weight"
"""The parameters with a row for each piece."""


def freeze(model: Transformer, parts: Sequence[str]) -> None:
    """Keep parts of a model as they are."""
    starts = tuple(start for part in parts for start in PARTS[part])
    for name, parameter in model.named_parameters():
        if name.startswith(starts):
            parameter.requires_grad_(False)


def load_for(directory: Path, config: ModelConfig) -> LoadedModel:
    """A model to start from; NmtError when it has another shape than `config`, its vocabulary apart."""
    loaded = load_model(directory, torch.device("cpu"), torch.float32)
    theirs, ours = asdict(loaded.model.config), asdict(config)
    shape = sorted(MODEL_SHAPE & settings_of(ModelConfig).keys() - {"tied"})
    if changes := [f"{name} {theirs[name]} -> {ours[name]}" for name in shape if theirs[name] != ours[name]]:
        raise NmtError(
            f"{directory}: its weights do not fit a model of another shape: {', '.join(changes)}",
            "leave that out: without it the shape is taken from the model",
        )
    return loaded


def transfer(own: Mapping[str, Tensor], tokenizers: Tokenizers, loaded: LoadedModel) -> dict[str, Tensor]:
    """The weights of `loaded` in place of `own`; how many pieces keep their embeddings is told.

    A piece that the other vocabulary does not have keeps the row it has in `own`.
    """
    theirs = dict(loaded.model.named_parameters())
    found = {name: theirs[name].detach() for name in own if name not in (SOURCE, TARGET, PROJECTION)}
    source = (loaded.tokenizers.source, theirs[SOURCE])
    target = (loaded.tokenizers.target, theirs.get(TARGET, theirs[SOURCE]))
    projection = (loaded.tokenizers.target, theirs.get(PROJECTION, target[1]))
    for name, tokenizer, origins in (
        (SOURCE, tokenizers.source, [target, source] if tokenizers.shared else [source]),
        (TARGET, tokenizers.target, [target]),
        (PROJECTION, tokenizers.target, [projection]),
    ):
        if name in own:
            found[name] = own[name].detach().to("cpu", copy=True)
            kept = set().union(*(_copy_rows(found[name], tokenizer, *origin) for origin in origins))
            logger.info("%s: %s of %s pieces keep their values", name, f"{len(kept):,}", f"{len(tokenizer):,}")
    return found


def _copy_rows(rows: Tensor, tokenizer: Tokenizer, origin: Tokenizer, values: Tensor) -> list[int]:
    """Copy the rows of the pieces that both tokenizers have; which these are."""
    places = {piece: token for token, piece in enumerate(origin.pieces(range(len(origin))))}
    pieces = enumerate(tokenizer.pieces(range(len(tokenizer))))
    ours, theirs = zip(*((token, places[piece]) for token, piece in pieces if piece in places), strict=True)
    rows[list(ours)] = values.detach()[list(theirs)].to(rows)
    return list(ours)
