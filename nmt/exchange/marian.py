"""MarianMT of Hugging Face transformers, the form in which OPUS-MT is distributed: models read and written.

One table has the names of both sides. Three things differ besides. Marian's sinusoids have all sines before all
cosines, where the paper and nmt alternate, so the dimensions of the model are permuted. Its tokens have another order:
control symbols are the first four in nmt. And two SentencePiece models, of source and target, share one vocabulary.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.config.model import ModelConfig
from nmt.config.setting import build
from nmt.errors import NmtError
from nmt.files.json import check_shape, read_json
from nmt.model.model_directory import check_shapes, load_tensors
from nmt.model.transformer import Transformer
from nmt.text.sentencepiece_model import CONTROL, NOT_LEARNED, UNUSED, USER_DEFINED, Piece, read_pieces, with_pieces
from nmt.text.tokenizer import PAD, Tokenizer, Tokenizers

CONFIG, WEIGHTS, VOCABULARY, CARD = "config.json", "model.safetensors", "vocab.json", "README.md"
TOKENIZERS = ("source.spm", "target.spm")
TOKENIZER_CONFIG, GENERATION_CONFIG = "tokenizer_config.json", "generation_config.json"

EMBEDDINGS = ("model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight")
BIAS = "final_logits_bias"
_LAYERS = {
    "self_attn.{}_proj": "self_attention.project_in",
    "self_attn.out_proj": "self_attention.project_out",
    "self_attn_layer_norm": "self_attention_residual.norm",
    "encoder_attn.{}_proj": "cross_attention.project_in",
    "encoder_attn.out_proj": "cross_attention.project_out",
    "encoder_attn_layer_norm": "cross_attention_residual.norm",
    "fc1": "feed_forward.expand",
    "fc2": "feed_forward.contract",
    "final_layer_norm": "feed_forward_residual.norm",
}
"""Parts of a layer, there and in nmt; {} stands for q, k and v, which are one matrix in nmt."""

_READS = ("project_in", "expand")  # layers whose inputs have the dimensions of the model; of others the outputs have
SETTINGS = {
    "d_model": "dim",
    "encoder_ffn_dim": "feed_forward",
    "encoder_attention_heads": "heads",
    "encoder_layers": "encoder_layers",
    "decoder_layers": "decoder_layers",
    "activation_function": "activation",
    "max_position_embeddings": "max_length",
    "dropout": "dropout",
    "attention_dropout": "attention_dropout",
    "activation_dropout": "activation_dropout",
}
TOKENS = ("pad_token_id", "decoder_start_token_id", "eos_token_id")
_NUMBERS = ("d_model", "decoder_ffn_dim", *TOKENS)
FIXED = {
    "scale_embedding": True,
    "share_encoder_decoder_embeddings": True,
    "tie_word_embeddings": True,
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
    "static_position_embeddings": True,
}
"""Settings that nmt has with these values alone; what a file leaves out has them, but for those of _DEFAULTS."""

_DEFAULTS = {"scale_embedding": False}

_ACTIVATIONS = {"silu": "swish"}
_NEVER = -100.0
"""The bias of tokens that are never written: their probability is 0 in float32, and their gradient does no harm."""

_UNKNOWN_PENALTY = 10.0  # of SentencePiece's unigram models
_LAST = -1e9  # the score of unused pieces: in BPE, merges go by it
_LANGUAGE = re.compile(r">>\S+<<")  # the tag of a target language
_LONGEST_CARD = 1 << 16  # characters of a model card
_LFS = b"version https://git-lfs"
_CONVERT = "from transformers import MarianMTModel as M; M.from_pretrained('{0}').save_pretrained('{0}')"


class ForeignModel(NamedTuple):
    """A model of other software in the terms of nmt."""

    config: ModelConfig
    weights: dict[str, Tensor]
    tokenizers: Tokenizers
    origin: dict[str, Any]


class _Vocabulary(NamedTuple):
    """The pieces of a model in the order of nmt, and the rows that they have in its embeddings.

    Pieces of the tokenizers that the vocabulary lacks stand at its end: they are read as <unk>, and never written.
    """

    pieces: list[str]
    rows: list[int]
    never: list[int]  # tokens that are never written


def read_marian(directory: Path) -> ForeignModel:
    """Read a MarianMT directory; NmtError for what it lacks, what is damaged, and what nmt cannot compute."""
    _check_files(directory)
    settings = read_json(directory / CONFIG)
    values = _model_settings(settings, directory)
    models = [(directory / name).read_bytes() for name in TOKENIZERS]
    sides = [_pieces(model, directory / name) for name, model in zip(TOKENIZERS, models, strict=True)]
    vocabulary = _read_vocabulary(settings, directory, sides)
    tokenizers = [
        _tokenizer(model, pieces, vocabulary, directory / name)
        for name, model, pieces in zip(TOKENIZERS, models, sides, strict=True)
    ]
    tensors = _read_tensors(directory / WEIGHTS, 1 + max(vocabulary.rows))
    bias, size = _read_bias(tensors, vocabulary), len(vocabulary.pieces)
    sizes = {"source_vocabulary": size, "target_vocabulary": size, "shared_vocabulary": True}
    try:
        config = build(ModelConfig, {**values, "projection_bias": bias is not None}, **sizes)
    except NmtError as error:
        raise NmtError(f"{directory / CONFIG}: nmt has no such models: {error.problem}") from None
    if unused := tensors.keys() - {*_used(config)}:
        problem = f"{directory / WEIGHTS}: holds tensors that {CONFIG} does not speak of, such as {min(unused)}"
        raise NmtError(problem, "the files are not of one model")
    try:
        weights = dict(_read_weights(tensors, config, vocabulary))
    except (KeyError, IndexError, RuntimeError) as error:
        raise NmtError(f"{directory / WEIGHTS}: a tensor is missing or has another shape: {error}") from None
    if bias is not None:
        weights["projection.bias"] = bias
    with torch.device("meta"):
        check_shapes(dict(Transformer(config).named_parameters()), weights, directory / WEIGHTS)
    return ForeignModel(config, weights, Tokenizers(tokenizers[0], tokenizers[1]), _origin(directory))


def _pieces(model: bytes, path: Path) -> list[Piece]:
    try:
        return read_pieces(model)
    except (IndexError, KeyError, ValueError) as error:
        raise NmtError(f"{path}: not a SentencePiece model: {error}", "check that the file is complete") from None


def _read_tensors(path: Path, rows: int) -> dict[str, Tensor]:
    """The tensors of a model whose embeddings have this many rows, all of them finite numbers, in float32."""
    tensors = load_tensors(path)
    for name, tensor in tensors.items():
        if not (tensor.is_floating_point() and tensor.isfinite().all()):
            raise NmtError(f"{path}: {name} has values other than finite numbers", "the file is damaged")
    sizes = {name: len(tensors[name]) for name in (*EMBEDDINGS, "lm_head.weight") if name in tensors}
    sizes |= {name: tensor.numel() for name, tensor in tensors.items() if name == BIAS}
    if not sizes or any(size != rows for size in sizes.values()):
        raise NmtError(f"{path}: its embeddings do not have the {rows:,} rows of {VOCABULARY}: {sizes}")
    return {name: tensor.float() for name, tensor in tensors.items()}


def _used(config: ModelConfig) -> Iterator[str]:
    """The names of all tensors that a model of this shape may have."""
    yield from (*EMBEDDINGS, "lm_head.weight", BIAS)
    yield from (f"model.{side}.embed_positions.weight" for side in ("encoder", "decoder"))
    for theirs, _, letters in layer_names(config):
        yield from (f"{theirs.format(letter)}.{kind}" for letter in letters for kind in ("weight", "bias"))


def _check_files(directory: Path) -> None:
    """Raise NmtError where a file of the format is missing, with what to do about it."""
    if directory.is_file():
        problem = f"{directory}: not a directory with a MarianMT model of Hugging Face transformers"
        raise NmtError(problem, "other formats are not read, least of all pickles, which can run any code")
    if not (directory / CONFIG).is_file():
        raise NmtError(f"{directory}: no {CONFIG}", "give a directory with a MarianMT model, such as OPUS-MT has")
    if not (directory / WEIGHTS).is_file():
        _explain_other_weights(directory)
    for name in (WEIGHTS, VOCABULARY, *TOKENIZERS):
        if not (directory / name).is_file():
            raise NmtError(f"{directory}: no {name}", "download or copy the directory whole")
        with (directory / name).open("rb") as file:
            if file.read(len(_LFS)) == _LFS:
                raise NmtError(f"{directory / name}: only a pointer to the file", "get the file itself: git lfs pull")


def _explain_other_weights(directory: Path) -> None:
    """Raise NmtError where a directory has its weights in another form, with the way to convert them."""
    convert = f'python -c "{_CONVERT.format(directory)}"'
    if any(directory.glob("*.safetensors.index.json")):
        raise NmtError(f"{directory}: its weights are in several files", f"join them: {convert}")
    if any(directory.glob("*.npz")):
        raise NmtError(f"{directory}: a model of Marian itself", "convert it to MarianMT with transformers")
    if any(directory.glob("*.bin")):
        problem = f"{directory}: its weights are a pickle, which can run any code, and is not read"
        raise NmtError(problem, f"where you trust it: {convert}")


def _model_settings(settings: Mapping[str, Any], directory: Path) -> dict[str, Any]:
    """The settings of the model; NmtError for those that nmt does not have."""
    where = f"{directory / CONFIG}"
    if settings.get("model_type") != "marian":
        raise NmtError(f"{where}: a model of type {settings.get('model_type')!r}", "only MarianMT models are read")
    check_shape(settings, dict.fromkeys(_NUMBERS, int), where, "the file is damaged")
    activation = str(settings.get("activation_function"))
    settings = {**settings, "activation_function": _ACTIVATIONS.get(activation, activation)}
    present = {**FIXED, **_DEFAULTS, **settings}
    different = [f"{key} {present[key]}" for key, value in FIXED.items() if present[key] != value]
    for ours, theirs in (("heads", "attention_heads"), ("feed-forward", "ffn_dim")):
        if settings.get(f"encoder_{theirs}") != settings.get(f"decoder_{theirs}"):
            different.append(f"{ours} of encoder and decoder")
    if different:
        raise NmtError(f"{where}: nmt has no models with {', '.join(different)}", "MarianMT models of OPUS-MT fit")
    return {ours: settings[theirs] for theirs, ours in SETTINGS.items() if theirs in settings}


def _read_vocabulary(settings: Mapping[str, Any], directory: Path, sides: Sequence[Sequence[Piece]]) -> _Vocabulary:
    token_of, where = read_json(directory / VOCABULARY), f"{directory / VOCABULARY}"
    check_shape(token_of, dict.fromkeys(["<unk>", *token_of], int), where, "the file is damaged")
    pad, begin, end = (settings[key] for key in TOKENS)
    control, size = [pad, token_of["<unk>"], begin, end], len({*token_of.values(), pad, begin, end})
    expected = [token_of.get("<pad>"), token_of.get("<s>") if begin != pad else pad, token_of.get("</s>")]
    if [pad, begin, end] != expected or len({pad, token_of["<unk>"], end}) < 3:
        raise NmtError(f"{where}: <pad>, <s> and </s> are not the tokens of {CONFIG}", "the files are not of one model")
    if {*token_of.values()} != {*range(size)} or len(token_of) != size or "" in token_of:
        raise NmtError(f"{where}: its tokens are not 0 to {size - 1}, each of one piece", "the file is damaged")
    if settings.get("vocab_size", size) != size:
        raise NmtError(f"{where}: {size:,} pieces, but vocab_size is {settings['vocab_size']} in {CONFIG}")
    names = {token: piece for piece, token in token_of.items() if piece not in CONTROL}
    rest = [token for token in range(size) if token not in control]
    pieces = [*CONTROL, *(names.get(token, f"<unused{token}>") for token in rest)]
    known = {*pieces}
    extra = dict.fromkeys(
        piece.text for side in sides for piece in side if piece.kind not in NOT_LEARNED and piece.text not in known
    )
    never = [*range(len(pieces), len(pieces) + len(extra)), *([PAD] if begin == pad else [])]
    return _Vocabulary([*pieces, *extra], [*control, *rest, *[token_of["<unk>"]] * len(extra)], never)


def _tokenizer(model: bytes, own: Sequence[Piece], vocabulary: _Vocabulary, path: Path) -> Tokenizer:
    """A tokenizer with all pieces of the vocabulary, which segments text as before: the other side's are unused."""
    known = {piece.text: piece for piece in own if piece.kind not in NOT_LEARNED}
    rare = min((piece.score for piece in known.values()), default=0.0) - _UNKNOWN_PENALTY
    pieces = [known.get(text) or _piece_of_other_side(text, rare) for text in vocabulary.pieces[len(CONTROL) :]]
    unchanged = [piece.text for piece in own[: len(CONTROL)]] == list(CONTROL) and list(own[len(CONTROL) :]) == pieces
    return Tokenizer(model if unchanged else with_pieces(model, pieces), str(path))


def _piece_of_other_side(text: str, rare: float) -> Piece:
    """A piece that a tokenizer does not know: a tag, a character, which scores as unknown ones do, or an unused one."""
    if _LANGUAGE.fullmatch(text):
        return Piece(text, 0.0, USER_DEFINED)
    return Piece(text, rare) if len(text) == 1 else Piece(text, _LAST, UNUSED)


def _read_bias(tensors: Mapping[str, Tensor], vocabulary: _Vocabulary) -> Tensor | None:
    """The bias of the projection, if one is needed."""
    size = max(vocabulary.rows) + 1
    bias = tensors.get(BIAS, torch.zeros(1, size)).flatten()
    if not (bias.any() or vocabulary.never):
        return None
    bias = bias[vocabulary.rows].clone()
    bias[vocabulary.never] = _NEVER
    return bias


def alternating(dim: int) -> Tensor:
    """The dimensions of Marian in the order of nmt: a sine, its cosine, the next sine.

    >>> alternating(6).tolist()
    [0, 3, 1, 4, 2, 5]
    """
    return torch.arange(dim).view(2, -1).T.flatten()


def _read_weights(
    tensors: Mapping[str, Tensor], config: ModelConfig, vocabulary: _Vocabulary
) -> Iterator[tuple[str, Tensor]]:
    order = alternating(config.dim)
    embedding = next(tensors[name] for name in (*EMBEDDINGS, "lm_head.weight") if name in tensors)
    yield "source_embedding.weight", embedding[vocabulary.rows][:, order].contiguous()
    for theirs, ours, letters in layer_names(config):
        for kind in ("weight", "bias"):
            value = torch.cat([tensors[f"{theirs.format(letter)}.{kind}"] for letter in letters])
            yield f"{ours}.{kind}", permuted(value, f"{ours}.{kind}", order)


def layer_names(config: ModelConfig) -> Iterator[tuple[str, str, str]]:
    """The parts of all layers, there and in nmt, and the letters that stand for {}."""
    for side, layers in (("encoder", config.encoder_layers), ("decoder", config.decoder_layers)):
        for layer in range(layers):
            for theirs, ours in _LAYERS.items():
                if side == "decoder" or "encoder_attn" not in theirs:
                    letters = "qkv" if "{}" in theirs else "-"
                    yield f"model.{side}.layers.{layer}.{theirs}", f"{side}.{layer}.{ours}", letters


def permuted(value: Tensor, ours: str, order: Tensor) -> Tensor:
    """A parameter with the dimensions of the model in another order: its inputs, or its outputs."""
    part, _, kind = ours.rpartition(".")
    if not part.endswith(_READS):
        return value[order].contiguous()
    return value[:, order].contiguous() if kind == "weight" else value


def _origin(directory: Path) -> dict[str, Any]:
    """What is known of a model's origin: languages, name, licence, and the text of its model card."""
    described = read_json(directory / TOKENIZER_CONFIG) if (directory / TOKENIZER_CONFIG).is_file() else {}
    languages = {side: described.get(f"{side}_lang") for side in ("source", "target")}
    card_file = directory / CARD
    card = card_file.read_text("utf-8", "replace")[:_LONGEST_CARD] if card_file.is_file() else ""
    license_ = re.search(r"^license:\s*(.+?)\s*$", card, re.MULTILINE)
    origin = {"name": directory.resolve().name, "license": license_[1] if license_ else None, "model_card": card}
    return {"languages": languages, "imported": origin}
