"""COMET (Rei et al. 2020): a trained metric that reads source, translation and reference."""

import logging
import warnings
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from nmt.errors import NmtError
from nmt.evaluation.metrics import Score

_BATCH = 16  # sentences


def comet_scores(checkpoint: Path, lines: Iterable[tuple[str, str, str]], device: str) -> list[float]:
    """Score each source, translation and reference; NmtError where the package is missing or the model unreadable.

    The checkpoint is a pickle, which can run any code: use only models from a trusted source.
    """
    samples = [{"src": source, "mt": translation, "ref": reference} for source, translation, reference in lines]
    with warnings.catch_warnings(action="ignore"):  # by COMET's dependencies, about each other
        logging.disable(logging.INFO)  # which also holds advertisements
        try:
            return _predict(checkpoint, samples, device)
        finally:
            logging.disable(logging.NOTSET)


def _predict(checkpoint: Path, samples: Sequence[dict[str, str]], device: str) -> list[float]:
    try:
        from comet import load_from_checkpoint
    except ImportError as error:
        raise NmtError(f"the metric comet requires an extra package: {error}", "pip install 'nmt[comet]'") from None
    from nmt.runtime import choose_device, on_gpu

    if not checkpoint.is_file():
        raise NmtError(f"{checkpoint}: no such file", "give --comet-model the checkpoint, MODEL/checkpoints/model.ckpt")
    try:
        model = load_from_checkpoint(str(checkpoint), local_files_only=True)
    except Exception as error:  # torch, lightning and transformers fail in many ways on other files
        message = (str(error).splitlines() or [type(error).__name__])[0]
        raise NmtError(f"{checkpoint}: not a readable COMET model: {message}") from None
    gpus = int(on_gpu(choose_device(device)))
    output = model.predict(samples, batch_size=_BATCH, gpus=gpus, num_workers=0, progress_bar=False)
    return [float(score) for score in output.scores]


def comet_score(checkpoint: Path, line_scores: Sequence[float]) -> Score:
    """The corpus score, the mean of those of its lines, with the model's name in its signature."""
    name = checkpoint.parent.parent.name or checkpoint.name
    signature = f"model:{name}|version:{version('unbabel-comet')}"
    return Score("COMET", sum(line_scores) / len(line_scores), signature, digits=4)
