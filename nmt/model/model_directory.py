"""Loading and saving model directories with torch."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

import nmt
from nmt.config.model import ModelConfig
from nmt.errors import NmtError
from nmt.files.atomic import atomic_directory
from nmt.files.checksum import sha256
from nmt.files.json import write_json
from nmt.files.run_directory import MODEL_CONFIG, SHORTLIST, WEIGHTS
from nmt.model.model_files import FORMAT, open_model, readable
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import Tokenizers


class LoadedModel(NamedTuple):
    """A model, its tokenizers and its provenance."""

    model: Transformer
    tokenizers: Tokenizers
    provenance: Mapping[str, Any]


def save_model(
    directory: Path,
    config: ModelConfig,
    weights: Mapping[str, Tensor],
    tokenizers: Tokenizers,
    provenance: Mapping[str, Any],
    shortlist: Path | None = None,
) -> None:
    """Write a model directory atomically, with a shortlist if there is such a file."""
    with atomic_directory(directory) as temporary:
        tokenizers.save(temporary)
        if shortlist and shortlist.exists():
            (temporary / SHORTLIST).write_bytes(shortlist.read_bytes())
        save_tensors(temporary / WEIGHTS, weights)
        parts = {path.name: sha256(path) for path in sorted(temporary.iterdir())}
        content = {"format": FORMAT, "nmt": nmt.__version__, "model": asdict(config), "made": provenance}
        write_json(temporary / MODEL_CONFIG, {**content, "sha256": parts})


def load_model(directory: Path, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    """Load a model for decoding, after verifying its checksums; NmtError where it is damaged or of another format."""
    files = open_model(directory)
    with torch.device("meta"), _NoRandomInit():
        model = Transformer(files.config)
    _assign(model, load_tensors(directory / WEIGHTS), directory / WEIGHTS, device, dtype)
    return LoadedModel(model.eval(), files.tokenizers, files.provenance)


class _NoRandomInit(TorchFunctionMode):
    """Skip random initialization, for which torch would import its compiler, where weights are loaded anyway."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function.__name__ in ("normal_", "uniform_"):
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


def replace_weights(source: Path, output: Path, weights: Mapping[str, Tensor], changes: Mapping[str, Any]) -> None:
    """Copy the model `source` to `output` with other weights, and what has changed in their provenance."""
    loaded = load_model(source, torch.device("cpu"), torch.float32)
    check_shapes(dict(loaded.model.named_parameters()), weights, output)
    kept = {key: value for key, value in loaded.provenance.items() if key not in ("step", "validation", "averaged")}
    save_model(output, loaded.model.config, weights, loaded.tokenizers, {**kept, **changes}, source / SHORTLIST)


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, in float32; not atomically."""
    path.touch()
    mode = path.stat().st_mode  # by the user's umask; safetensors writes files that only their owner may read
    try:
        save_file({name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}, path)
        path.chmod(mode)
    except SafetensorError as error:
        raise NmtError(f"{path}: cannot be written: {error}", "is the disk full?") from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; NmtError when it is missing or damaged."""
    with readable(path):
        return load_file(path)


def check_shapes(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], path: Path) -> None:
    """Check that weights have the names and shapes that a model expects; NmtError where they do not."""
    wrong = sorted(expected.keys() ^ weights.keys())
    wrong += sorted(name for name in expected.keys() & weights.keys() if expected[name].shape != weights[name].shape)
    if wrong:
        raise NmtError(f"{path}: the weights of another model: {wrong[0]} is missing, unexpected or of the wrong shape")


def _assign(
    model: Transformer, weights: Mapping[str, Tensor], path: Path, device: torch.device, dtype: torch.dtype
) -> None:
    """Assign loaded weights to a model without storage; the file holds tied parameters once."""
    parameters = dict(model.named_parameters())
    check_shapes(parameters, weights, path)
    placed = {id(parameters[name]): torch.nn.Parameter(tensor.to(device, dtype)) for name, tensor in weights.items()}
    names = model.named_parameters(remove_duplicate=False)
    model.load_state_dict({name: placed[id(parameter)] for name, parameter in names}, assign=True)
    model.requires_grad_(False)
    model.place_positions(device, dtype)
