"""A trained model as a model of CTranslate2, a C++ engine for deployment: its specification, filled from our weights.

CTranslate2 keeps weight matrices as [output, input], as torch does, and the projections of queries, keys and values of
self-attention in one matrix, as we do; in cross-attention it keeps that of the queries apart.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from nmt.errors import NmtError
from nmt.files import atomic_directory
from nmt.model.attention import MultiHeadAttention
from nmt.model.layers import DecoderLayer, EncoderLayer, FeedForward
from nmt.model.positions import sinusoidal_positions
from nmt.model.weights import LoadedModel
from nmt.text.tokenizer import BEGIN, END, UNKNOWN, Tokenizer, Tokenizers

if TYPE_CHECKING:
    from ctranslate2.specs import TransformerSpec

QUANTIZATIONS = ("float32", "int8", "int16", "float16", "bfloat16")
"""How CTranslate2 can store weights."""


def import_ctranslate2() -> Any:
    """The package, which is an extra; NmtError when it is not installed."""
    try:
        import ctranslate2
    except ImportError:
        raise NmtError("CTranslate2 is not installed", "pip install 'nmt[ctranslate2]'") from None
    return ctranslate2


def export(loaded: LoadedModel, output: Path, quantization: str = "float32") -> None:
    """Write a CTranslate2 model and the SentencePiece models that belong to it, whole or not at all."""
    import_ctranslate2()
    spec = make_spec(loaded)
    spec.validate()
    spec.optimize(quantization=None if quantization == "float32" else quantization)
    with atomic_directory(output) as temporary:
        spec.save(str(temporary))
        loaded.tokenizers.save(temporary)


def make_spec(loaded: LoadedModel) -> "TransformerSpec":
    """The specification of a model, with its weights and vocabularies."""
    from ctranslate2.specs import TransformerSpec

    model, config = loaded.model, loaded.model.config
    spec = TransformerSpec.from_config(
        (config.encoder_layers, config.decoder_layers),
        config.heads,
        pre_norm=config.norm == "pre",
        alignment_layer=model.alignment_layer,
        alignment_heads=config.heads,
    )
    positions = sinusoidal_positions(2 * config.max_length + 1, config.dim).numpy()
    for side, embedding in ((spec.encoder, model.source_embedding), (spec.decoder, model.target_embedding)):
        side.scale_embeddings = True
        side.position_encodings.encodings = positions
        (side.embeddings[0] if side is spec.encoder else side.embeddings).weight = _array(embedding.weight)
    for ours, theirs in zip(model.encoder, spec.encoder.layer, strict=True):
        assert isinstance(ours, EncoderLayer)
        _fill_self_attention(theirs.self_attention, ours.self_attention, ours.self_attention_residual.norm)
        _fill_feed_forward(theirs.ffn, ours.feed_forward, ours.feed_forward_residual.norm)
    for ours, theirs in zip(model.decoder, spec.decoder.layer, strict=True):
        assert isinstance(ours, DecoderLayer)
        _fill_self_attention(theirs.self_attention, ours.self_attention, ours.self_attention_residual.norm)
        _fill_cross_attention(theirs.attention, ours.cross_attention, ours.cross_attention_residual.norm)
        _fill_feed_forward(theirs.ffn, ours.feed_forward, ours.feed_forward_residual.norm)
    if config.norm == "pre":
        _fill_norm(spec.encoder.layer_norm, model.encoder_norm)
        _fill_norm(spec.decoder.layer_norm, model.decoder_norm)
    spec.decoder.projection.weight = _array(model.projection.weight)
    _register_vocabularies(spec, loaded.tokenizers)
    return spec


def _register_vocabularies(spec: "TransformerSpec", tokenizers: Tokenizers) -> None:
    spec.register_source_vocabulary(vocabulary(tokenizers.source))
    spec.register_target_vocabulary(vocabulary(tokenizers.target))
    unknown, begin, end = tokenizers.target.pieces([UNKNOWN, BEGIN, END])
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = unknown, begin, end
    spec.config.decoder_start_token = begin
    spec.config.add_source_eos = True


def vocabulary(tokenizer: Tokenizer) -> list[str]:
    """All pieces in the order of their tokens."""
    return tokenizer.pieces(range(len(tokenizer)))


def _fill_self_attention(theirs: Any, ours: MultiHeadAttention, norm: nn.LayerNorm) -> None:
    _fill_linear(theirs.linear[0], ours.project_in.weight, ours.project_in.bias)
    _fill_linear(theirs.linear[1], ours.project_out.weight, ours.project_out.bias)
    _fill_norm(theirs.layer_norm, norm)


def _fill_cross_attention(theirs: Any, ours: MultiHeadAttention, norm: nn.LayerNorm) -> None:
    dim = ours.project_out.in_features
    _fill_linear(theirs.linear[0], ours.project_in.weight[:dim], ours.project_in.bias[:dim])
    _fill_linear(theirs.linear[1], ours.project_in.weight[dim:], ours.project_in.bias[dim:])
    _fill_linear(theirs.linear[2], ours.project_out.weight, ours.project_out.bias)
    _fill_norm(theirs.layer_norm, norm)


def _fill_feed_forward(theirs: Any, ours: FeedForward, norm: nn.LayerNorm) -> None:
    _fill_linear(theirs.linear_0, ours.expand.weight, ours.expand.bias)
    _fill_linear(theirs.linear_1, ours.contract.weight, ours.contract.bias)
    _fill_norm(theirs.layer_norm, norm)


def _fill_linear(theirs: Any, weight: Tensor, bias: Tensor) -> None:
    theirs.weight, theirs.bias = _array(weight), _array(bias)


def _fill_norm(theirs: Any, norm: nn.Module) -> None:
    theirs.gamma, theirs.beta = (_array(parameter) for parameter in norm.parameters())


def _array(tensor: Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    array: np.ndarray[Any, np.dtype[np.float32]] = tensor.detach().to(torch.float32).numpy()
    return array
