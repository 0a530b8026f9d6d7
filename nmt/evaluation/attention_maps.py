"""Attention maps: the weights of the three kinds of attention for one sentence pair."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.decoding.alignment import merge_words, pieces_to_words
from nmt.decoding.translator import Translator
from nmt.errors import UsageError, counted
from nmt.text.tokenizer import BEGIN, END

KINDS = {  # the three uses of attention (Vaswani et al. 2017, section 3.2.3)
    "cross": "from the translation to the source",
    "encoder": "of the source to itself",
    "decoder": "of the translation to its prefix",
}


class AttentionMap(NamedTuple):
    """The attention weights of one kind."""

    queries: list[str]
    keys: list[str]
    weights: Tensor  # [layer, head, query, key]; each query's weights sum to 1


@torch.inference_mode()
def attention_maps(translator: Translator, source: str, target: str) -> dict[str, AttentionMap]:
    """The attention map of each kind when the model is forced to translate `source` as `target`.

    Decoder queries are the pieces that are output; the keys of its self-attention are the pieces before them, from
    `<s>`. Raises UsageError for a side that is empty or too long for the model.
    """
    model, tokenizers = translator.model, translator.tokenizers
    limit = model.config.max_length
    source_tokens = [*tokenizers.source.encode([source])[0], END]
    target_tokens = [*tokenizers.target.encode([target])[0], END]
    for side, tokens in (("source", source_tokens), ("target", target_tokens)):
        if not 1 < len(tokens) <= limit:
            raise UsageError(f"the {side} has {counted(len(tokens) - 1, 'piece')}; the model takes 1 to {limit - 1}")
    ids = torch.tensor([source_tokens], device=translator.device)
    target_input = torch.tensor([[BEGIN, *target_tokens[:-1]]], device=translator.device)
    observed = model.attention(ids, torch.ones_like(ids, dtype=torch.bool), target_input)
    pieces, output = tokenizers.source.pieces(source_tokens), tokenizers.target.pieces(target_tokens)
    sides = {
        "cross": (output, pieces, observed.cross),
        "encoder": (pieces, pieces, observed.encoder),
        "decoder": (output, ["<s>", *output[:-1]], observed.decoder),
    }
    return {
        kind: AttentionMap(list(queries), list(keys), torch.stack([layer[0].float().cpu() for layer in layers]))
        for kind, (queries, keys, layers) in sides.items()
    }


def by_word(pieces: AttentionMap) -> AttentionMap:
    """Merge pieces into words: attention to a word is the sum over its pieces, attention from a word their mean."""
    queries, keys = (pieces_to_words(side) for side in (pieces.queries, pieces.keys))
    indices = [indices for _, indices in keys], [indices for _, indices in queries]
    weights = torch.from_numpy(merge_words(pieces.weights.numpy(), *indices))
    return AttentionMap([word for word, _ in queries], [word for word, _ in keys], weights)


def as_json(maps: Mapping[str, AttentionMap]) -> dict[str, object]:
    """The maps as JSON values, weights with four decimals."""
    return {
        kind: {
            "queries": attention.queries,
            "keys": attention.keys,
            "weights": attention.weights.double().round(decimals=4).tolist(),
        }
        for kind, attention in maps.items()
    }
