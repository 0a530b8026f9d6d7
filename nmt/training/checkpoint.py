"""Checkpoints: everything that exact resume needs, written atomically and verified when read.

    checkpoints/step-000500/
      model.safetensors        1. the master weights, float32, by parameter name
      optimizer.safetensors    2. the optimizers' moments, flat (absent in a checkpoint that is kept only for averaging)
      state.json               3. step and position in the data, best score and patience, training time
      manifest.json            sizes and SHA-256 of the files above

Randomness is derived from (seed, step, batch) and the schedule from the step, so nothing else is stored.
"""

import logging
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.errors import NmtError
from nmt.files.atomic import atomic_directory, recover_directory
from nmt.files.checksum import sha256
from nmt.files.json import Shape, check_shape, read_json, write_json
from nmt.files.run_directory import MANIFEST, OPTIMIZER, STATE, WEIGHTS, checkpoint_name, list_checkpoints
from nmt.model.model_directory import load_tensors, save_tensors

logger = logging.getLogger("nmt")

FORMAT = 1


@dataclass(slots=True, kw_only=True)
class TrainingState:
    """The state of training; everything else follows from the settings and the step."""

    step: int = 0
    epoch: int = 0
    batch: int = 0  # batches of the epoch that are done
    seconds: float = 0.0  # of training so far, before and after resuming
    worse_in_a_row: int = 0  # validations since the best one
    ranking: list[list[float]] = field(default_factory=list)  # best validations first: [score, -loss, step] of each
    parts: int = 1  # in which each batch is computed, so that it fits into memory
    skipped: int = 0  # steps without a finite gradient, which changed nothing
    skipped_in_a_row: int = 0
    finished: str = ""  # why training ended, if it did
    data: str = ""  # the fingerprint of the prepared data


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint read back."""

    state: TrainingState
    weights: dict[str, Tensor]
    moments: dict[str, Tensor]


def save_checkpoint(
    directory: Path, state: TrainingState, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor]
) -> Path:
    """Write `step-N` into a run's checkpoints."""
    path = directory / checkpoint_name(state.step)
    with atomic_directory(path) as temporary:
        save_tensors(temporary / WEIGHTS, weights)
        save_tensors(temporary / OPTIMIZER, moments)
        write_json(temporary / STATE, {"format": FORMAT, **asdict(state)})
        files = sorted(temporary.iterdir())
        manifest = {file.name: {"bytes": file.stat().st_size, "sha256": sha256(file)} for file in files}
        write_json(temporary / MANIFEST, manifest)
    return path


def load_newest(directory: Path) -> Checkpoint | None:
    """The newest intact checkpoint, with a warning for each damaged one skipped; None if there are none.

    Raises NmtError when there are checkpoints and all of them are damaged.
    """
    candidates = [path for path in reversed(list_checkpoints(directory)) if (path / OPTIMIZER).exists()]
    for path in candidates:
        try:
            return load_checkpoint(path)
        except NmtError as error:
            before = "; trying the checkpoint before it" if path != candidates[-1] else ""
            logger.warning("%s%s", error.problem, before)
    if candidates:
        raise NmtError(f"{directory}: every checkpoint is damaged", "move the folder away to train from the start")
    return None


_SHAPE: Shape = {field.name: int for field in fields(TrainingState)} | {
    "seconds": (float, int),
    "ranking": list,
    "finished": str,
    "data": str,
}


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, every file of it checked against the manifest."""
    manifest = read_json(path / MANIFEST)
    for name in (WEIGHTS, OPTIMIZER, STATE):
        _check(path, name, manifest)
    content = read_json(path / STATE)
    if content.pop("format", None) != FORMAT or content.keys() != {field.name for field in fields(TrainingState)}:
        raise NmtError(f"{path / STATE}: not the state of a training run of this version of nmt")
    check_shape(content, _SHAPE, str(path / STATE), "the checkpoint is damaged")
    for entry in content["ranking"]:
        if not (isinstance(entry, list) and [type(number) in (int, float) for number in entry] == [True] * 3):
            raise NmtError(f"{path / STATE}: a ranking of {str(entry)[:40]}", "the checkpoint is damaged")
    return Checkpoint(TrainingState(**content), load_tensors(path / WEIGHTS), load_tensors(path / OPTIMIZER))


def load_weights(path: Path) -> dict[str, Tensor]:
    """The weights of a checkpoint, checked against its manifest."""
    if not (path / MANIFEST).exists():
        raise NmtError(f"{path}: not a checkpoint", "name a directory such as RUN/checkpoints/step-000500")
    _check(path, WEIGHTS, read_json(path / MANIFEST))
    return load_tensors(path / WEIGHTS)


def _check(path: Path, name: str, manifest: Mapping[str, Any]) -> None:
    part, expected = path / name, manifest.get(name)
    if not isinstance(expected, dict) or not part.is_file():
        raise NmtError(f"{part}: missing", "the checkpoint is damaged")
    if part.stat().st_size != expected.get("bytes") or sha256(part) != expected.get("sha256"):
        raise NmtError(f"{part}: does not match its manifest", "the checkpoint is damaged")


def average_weights(checkpoints: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the weights of several checkpoints (Vaswani et al. 2017, section 6.1), summed in float64 on the CPU.

    Raises NmtError when they are not checkpoints of the same model.
    """
    total, shapes, count = dict[str, Tensor](), dict[str, torch.Size](), 0
    for count, weights in enumerate(checkpoints, start=1):
        if count > 1 and {name: tensor.shape for name, tensor in weights.items()} != shapes:
            raise NmtError("the checkpoints belong to different models", "average checkpoints of one run")
        on_host = {name: tensor.cpu().double() for name, tensor in weights.items()}
        total = {name: total[name] + tensor for name, tensor in on_host.items()} if total else on_host
        shapes = {name: tensor.shape for name, tensor in total.items()}
    return {name: (tensor / count).float() for name, tensor in total.items()}


def prune(directory: Path, keep: int, average: int, best: Collection[str] = ()) -> None:
    """Keep the newest `keep` checkpoints whole, and the weights of the newest `average` and of the `best`."""
    for age, path in enumerate(reversed(list_checkpoints(directory))):
        if age >= max(keep, average) and path.name not in best:
            shutil.rmtree(path)
        elif age >= keep:
            (path / OPTIMIZER).unlink(missing_ok=True)


def clear_leftovers(directory: Path) -> None:
    """Restore a checkpoint that was being replaced, and remove what a killed process left half-written."""
    for path in directory.glob(".step-*.old"):
        recover_directory(directory / path.name.removeprefix(".").removesuffix(".old"))
    for path in directory.glob(".step-*"):
        shutil.rmtree(path, ignore_errors=True)
