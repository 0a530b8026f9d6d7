"""Models of nmt as MarianMT models of Hugging Face transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from nmt.errors import NmtError
from nmt.exchange.ctranslate2 import model_card, origin_of
from nmt.exchange.marian import (
    BIAS,
    CARD,
    CONFIG,
    EMBEDDINGS,
    FIXED,
    GENERATION_CONFIG,
    SETTINGS,
    TOKENIZER_CONFIG,
    TOKENIZERS,
    TOKENS,
    VOCABULARY,
    WEIGHTS,
    alternating,
    layer_names,
    permuted,
)
from nmt.files.atomic import atomic_directory, write_text
from nmt.files.json import write_json
from nmt.files.run_directory import OUR_MARIAN, check_output
from nmt.model.model_directory import load_tensors
from nmt.model.model_files import ModelFiles, languages_of
from nmt.text.sentencepiece_model import CONTROL
from nmt.text.tokenizer import BEGIN, END, UNKNOWN


def export_marian(files: ModelFiles, output: Path, *, force: bool = False) -> None:
    """Write a MarianMT directory, atomically; NmtError for a model that the format cannot express."""
    check_output(output, OUR_MARIAN, force=force)
    with atomic_directory(output) as temporary:
        _write(files, temporary)


def _write(files: ModelFiles, directory: Path) -> None:
    config, vocabulary = files.config, files.tokenizers.target.vocabulary()
    reasons = {
        "pre-norm layers (--norm pre)": config.norm == "pre",
        "an output projection of its own (--no-tied)": not config.tied,
        "separate vocabularies (tokenizer train --separate)": not config.shared_vocabulary,
    }
    if present := [reason for reason, holds in reasons.items() if holds]:
        raise NmtError(f"MarianMT has no models with {', '.join(present)}", "export it for CTranslate2 instead")
    weights, order = load_tensors(files.weights), alternating(config.dim).argsort()
    embedding = weights["source_embedding.weight"]
    rows = list(range(len(vocabulary)))
    if not embedding[BEGIN].any():  # as in Marian, where <pad> is the last token and begins a sentence
        rows = [END, UNKNOWN, *rows[len(CONTROL) :], BEGIN]
    tensors = {EMBEDDINGS[0]: embedding[rows][:, order]}
    tensors[BIAS] = weights.get("projection.bias", torch.zeros(len(vocabulary)))[None, rows]
    for theirs, ours, letters in layer_names(config):
        for kind in ("weight", "bias"):
            value = permuted(weights[f"{ours}.{kind}"], f"{ours}.{kind}", order)
            for letter, part in zip(letters, value.chunk(len(letters)), strict=True):
                tensors[f"{theirs.format(letter)}.{kind}"] = part
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, directory / WEIGHTS, metadata={"format": "pt"})
    for name, content in _descriptions(files, [vocabulary[row] for row in rows]).items():
        write_json(directory / name, content)
    for name, tokenizer in zip(TOKENIZERS, files.tokenizers, strict=True):
        (directory / name).write_bytes(tokenizer.model)
    write_text(directory / CARD, model_card(files))


def _descriptions(files: ModelFiles, vocabulary: Sequence[str]) -> dict[str, Any]:
    """The JSON files of a MarianMT directory."""
    config = files.config
    pad, unknown, begin, end = CONTROL
    if pad not in vocabulary:
        vocabulary = [pad if piece == begin else piece for piece in vocabulary]
        begin = pad
    tokens = dict(zip(TOKENS, map(vocabulary.index, (pad, begin, end)), strict=True))
    shape = {theirs: getattr(config, ours) for theirs, ours in SETTINGS.items()}
    shape |= {"decoder_ffn_dim": config.feed_forward, "decoder_attention_heads": config.heads, **FIXED, **tokens}
    names = {"architectures": ["MarianMTModel"], "model_type": "marian", "is_encoder_decoder": True}
    size = {"vocab_size": len(vocabulary), "decoder_vocab_size": len(vocabulary)}
    search = {
        "num_beams": 5,
        "max_length": config.max_length,
        "bad_words_ids": [[token] for token in sorted({tokens[key] for key in TOKENS[:2]})],
        "forced_eos_token_id": tokens["eos_token_id"],
    }
    tokenizer = {"tokenizer_class": "MarianTokenizer", "model_max_length": config.max_length, "separate_vocabs": False}
    tokenizer |= {"pad_token": pad, "unk_token": unknown, "eos_token": end}
    tokenizer |= dict(zip(("source_lang", "target_lang"), languages_of(files.provenance), strict=True))
    return {
        CONFIG: {**names, **size, **shape, "dtype": "float32", "nmt": origin_of(files)},
        GENERATION_CONFIG: {**search, **tokens},
        TOKENIZER_CONFIG: tokenizer,
        VOCABULARY: {piece: token for token, piece in enumerate(vocabulary)},
    }


def translate_with_transformers(directory: Path, lines: Sequence[str]) -> list[str]:
    """The greedy translations of an export by transformers itself, which must be installed."""
    from transformers import MarianMTModel, MarianTokenizer

    model, tokenizer = MarianMTModel.from_pretrained(directory).eval(), MarianTokenizer.from_pretrained(directory)
    texts = list[str]()
    for line in lines:  # one by one, because padding changes the last digits
        output = model.generate(**tokenizer([line], return_tensors="pt"), num_beams=1, do_sample=False)
        texts += tokenizer.batch_decode(output, skip_special_tokens=True)
    return texts
