"""The model directory: everything that translation needs, portable, and data only: nothing in it is executed.

config.json          the model's shape, its provenance, and the SHA-256 of its files
model.safetensors    the weights in float32
tokenizer*.model     SentencePiece
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

import nmt
from nmt.config.model import ModelConfig
from nmt.config.setting import build, settings_of
from nmt.errors import NmtError, counted
from nmt.files.atomic import atomic_directory, recover_directory
from nmt.files.checksum import sha256
from nmt.files.json import check_shape, read_json, write_json
from nmt.files.run_directory import EXPORTED_MODEL, MODEL_CONFIG, WEIGHTS, RunDirectory, is_model
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import Tokenizers

FORMAT = 1


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
) -> None:
    """Write a model directory atomically."""
    with atomic_directory(directory) as temporary:
        tokenizers.save(temporary)
        save_tensors(temporary / WEIGHTS, weights)
        parts = {path.name: sha256(path) for path in sorted(temporary.iterdir())}
        content = {"format": FORMAT, "nmt": nmt.__version__, "model": asdict(config), "made": provenance}
        write_json(temporary / MODEL_CONFIG, {**content, "sha256": parts})


def load_model(directory: Path, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    """Load a model for decoding, after verifying its checksums; NmtError where it is damaged or of another format."""
    content = read_model_config(directory)
    for name, expected in content["sha256"].items():
        path = directory / name
        if Path(name).name != name or not path.is_file():
            raise NmtError(f"{path}: no such file", "copy the model directory whole")
        if sha256(path) != expected:
            raise NmtError(f"{path}: not the file that config.json names (SHA-256 differs)", "copy the directory again")
    config = _model_config(directory, content["model"])
    tokenizers = Tokenizers.load(directory)
    sizes = (len(tokenizers.source), len(tokenizers.target))
    if sizes != (config.source_vocabulary, config.target_vocabulary):
        raise NmtError(f"{directory}: the tokenizer's {sizes} pieces are not the model's", "copy the directory whole")
    with torch.device("meta"), _NoRandomInit():
        model = Transformer(config)
    _assign(model, load_tensors(directory / WEIGHTS), directory / WEIGHTS, device, dtype)
    return LoadedModel(model.eval(), tokenizers, content["made"])


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
    save_model(output, loaded.model.config, weights, loaded.tokenizers, {**kept, **changes})


def read_model_config(directory: Path) -> dict[str, Any]:
    """Read the config.json of a model directory; NmtError when it is missing, malformed or of another format."""
    recover_directory(directory)
    path = directory / MODEL_CONFIG
    if (directory / EXPORTED_MODEL).exists():
        raise NmtError(f"{directory}: an export for CTranslate2", "give --engine ctranslate2")
    if not path.exists():
        inner = RunDirectory(directory).model
        hint = f"give {inner}" if is_model(inner) else "train a model with nmt train, or check the path"
        raise NmtError(f"{directory}: not a model directory", hint)
    content = read_json(path)
    if content.get("format") != FORMAT:
        raise NmtError(f"{path}: model format {content.get('format')}, not {FORMAT}", "it is not from this nmt")
    shape = {"nmt": str, "model": dict, "made": dict, "sha256": dict}
    check_shape(content, shape, str(path), "copy the directory again")
    return content


def describe_weights(directory: Path) -> str:
    """Describe the weights of a model directory: a step, or an average of checkpoints."""
    made = read_model_config(directory)["made"]
    step = f"step {made['step']:,}"
    averaged = counted(len(made.get("averaged") or ()), "checkpoint")
    return f"the average of {averaged} up to {step}" if made.get("averaged") else f"of {step}"


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
    with _readable(path):
        return load_file(path)


def parameter_count(path: Path) -> int:
    """The number of weights in a safetensors file, by its header alone; NmtError when it is missing or damaged."""
    with _readable(path), safe_open(path, framework="pt") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError, ValueError) as error:
        raise NmtError(f"{path}: not readable as safetensors: {str(error)[:200]}", "the file is damaged") from None


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
