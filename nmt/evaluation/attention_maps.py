"""What a trained model attends to: the weights of its three kinds of attention for one sentence pair."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.decoding.align import merge_words, words
from nmt.decoding.translate import Translator
from nmt.errors import UsageError
from nmt.text.tokenizer import BEGIN, END

KINDS = {
    "cross": "from the translation to the source",
    "encoder": "of the source to itself",
    "decoder": "of the translation to what is written of it so far",
}
"""The three uses of attention (Vaswani et al. 2017, section 3.2.3)."""


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """Attention of one kind: `weights[layer, head, i, j]` is how much query i looks at key j."""

    queries: list[str]
    keys: list[str]
    weights: Tensor  # [layer, head, query, key]


@torch.inference_mode()
def attention_maps(translator: Translator, source: str, target: str) -> dict[str, AttentionMap]:
    """Attention of each kind while the model reads `source` and is made to write `target`.

    The queries of the decoder are the pieces that it writes, and the keys of its attention to itself those that it has
    before it, which begin with `<s>`. Raises UsageError for a side that is empty or longer than the model reads.
    """
    model, tokenizers = translator.model, translator.tokenizers
    read = [*tokenizers.source.encode([source])[0], END]
    written = [*tokenizers.target.encode([target])[0], END]
    for side, tokens in (("source", read), ("target", written)):
        if not 1 < len(tokens) <= model.config.max_length:
            raise UsageError(
                f"the {side} has {len(tokens) - 1} pieces, and the model reads 1 to {model.config.max_length - 1}"
            )
    ids = torch.tensor([read], device=translator.device)
    target_input = torch.tensor([[BEGIN, *written[:-1]]], device=translator.device)
    found = model.attention(ids, torch.ones_like(ids, dtype=torch.bool), target_input)
    pieces, output = tokenizers.source.pieces(read), tokenizers.target.pieces(written)
    sides = {
        "cross": (output, pieces, found.cross),
        "encoder": (pieces, pieces, found.encoder),
        "decoder": (output, ["<s>", *output[:-1]], found.decoder),
    }
    return {
        kind: AttentionMap(list(queries), list(keys), torch.stack([one[0].float().cpu() for one in weights]))
        for kind, (queries, keys, weights) in sides.items()
    }


def by_word(found: AttentionMap) -> AttentionMap:
    """The same map with whole words for pieces: attention to a word is the sum over its pieces, from it their mean."""
    weights = merge_words(found.weights, found.keys, found.queries)
    queries, keys = ([word for word, _ in words(side)] for side in (found.queries, found.keys))
    return AttentionMap(queries, keys, weights)


def as_json(maps: Mapping[str, AttentionMap]) -> dict[str, object]:
    """Maps as JSON says them, with four digits of each weight."""
    return {
        kind: {
            "queries": one.queries,
            "keys": one.keys,
            "weights": [
                [[[round(w, 4) for w in row] for row in head] for head in layer] for layer in one.weights.tolist()
            ],
        }
        for kind, one in maps.items()
    }
