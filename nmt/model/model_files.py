"""The model directory: everything that translation needs, portable, and data only: nothing in it is executed.

config.json          the model's shape, its provenance, and the SHA-256 of its files
model.safetensors    the weights in float32
tokenizer*.model     SentencePiece
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from nmt.config.model import ModelConfig
from nmt.config.setting import build, settings_of
from nmt.errors import NmtError, counted
from nmt.files.atomic import recover_directory
from nmt.files.checksum import sha256
from nmt.files.json import check_shape, read_json
from nmt.files.run_directory import EXPORTED_MODEL, MODEL_CONFIG, WEIGHTS, RunDirectory, is_model
from nmt.text.pair import Languages
from nmt.text.tokenizer import Tokenizers

FORMAT = 1


class ModelFiles(NamedTuple):
    """A model directory whose files are whole, without its weights."""

    config: ModelConfig
    tokenizers: Tokenizers
    provenance: Mapping[str, Any]
    weights: Path  # safetensors

    @property
    def language(self) -> str | None:
        """The source language, if it is known."""
        return languages_of(self.provenance)[0]


def languages_of(provenance: Mapping[str, Any]) -> Languages:
    """The languages of a model by its provenance; None: unknown."""
    languages = provenance.get("languages") or {}
    return languages.get("source"), languages.get("target")


def open_model(directory: Path) -> ModelFiles:
    """Open a model directory and verify its checksums; NmtError where it is damaged or of another format."""
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
    return ModelFiles(config, tokenizers, content["made"], directory / WEIGHTS)


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
    check_shape(content["made"].get("languages") or {}, {}, f"{path}: languages", "copy the directory again")
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


def parameter_count(path: Path) -> int:
    """The number of weights in a safetensors file, by its header alone; NmtError when it is missing or damaged."""
    with readable(path), safe_open(path, framework="np") as tensors:
        return sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Report a safetensors file that is missing or damaged as an NmtError."""
    try:
        yield
    except (OSError, SafetensorError, ValueError) as error:
        raise NmtError(f"{path}: not readable as safetensors: {str(error)[:200]}", "the file is damaged") from None
