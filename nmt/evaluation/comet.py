"""COMET (Rei et al. 2020): a trained model's judgement of translations, which reads source and reference, too."""

import logging
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from nmt.errors import NmtError
from nmt.evaluation.metrics import Score
from nmt.runtime import on_gpu

_BATCH = 16  # sentences


def comet_scores(
    checkpoint: Path,
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    device: torch.device,
) -> list[float]:
    """The score of each line by a COMET model, a checkpoint as `comet-train` and its releases have it.

    Such a checkpoint is a pickle, which can run any code: only models from a trusted source may be given. Raises
    NmtError when the package is missing or the model cannot be read.
    """
    triples = zip(sources, hypotheses, references, strict=True)
    samples = [{"src": source, "mt": hypothesis, "ref": reference} for source, hypothesis, reference in triples]
    with warnings.catch_warnings(action="ignore"):  # those of the packages under COMET, about each other
        logging.disable(logging.INFO)  # they also tell what they found and advertise
        try:
            return _predict(checkpoint, samples, gpus=int(on_gpu(device)))
        finally:
            logging.disable(logging.NOTSET)


def _predict(checkpoint: Path, samples: list[dict[str, str]], gpus: int) -> list[float]:
    try:
        from comet import load_from_checkpoint
    except ImportError as error:
        raise NmtError(f"the metric comet needs a package more: {error}", "pip install 'nmt[comet]'") from None
    if not checkpoint.is_file():
        raise NmtError(f"{checkpoint}: no such file", "give --comet-model the checkpoint, MODEL/checkpoints/model.ckpt")
    try:
        model = load_from_checkpoint(str(checkpoint), local_files_only=True)
    except Exception as error:  # whatever a file that is no COMET model makes of torch, lightning and transformers
        told = str(error).splitlines() or [type(error).__name__]
        raise NmtError(f"{checkpoint}: not a readable COMET model: {told[0]}") from None
    found = model.predict(samples, batch_size=_BATCH, gpus=gpus, num_workers=0, progress_bar=False)
    return [float(value) for value in found.scores]


def comet_score(checkpoint: Path, values: Sequence[float]) -> Score:
    """The score of a set, the mean of its lines, signed with the model's name."""
    name = checkpoint.parent.parent.name or checkpoint.name
    return Score("COMET", sum(values) / len(values), f"model:{name}|version:{version('unbabel-comet')}", digits=4)
