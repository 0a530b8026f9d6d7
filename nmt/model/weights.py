"""The model directory: all that translating needs, readable anywhere and never executed.

config.json          the model's shape, how it was made, and the SHA-256 of its parts
model.safetensors    its weights in float32
tokenizer*.model     SentencePiece
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

import nmt
from nmt.config import ModelConfig
from nmt.errors import NmtError
from nmt.files import atomic_directory, check_shape, read_json, recover_directory, sha256, write_json
from nmt.model.transformer import Transformer
from nmt.settings import build, settings_of
from nmt.text.tokenizer import Tokenizers

FORMAT = 1
WEIGHTS = "model.safetensors"


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model with its tokenizers and what its config.json says of how it was made."""

    model: Transformer
    tokenizers: Tokenizers
    made: Mapping[str, Any]


def save_model(
    directory: Path,
    config: ModelConfig,
    weights: Mapping[str, Tensor],
    tokenizers: Tokenizers,
    made: Mapping[str, Any],
) -> None:
    """Write a model directory, whole or not at all; `made` is what a reader should know of its making."""
    with atomic_directory(directory, "config.json") as temporary:
        tokenizers.save(temporary)
        save_tensors(temporary / WEIGHTS, weights)
        parts = {path.name: sha256(path) for path in sorted(temporary.iterdir())}
        content = {"format": FORMAT, "nmt": nmt.__version__, "model": asdict(config), "made": made, "sha256": parts}
        write_json(temporary / "config.json", content)


def load_model(directory: Path, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    """Read a model directory for translating, its parts checked against their hashes.

    Raises NmtError when it is missing, truncated, of another format, or its parts do not belong together.
    """
    content = read_model_config(directory)
    for name, expected in content["sha256"].items():
        _check_part(directory, name, expected)
    config = _model_config(directory, content["model"])
    tokenizers = Tokenizers.load(directory)
    sizes = (len(tokenizers.source), len(tokenizers.target))
    if sizes != (config.source_vocabulary, config.target_vocabulary):
        raise NmtError(f"{directory}: the tokenizer's {sizes} pieces are not the model's", "copy the directory whole")
    with torch.device("meta"), _WithoutDrawing():
        model = Transformer(config)
    _assign(model, load_tensors(directory / WEIGHTS), directory / WEIGHTS, device, dtype)
    return LoadedModel(model.eval(), tokenizers, content["made"])


class _WithoutDrawing(TorchFunctionMode):
    """Random numbers are not drawn: loaded weights take their place, and torch would import its compiler for them."""

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function.__name__ in ("normal_", "uniform_"):
            return args[0] if args else (kwargs or {})["tensor"]
        return function(*args, **(kwargs or {}))


def replace_weights(source: Path, output: Path, weights: Mapping[str, Tensor], made: Mapping[str, Any]) -> None:
    """Write the model of `source` with other weights of the same shapes to `output`."""
    loaded = load_model(source, torch.device("cpu"), torch.float32)
    check_shapes(dict(loaded.model.named_parameters()), weights, output)
    kept = {key: value for key, value in loaded.made.items() if key not in ("step", "validation", "averaged")}
    save_model(output, loaded.model.config, weights, loaded.tokenizers, {**kept, **made})


def read_model_config(directory: Path) -> dict[str, Any]:
    """The content of a model's config.json; NmtError when there is none, or it is none of ours."""
    recover_directory(directory)
    path = directory / "config.json"
    if (directory / "model.bin").exists():
        raise NmtError(f"{directory}: an export for CTranslate2", "give --engine ctranslate2")
    if not path.exists():
        raise NmtError(f"{directory}: no model there", "train one with nmt train, or check the path")
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise NmtError(f"{path}: model format {content.get('format')}, not {FORMAT}", "it is not from this nmt")
    shape = {"nmt": str, "model": dict, "made": dict, "sha256": dict}
    check_shape(content, shape, str(path), "copy the directory again")
    return content


def _check_part(directory: Path, name: str, expected: object) -> None:
    path = directory / name
    if Path(name).name != name or not path.is_file():
        raise NmtError(f"{path}: no such file", "copy the model directory whole")
    if sha256(path) != expected:
        raise NmtError(f"{path}: not the file that config.json names (SHA-256 differs)", "copy the directory again")


def _model_config(directory: Path, values: dict[str, Any]) -> ModelConfig:
    fixed = {name: values.get(name) for name in ("source_vocabulary", "target_vocabulary", "shared_vocabulary")}
    unknown = values.keys() - settings_of(ModelConfig).keys() - fixed.keys()
    if unknown:
        raise NmtError(f"{directory}: config.json: unknown {', '.join(sorted(unknown))}", "it is from a newer nmt")
    try:
        return build(ModelConfig, values, **fixed)
    except NmtError as error:
        raise NmtError(f"{directory}: config.json: {error.problem}") from None


def save_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, in float32 on the CPU; the caller makes the write atomic."""
    path.touch()
    mode = path.stat().st_mode  # what the user's umask leaves; safetensors lets nobody else read what it writes
    try:
        save_file({name: tensor.detach().float().cpu().contiguous() for name, tensor in tensors.items()}, path)
        path.chmod(mode)
    except SafetensorError as error:
        raise NmtError(f"{path}: cannot be written: {error}", "is the disk full?") from None


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read tensors from a safetensors file; NmtError when it is missing, truncated or something else."""
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError, json.JSONDecodeError) as error:
        raise NmtError(f"{path}: not readable as safetensors: {str(error)[:200]}", "the file is damaged") from None


def parameter_count(path: Path) -> int:
    """How many weights a safetensors file holds, by its header alone."""
    try:
        with safe_open(path, framework="pt") as tensors:
            return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise NmtError(f"{path}: not readable as safetensors: {str(error)[:200]}", "the file is damaged") from None


def check_shapes(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """NmtError unless the tensors have the names and shapes that a model expects."""
    wrong = sorted(expected.keys() ^ found.keys())
    wrong += sorted(name for name in expected.keys() & found.keys() if expected[name].shape != found[name].shape)
    if wrong:
        raise NmtError(f"{path}: the weights of another model: {wrong[0]} is missing, strange or of another shape")


def _assign(
    model: Transformer, weights: Mapping[str, Tensor], path: Path, device: torch.device, dtype: torch.dtype
) -> None:
    """Give a model without storage its weights; parameters that are tied stand in the file once."""
    named = dict(model.named_parameters())
    check_shapes(named, weights, path)
    names = {id(parameter): name for name, parameter in named.items()}
    placed = {
        name: torch.nn.Parameter(tensor.to(device, dtype), requires_grad=False) for name, tensor in weights.items()
    }
    for module in model.modules():
        for key, parameter in list(module._parameters.items()):
            if parameter is not None:
                module._parameters[key] = placed[names[id(parameter)]]
    model.place_positions(device, dtype)
