"""Files for CTranslate2: the same bytes for each variable as its own writer gives, by its own specification."""

import json
import struct
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from nmt.config.model import ModelConfig
from nmt.exchange.ctranslate2 import model_files
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import Tokenizers

specs = pytest.importorskip("ctranslate2.specs")

QUANTIZATIONS = ["float32", "float16", "bfloat16", "int8", "int16"]
UNUSED = {"alibi", "alibi_use_positive_positions", "scale_alibi", "start_from_zero_embedding"}
UNUSED |= {"embeddings_merge", "multi_query_attention"}
"""Features that nmt's models lack: their writer says 0, which is the default of their reader."""


def variables(content: bytes) -> dict[str, tuple[Any, ...] | str]:
    """The variables of a model.bin: shape, number of the type and bytes, or the name of another one."""
    position, found = 0, dict[str, Any]()

    def read(form: str) -> Any:
        nonlocal position
        values = struct.unpack_from(f"<{form}", content, position)
        position += struct.calcsize(f"<{form}")
        return values[0] if len(values) == 1 else values

    def text() -> str:
        return read(f"{read('H')}s").rstrip(b"\0").decode()

    assert (read("I"), text(), read("I")) == (6, "TransformerSpec", 7)
    for _ in range(read("I")):
        name, rank = text(), read("B")
        shape, (kind, size) = tuple(np.atleast_1d(read(f"{rank}I"))) if rank else (), read("BI")
        found[name] = shape, kind, read(f"{size}s")
    for _ in range(read("I")):
        name = text()
        found[name] = text()
    assert position == len(content)
    return found


def written_by_ctranslate2(model: Transformer, tokenizers: Tokenizers, quantization: str, directory: Path) -> None:
    """The same model by CTranslate2's specification and writer."""
    config = model.config
    layers = (config.encoder_layers, config.decoder_layers)
    pre_norm = config.norm == "pre"
    layer, heads = config.alignment_layer, config.heads
    spec = specs.TransformerSpec.from_config(
        layers, heads, pre_norm=pre_norm, alignment_layer=layer, alignment_heads=heads
    )
    spec.encoder.embeddings[0].weight = array(model.source_embedding.weight)
    spec.decoder.embeddings.weight = array(model.target_embedding.weight)
    spec.decoder.projection.weight = array(model.projection.weight)
    model.extend_positions(513)
    for side in (spec.encoder, spec.decoder):
        side.scale_embeddings = True
        side.position_encodings.encodings = array(model.positions[:513])
    for theirs, ours in zip([*spec.encoder.layer, *spec.decoder.layer], [*model.encoder, *model.decoder], strict=True):
        fill_attention(theirs.self_attention, ours.self_attention, ours.self_attention_residual, 3)
        if hasattr(ours, "cross_attention"):
            fill_attention(theirs.attention, ours.cross_attention, ours.cross_attention_residual, 1, 2)
        fill_linear(theirs.ffn.linear_0, ours.feed_forward.expand.weight, ours.feed_forward.expand.bias)
        fill_linear(theirs.ffn.linear_1, ours.feed_forward.contract.weight, ours.feed_forward.contract.bias)
        fill_norm(theirs.ffn.layer_norm, ours.feed_forward_residual.norm)
    if pre_norm:
        fill_norm(spec.encoder.layer_norm, model.encoder_norm)
        fill_norm(spec.decoder.layer_norm, model.decoder_norm)
    spec.register_source_vocabulary(tokenizers.source.vocabulary())
    spec.register_target_vocabulary(tokenizers.target.vocabulary())
    spec.config.add_source_eos = True
    spec.validate()
    spec.optimize(quantization=quantization)
    spec.save(str(directory))


def fill_attention(theirs: Any, ours: Any, residual: Any, *parts: int) -> None:
    dim = ours.project_out.weight.shape[0]
    sizes = [part * dim for part in parts]
    inputs = zip(ours.project_in.weight.split(sizes), ours.project_in.bias.split(sizes), strict=True)
    outputs = [*inputs, (ours.project_out.weight, ours.project_out.bias)]
    for linear, (weight, bias) in zip(theirs.linear, outputs, strict=True):
        fill_linear(linear, weight, bias)
    fill_norm(theirs.layer_norm, residual.norm)


def fill_linear(theirs: Any, weight: torch.Tensor, bias: torch.Tensor) -> None:
    theirs.weight, theirs.bias = array(weight), array(bias)


def fill_norm(theirs: Any, norm: nn.Module) -> None:
    theirs.gamma, theirs.beta = map(array, norm.parameters())


def array(tensor: torch.Tensor) -> Any:
    return tensor.detach().numpy().copy()


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_a_model_has_the_bytes_of_ctranslate2s_own_writer(
    tokenizers: Tokenizers, tmp_path: Path, quantization: str
) -> None:
    vocabulary = len(tokenizers.target)
    for norm, shared, tied in product(["pre", "post"], [True, False], [True, False]):
        shape = {"source_vocabulary": vocabulary, "target_vocabulary": vocabulary, "shared_vocabulary": shared}
        sizes = {"dim": 24, "feed_forward": 40, "heads": 4, "encoder_layers": 1, "decoder_layers": 2}
        model = Transformer(ModelConfig(**shape, **sizes, norm=norm, tied=tied))
        for parameter in model.parameters():
            nn.init.normal_(parameter)
        weights = {name: array(parameter) for name, parameter in model.named_parameters()}
        ours = model_files(model.config, weights, tokenizers, quantization)
        directory = tmp_path / f"{norm}-{shared}-{tied}"
        directory.mkdir()
        written_by_ctranslate2(model, tokenizers, quantization, directory)
        theirs = variables((directory / "model.bin").read_bytes())
        read = variables(ours["model.bin"])
        assert {name.rpartition("/")[2] for name in theirs.keys() - read.keys()} <= UNUSED
        assert read == {name: value for name, value in theirs.items() if name in read}
        config = json.loads((directory / "config.json").read_text())
        assert json.loads(ours["config.json"]).items() <= config.items()
        for name in ours.keys() - {"model.bin", "config.json"}:
            pieces = json.loads((directory / "shared_vocabulary.json").read_text())  # theirs compares the lists
            assert json.loads(ours[name]) == pieces
