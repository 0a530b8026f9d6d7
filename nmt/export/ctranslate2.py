"""A trained model as a model of CTranslate2, a C++ engine for deployment: its specification, filled from our weights.

CTranslate2 keeps weight matrices as [output, input], as torch does, and the projections of queries, keys and values of
self-attention in one matrix, as we do; in cross-attention it keeps that of the queries apart.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from nmt.config import SearchConfig
from nmt.decoding.hypotheses import Hypothesis, Request, length_penalty
from nmt.decoding.rules import ForbiddenWords
from nmt.decoding.translate import Translator
from nmt.errors import NmtError, UsageError
from nmt.files import atomic_directory
from nmt.model.attention import MultiHeadAttention
from nmt.model.layers import DecoderLayer, EncoderLayer, FeedForward
from nmt.model.positions import sinusoidal_positions
from nmt.model.weights import LoadedModel
from nmt.runtime import on_gpu
from nmt.text.tokenizer import BEGIN, END, UNKNOWN, Tokenizers

if TYPE_CHECKING:
    from ctranslate2.specs import TransformerSpec

_LONGEST = 256  # tokens of a sentence that is given whole


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
    with atomic_directory(output.absolute(), "model.bin") as temporary:
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
    positions = sinusoidal_positions(max(config.max_length, 2 * _LONGEST) + 1, config.dim).numpy()
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
    spec.register_source_vocabulary(tokenizers.source.vocabulary())
    spec.register_target_vocabulary(tokenizers.target.vocabulary())
    unknown, begin, end = tokenizers.target.pieces([UNKNOWN, BEGIN, END])
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = unknown, begin, end
    spec.config.decoder_start_token = begin
    spec.config.add_source_eos = True


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


# ---------------------------------------------------------------------------------------------------------- running it


class CTranslate2Engine:
    """An export, run by CTranslate2 behind the interface of our own models."""

    def __init__(self, directory: Path, precision: str, device: str, threads: int) -> None:
        """Load an export; NmtError when it is none, or CTranslate2 cannot compute so."""
        package = import_ctranslate2()
        if not (directory / "model.bin").exists():
            raise NmtError(f"{directory}: no model of CTranslate2 there", "nmt export ctranslate2 --output DIR")
        kind, _, index = device.partition(":")
        try:
            self.translator = package.Translator(
                str(directory),
                device=kind,
                device_index=int(index or 0),
                compute_type={"auto": "default"}.get(precision, precision),
                inter_threads=threads,
                intra_threads=1,
            )
        except (RuntimeError, ValueError) as error:
            raise NmtError(f"{directory}: CTranslate2: {error}") from None
        self.tokenizers = Tokenizers.load(directory)
        self.max_length, self.device, self.batches = _LONGEST, torch.device(self.translator.device), threads

    def search(
        self,
        sources: Sequence[list[int]],
        requests: Sequence[Request],
        config: SearchConfig,
        forbidden: ForbiddenWords | None = None,
    ) -> list[list[Hypothesis]]:
        """The best hypotheses of each source, whose tokens end with `</s>`; all lengths are bounded by the longest."""
        _refuse_unknown(requests, config, forbidden)
        pieces = [self.tokenizers.source.pieces(source[:-1]) for source in sources]
        target = self.tokenizers.target
        found = self.translator.translate_batch(
            pieces,
            target_prefix=[target.pieces(one.prefix) or None for one in requests],
            beam_size=config.beam,
            num_hypotheses=config.beam,
            length_penalty=config.length_penalty,
            coverage_penalty=config.coverage_penalty,
            repetition_penalty=config.repetition_penalty,
            no_repeat_ngram_size=config.no_repeat_ngram,
            max_decoding_length=max(one.max_length for one in requests),
            min_decoding_length=max(one.min_length for one in requests),
            max_input_length=0,
            max_batch_size=config.source_tokens(gpu=on_gpu(self.device)),
            batch_type="tokens",
            return_end_token=True,
            return_scores=True,
        )
        rows = [target.ids(row) for one in found for row in one.hypotheses]
        texts = [target.pieces(token for token in row if token != END) for row in rows]
        scored = self.translator.score_batch([one for one in pieces for _ in range(config.beam)], texts)
        made = []
        for tokens, one in zip(rows, scored, strict=True):
            truncated = END not in tokens
            log_probs = one.log_probs[: len(tokens)]
            total = math.fsum(log_probs)
            penalty = length_penalty(len(log_probs), config.length_penalty, config.length_normalization)
            made.append(
                Hypothesis([token for token in tokens if token != END], log_probs, total, total / penalty, truncated)
            )
        each = config.beam
        ranked = [made[start : start + each] for start in range(0, len(made), each)]
        if config.coverage_penalty or config.repetition_penalty > 1:  # what it ranks by cannot be told from outside
            ranked = [
                [one._replace(score=score) for one, score in zip(row, its.scores, strict=True)]
                for row, its in zip(ranked, found, strict=True)
            ]
        return [sorted(row, key=lambda one: (one.truncated, -one.score))[: config.found] for row in ranked]

    def attention(self, sources: Sequence[list[int]], targets: Sequence[list[int]]) -> list[Tensor]:  # noqa: ARG002
        """Refused: CTranslate2 does not tell it for given targets."""
        raise UsageError("--align needs a model of nmt's own", "leave out --engine ctranslate2")


def _refuse_unknown(requests: Sequence[Request], config: SearchConfig, forbidden: ForbiddenWords | None) -> None:
    """UsageError for what CTranslate2 cannot do, or would do otherwise."""
    unknown = {
        "--forbid": forbidden is not None,
        "constraints and --glossary": any(one.required for one in requests),
        "--beam-groups": config.beam_groups > 1,
        "--sample, of which its draws would not be those of --seed": config.sample,
    }
    asked = [name for name, wanted in unknown.items() if wanted]
    if asked:
        raise UsageError(f"CTranslate2 does not know {', '.join(asked)}", "leave out --engine ctranslate2")


def agreement(model: Path, exported: Path, lines: Sequence[str]) -> tuple[int, int]:
    """How many lines a model and its export translate the same, and of how many; both rank by the average."""
    config = SearchConfig(length_normalization="average", loop_guard=False)
    ours = Translator.load(model, threads=1).translate(lines, search=config)
    engine = CTranslate2Engine(exported, "default", "cpu", 1)
    theirs = Translator(engine, engine.tokenizers).translate(lines, search=config)
    return sum(one.text == other.text for one, other in zip(ours, theirs, strict=True)), len(lines)
