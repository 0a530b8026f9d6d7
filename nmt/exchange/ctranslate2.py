"""Export to CTranslate2, a C++ engine for deployment, and decoding with it.

CTranslate2 keeps weight matrices as [output, input], as torch does. The projections of queries, keys and values are one
matrix in self-attention, as in nmt; in cross-attention those of queries are separate.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import nmt
from nmt.config.search import SearchConfig
from nmt.decoding.candidates import Array
from nmt.decoding.hypotheses import Hypothesis, Request, length_penalty
from nmt.decoding.rules import NO_TEXT, TextRules
from nmt.decoding.translator import Translator
from nmt.errors import NmtError, UsageError
from nmt.files.atomic import atomic_directory
from nmt.files.run_directory import EXPORTED_MODEL, OUR_EXPORT, check_output
from nmt.model.attention import MultiHeadAttention
from nmt.model.layers import DecoderLayer
from nmt.model.model_directory import LoadedModel
from nmt.model.positions import sinusoidal_positions
from nmt.runtime import on_gpu
from nmt.text.tokenizer import BEGIN, END, UNKNOWN, Tokenizers

if TYPE_CHECKING:
    from ctranslate2.specs import TransformerSpec

_MAX_LENGTH = 256  # tokens of a sentence that is translated whole
_INSTALL = "pip install 'nmt[ctranslate2]'"


def import_ctranslate2() -> Any:
    """Import the package, which is an extra; NmtError when it is not installed."""
    try:
        import ctranslate2
    except ImportError:
        raise NmtError("CTranslate2 is not installed", _INSTALL) from None
    return ctranslate2


def export(loaded: LoadedModel, output: Path, quantization: str = "float32", *, force: bool = False) -> None:
    """Write a CTranslate2 model and its SentencePiece models, atomically; unless `force`, only over an older export."""
    check_output(output, OUR_EXPORT, force=force)
    version = import_ctranslate2().__version__
    try:
        spec = make_spec(loaded)
    except (AttributeError, TypeError, ValueError) as error:  # the specification may change with any release
        raise NmtError(f"CTranslate2 {version} has another model specification: {error}", _INSTALL) from None
    spec.validate()
    spec.optimize(quantization=None if quantization == "float32" else quantization)
    made = {key: value for key, value in loaded.provenance.items() if key not in ("data", "settings")}
    spec.config.add_attribute("nmt", {"version": nmt.__version__, "quantization": quantization, "made": made})
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
        alignment_layer=config.alignment_layer,
        alignment_heads=config.heads,
    )
    positions = sinusoidal_positions(max(config.max_length, 2 * _MAX_LENGTH) + 1, config.dim)
    spec.encoder.embeddings[0].weight = _array(model.source_embedding.weight)
    spec.decoder.embeddings.weight = _array(model.target_embedding.weight)
    spec.decoder.projection.weight = _array(model.projection.weight)
    for side in (spec.encoder, spec.decoder):
        side.scale_embeddings = True
        side.position_encodings.encodings = positions
    layers = [*spec.encoder.layer, *spec.decoder.layer]
    for theirs, ours in zip(layers, [*model.encoder, *model.decoder], strict=True):
        _fill_attention(theirs.self_attention, ours.self_attention, 3 * config.dim)
        _fill_norm(theirs.self_attention.layer_norm, ours.self_attention_residual.norm)
        if isinstance(ours, DecoderLayer):
            _fill_attention(theirs.attention, ours.cross_attention, config.dim, 2 * config.dim)
            _fill_norm(theirs.attention.layer_norm, ours.cross_attention_residual.norm)
        _fill_linear(theirs.ffn.linear_0, ours.feed_forward.expand.weight, ours.feed_forward.expand.bias)
        _fill_linear(theirs.ffn.linear_1, ours.feed_forward.contract.weight, ours.feed_forward.contract.bias)
        _fill_norm(theirs.ffn.layer_norm, ours.feed_forward_residual.norm)
    if config.norm == "pre":
        _fill_norm(spec.encoder.layer_norm, model.encoder_norm)
        _fill_norm(spec.decoder.layer_norm, model.decoder_norm)
    _register_vocabularies(spec, loaded.tokenizers)
    return spec


def _register_vocabularies(spec: "TransformerSpec", tokenizers: Tokenizers) -> None:
    spec.register_source_vocabulary(tokenizers.source.vocabulary())
    spec.register_target_vocabulary(tokenizers.target.vocabulary())
    config = spec.config
    config.unk_token, config.bos_token, config.eos_token = tokenizers.target.pieces([UNKNOWN, BEGIN, END])
    config.decoder_start_token, config.add_source_eos = config.bos_token, True


def _fill_attention(theirs: Any, ours: MultiHeadAttention, *sizes: int) -> None:
    """Fill the input projection, divided into matrices with these numbers of rows, and the output projection."""
    weights, biases = ours.project_in.weight.split(sizes), ours.project_in.bias.split(sizes)
    for linear, weight, bias in zip(theirs.linear, weights, biases, strict=False):
        _fill_linear(linear, weight, bias)
    _fill_linear(theirs.linear[len(sizes)], ours.project_out.weight, ours.project_out.bias)


def _fill_linear(theirs: Any, weight: Tensor, bias: Tensor) -> None:
    theirs.weight, theirs.bias = _array(weight), _array(bias)


def _fill_norm(theirs: Any, norm: nn.Module) -> None:
    theirs.gamma, theirs.beta = (_array(parameter) for parameter in norm.parameters())


def _array(tensor: Tensor) -> Array:
    return tensor.detach().to(torch.float32).numpy()


class CTranslate2Engine:
    """An exported model, decoded by CTranslate2."""

    def __init__(self, directory: Path, precision: str, device: str, threads: int) -> None:
        """Load an export; NmtError for an invalid one, or a precision or device that CTranslate2 does not support."""
        package = import_ctranslate2()
        if not (directory / EXPORTED_MODEL).exists():
            raise NmtError(f"{directory}: no CTranslate2 model", "nmt export ctranslate2 --output DIR")
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
        self.max_length, self.device, self.batches = _MAX_LENGTH, torch.device(self.translator.device), threads

    def search(
        self, requests: Sequence[Request], config: SearchConfig, text: TextRules = NO_TEXT
    ) -> list[list[Hypothesis]]:
        """The n-best list of each request."""
        _refuse_unsupported(requests, config, text)
        source, target = self.tokenizers
        sources = [source.pieces(request.source[:-1]) for request in requests]
        rows_of, pending = defaultdict[tuple[int, int], list[int]](list), dict[int, Any]()
        for row, request in enumerate(requests):
            rows_of[request.min_length, request.max_length].append(row)
        for (min_length, max_length), rows in rows_of.items():  # all sentences of a call have the same bounds
            futures = self.translator.translate_batch(
                [sources[row] for row in rows],
                target_prefix=[target.pieces(requests[row].prefix) or None for row in rows],
                beam_size=config.beam,
                num_hypotheses=config.beam,
                length_penalty=config.length_penalty,
                coverage_penalty=config.coverage_penalty,
                repetition_penalty=config.repetition_penalty,
                no_repeat_ngram_size=config.no_repeat_ngram,
                max_decoding_length=max_length,
                min_decoding_length=min_length - 1,  # without END
                max_input_length=0,
                max_batch_size=config.source_tokens(gpu=on_gpu(self.device)),
                batch_type="tokens",
                return_end_token=True,
                return_scores=True,
                asynchronous=True,
            )
            pending.update(zip(rows, futures, strict=True))
        results = [pending[row].result() for row in range(len(requests))]
        targets = [[piece for piece in row if piece != "</s>"] for result in results for row in result.hypotheses]
        repeated = [source for source, result in zip(sources, results, strict=True) for _ in result.hypotheses]
        log_probs = (scores.log_probs for scores in self.translator.score_batch(repeated, targets))
        hypotheses = [self._hypotheses(result, log_probs, config) for result in results]
        if config.returned == 1:
            return [row[:1] for row in hypotheses]
        texts = [{text.text_of(hypothesis.tokens): hypothesis for hypothesis in reversed(row)} for row in hypotheses]
        return [sorted(row.values(), key=Hypothesis.order)[: config.returned] for row in texts]

    def _hypotheses(self, result: Any, log_probs: Iterator[list[float]], config: SearchConfig) -> list[Hypothesis]:
        """All hypotheses of a result, best first, given the log-probabilities of each one and its END."""
        hypotheses = []
        for pieces, score in zip(result.hypotheses, result.scores, strict=True):
            tokens = self.tokenizers.target.ids(pieces)
            token_log_probs = next(log_probs)[: len(tokens)]  # a truncated hypothesis has no END
            total = math.fsum(token_log_probs)
            if not config.coverage_penalty and config.repetition_penalty == 1:  # else only CTranslate2 knows the score
                score = total / length_penalty(len(token_log_probs), config.length_penalty, config.length_normalization)
            text = [token for token in tokens if token != END]
            hypotheses.append(Hypothesis(text, token_log_probs, total, score, END not in tokens))
        return sorted(hypotheses, key=Hypothesis.order)

    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Tensor]:  # noqa: ARG002
        """Raise UsageError: CTranslate2 does not return attention for given targets."""
        raise UsageError("--align requires nmt's own engine", "leave out --engine ctranslate2")


def _refuse_unsupported(requests: Sequence[Request], config: SearchConfig, text: TextRules) -> None:
    """Raise UsageError for requests that CTranslate2 does not support, or would answer differently."""
    options = {
        "--forbid": text.forbidden is not None,
        "constraints and --glossary": any(request.required for request in requests),
        "--beam-groups": config.beam_groups > 1,
        "--sample with nmt's --seed": config.sample,
    }
    unsupported = [name for name, used in options.items() if used]
    if unsupported:
        raise UsageError(f"CTranslate2 does not support {', '.join(unsupported)}", "leave out --engine ctranslate2")


def agreement(model: Path, exported: Path, lines: Sequence[str]) -> tuple[int, int]:
    """Count the lines that a model and its export translate the same, and all lines; both rank by average."""
    config = SearchConfig(length_normalization="average", loop_guard=False)
    ours = Translator.load(model, threads=1).translate(lines, search=config)
    engine = CTranslate2Engine(exported, "default", "cpu", 1)
    theirs = Translator(engine, engine.tokenizers).translate(lines, search=config)
    return sum(own.text == their.text for own, their in zip(ours, theirs, strict=True)), len(lines)
