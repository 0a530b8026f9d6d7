"""Models in the format of CTranslate2, made of weights by numpy alone.

CTranslate2 has writers of its own, which import torch. A model is a list of named arrays; matrices are [output, input],
as torch has them. The projections of queries, keys and values are one matrix in self-attention, as in nmt; in
cross-attention those of queries are separate.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

import nmt
from nmt.config.model import ModelConfig
from nmt.errors import NmtError, StoppedBySignal
from nmt.files.atomic import atomic_directory
from nmt.files.run_directory import OUR_EXPORT, SHORTLIST, VOCABULARY_MAP, check_output
from nmt.model.model_files import ModelFiles, languages_of, readable
from nmt.model.positions import sinusoidal_positions
from nmt.text.tokenizer import BEGIN, END, PAD, UNKNOWN, Tokenizers

Array = npt.NDArray[Any]

MAX_LENGTH = 256
"""Tokens of a sentence that is translated whole."""

_BINARY_VERSION, _SPECIFICATION, _REVISION = 6, "TransformerSpec", 7
_TYPES = ("float32", "int8", "int16", "int32", "float16", "uint16")  # by their numbers; the last is bfloat16
_ACTIVATIONS = {"relu": 0, "swish": 2, "gelu": 3}
_LAYERS = {
    "self_attention/linear_0": "self_attention.project_in",
    "self_attention/linear_1": "self_attention.project_out",
    "self_attention/layer_norm": "self_attention_residual.norm",
    "attention/linear_0": "cross_attention.project_in",  # the queries alone
    "attention/linear_1": "cross_attention.project_in",  # keys and values
    "attention/linear_2": "cross_attention.project_out",
    "attention/layer_norm": "cross_attention_residual.norm",
    "ffn/linear_0": "feed_forward.expand",
    "ffn/linear_1": "feed_forward.contract",
    "ffn/layer_norm": "feed_forward_residual.norm",
}
"""Parts of a layer, by their names there and in nmt."""


def import_ctranslate2() -> Any:
    """Import the package, which not every platform has; NmtError where it is not installed."""
    try:
        import ctranslate2
    except ImportError as error:
        cause = error.__cause__ or error.__context__
        while cause and not isinstance(cause, StoppedBySignal):
            cause = cause.__cause__ or cause.__context__
        if cause:  # a signal, which the package turns into an error of its own
            raise cause from None
        raise NmtError("CTranslate2 is not installed", "pip install ctranslate2, or give --engine torch") from None
    return ctranslate2


def export(files: ModelFiles, output: Path, quantization: str = "float32", *, force: bool = False) -> None:
    """Write a CTranslate2 model and its SentencePiece models, atomically; unless `force`, only over an older export."""
    check_output(output, OUR_EXPORT, force=force)
    shortlist = files.weights.with_name(SHORTLIST)
    contents = converted(files, quantization)
    with atomic_directory(output) as temporary:
        for name, content in contents.items():
            (temporary / name).write_bytes(content)
        if shortlist.exists():
            (temporary / VOCABULARY_MAP).write_bytes(shortlist.read_bytes())
        files.tokenizers.save(temporary)


def converted(files: ModelFiles, quantization: str) -> dict[str, bytes]:
    """The files of a model as CTranslate2 reads them, by name, with what is known of its origin."""
    with readable(files.weights):
        weights = load_file(files.weights)
    origin = {"nmt": {**origin_of(files), "quantization": quantization}}
    return model_files(files.config, weights, files.tokenizers, quantization, origin)


def origin_of(files: ModelFiles) -> dict[str, Any]:
    """What an export says about its origin, with the licence and the model card of one that was imported."""
    made = {key: value for key, value in files.provenance.items() if key not in ("data", "settings")}
    return {"version": nmt.__version__, "made": made}


def model_card(files: ModelFiles) -> str:
    """The model card of an export: that of the model it comes from, or a short one."""
    imported = files.provenance.get("imported") or {}
    if card := imported.get("model_card"):
        return str(card)
    direction = " to ".join(language or "unknown" for language in languages_of(files.provenance))
    front = "library_name: transformers\npipeline_tag: translation"
    return f"---\n{front}\n---\n\nTrained with nmt {nmt.__version__}: {direction}.\n"


def model_files(
    config: ModelConfig,
    weights: Mapping[str, Array],
    tokenizers: Tokenizers,
    quantization: str = "float32",
    origin: Mapping[str, Any] | None = None,
) -> dict[str, bytes]:
    """The files of a model, by name: weights, vocabularies and configuration.

    Quantized to int8, matrices have a scale for each row, to int16 a single one; to float16 and bfloat16, all is.
    `origin` is added to the configuration.
    """
    unknown, begin, end = tokenizers.target.pieces([UNKNOWN, BEGIN, END])
    tokens = {"unk_token": unknown, "bos_token": begin, "eos_token": end, "decoder_start_token": begin}
    settings = {**tokens, "add_source_bos": False, "add_source_eos": True, **(origin or {})}
    vocabularies = {"source_vocabulary": tokenizers.source, "target_vocabulary": tokenizers.target}
    if config.shared_vocabulary:
        vocabularies = {"shared_vocabulary": tokenizers.target}
    files = {f"{name}.json": tokenizer.vocabulary() for name, tokenizer in vocabularies.items()}
    contents = {name: json.dumps(content).encode() for name, content in {**files, "config.json": settings}.items()}
    return {**contents, "model.bin": b"".join(_binary(dict(_variables(config, weights)), quantization))}


def _variables(config: ModelConfig, weights: Mapping[str, Array]) -> Iterator[tuple[str, Array | str]]:
    """The variables of a model by name; a string is the name of one with the same value."""
    shared = "decoder/embeddings/weight"
    yield shared, weights["source_embedding.weight" if config.shared_vocabulary else "target_embedding.weight"]
    yield "encoder/embeddings_0/weight", shared if config.shared_vocabulary else weights["source_embedding.weight"]
    yield "decoder/projection/weight", shared if config.tied else weights["projection.weight"]
    if config.projection_bias:
        bias = weights["projection.bias"].copy()
        bias[[PAD, BEGIN]] = -100  # which other engines do not know to be impossible
        yield "decoder/projection/bias", bias
    positions = sinusoidal_positions(max(config.max_length, 2 * MAX_LENGTH) + 1, config.dim)
    yield "decoder/position_encodings/encodings", positions
    yield "encoder/position_encodings/encodings", "decoder/position_encodings/encodings"
    yield "decoder/alignment_layer", np.array(config.alignment_layer, np.int16)
    yield "decoder/alignment_heads", np.array(config.heads, np.int16)
    for side, layers in (("encoder", config.encoder_layers), ("decoder", config.decoder_layers)):
        yield f"{side}/num_heads", np.array(config.heads, np.int16)
        yield f"{side}/pre_norm", np.array(config.norm == "pre", np.int8)
        yield f"{side}/scale_embeddings", np.array(1, np.int8)
        yield f"{side}/activation", np.array(_ACTIVATIONS[config.activation], np.int8)
        if config.norm == "pre":
            yield from _parameters(f"{side}/layer_norm", f"{side}_norm", weights)
        for layer in range(layers):
            for theirs, ours in _LAYERS.items():
                if side == "decoder" or not theirs.startswith("attention/"):
                    yield from _parameters(f"{side}/layer_{layer}/{theirs}", f"{side}.{layer}.{ours}", weights)


def _parameters(theirs: str, ours: str, weights: Mapping[str, Array]) -> Iterator[tuple[str, Array]]:
    """Weight and bias of a linear layer, or those of a layer norm, which are gamma and beta there."""
    is_norm = theirs.endswith("norm")
    for name, own in (("gamma", "weight"), ("beta", "bias")) if is_norm else (("weight", "weight"), ("bias", "bias")):
        value = weights[f"{ours}.{own}"]
        if "/attention/linear_" in theirs and ours.endswith("project_in"):
            dim = len(value) // 3
            value = value[:dim] if theirs.endswith("0") else value[dim:]
        yield f"{theirs}/{name}", value


def _binary(variables: Mapping[str, Array | str], quantization: str) -> Iterator[bytes]:
    """The bytes of model.bin."""
    aliases = {name: value for name, value in variables.items() if isinstance(value, str)}
    arrays = {name: value for name, value in variables.items() if not isinstance(value, str)}
    stored = {key: array for name in arrays for key, array in _quantized(name, arrays[name], quantization)}
    yield struct.pack("<I", _BINARY_VERSION) + _text(_SPECIFICATION) + struct.pack("<II", _REVISION, len(stored))
    for name, array in sorted(stored.items()):
        shape = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        yield _text(name) + shape + struct.pack("<BI", _TYPES.index(array.dtype.name), array.nbytes)
        yield array.tobytes()
    yield struct.pack("<I", len(aliases))
    for name, other in sorted(aliases.items()):
        yield _text(name) + _text(other)


def _quantized(name: str, value: Array, quantization: str) -> Iterator[tuple[str, Array]]:
    """A variable, and the scale of a matrix of integers."""
    is_matrix = name.endswith("weight")
    if value.dtype == np.float32 and quantization == "float16":
        value = value.astype(np.float16)
    elif value.dtype == np.float32 and quantization == "bfloat16":
        bits = value.view(np.uint32)
        value = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)  # rounded to even
    elif is_matrix and quantization == "int8":
        largest = np.abs(value).max(axis=1)
        scale = np.float32(127) / np.where(largest, largest, 127)
        value = np.rint(value * scale[:, None]).astype(np.int8)
        yield f"{name}_scale", scale
    elif is_matrix and quantization == "int16":
        scale = np.array(2**10 / np.abs(value).max(), np.float32)  # products of 20 bits, so that sums fit 32
        value = np.rint(value * scale).clip(-(2**15), 2**15 - 1).astype(np.int16)
        yield f"{name}_scale", scale
    yield name, value


def _text(text: str) -> bytes:
    return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"
