"""What a trained model attends to: the weights of its attention for one sentence pair."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.decoding.translate import Translator
from nmt.model.layers import DecoderLayer
from nmt.text.tokenizer import BEGIN, END


@dataclass(frozen=True, slots=True)
class AttentionMap:
    """Cross-attention of one pair: `weights[layer, head, i, j]` is how much output i looks at source piece j."""

    source: list[str]
    target: list[str]
    weights: Tensor  # [layer, head, target, source]


@torch.inference_mode()
def cross_attention(translator: Translator, source: str, target: str) -> AttentionMap:
    """Encoder-decoder attention while the model reads `source` and is made to write `target`."""
    model, tokenizers = translator.model, translator.tokenizers
    read = [*tokenizers.source.encode([source])[0], END]
    written = [*tokenizers.target.encode([target])[0], END]
    layers = [layer.cross_attention for layer in model.decoder if isinstance(layer, DecoderLayer)]
    for attention in layers:
        attention.observe = True
    tokens = torch.tensor([read], device=translator.device)
    model(
        tokens,
        torch.ones_like(tokens, dtype=torch.bool),
        torch.tensor([[BEGIN, *written[:-1]]], device=translator.device),
    )
    weights = []
    for attention in layers:
        assert attention.observed is not None
        weights.append(attention.observed[0].float().cpu())
        attention.observe, attention.observed = False, None
    return AttentionMap(tokenizers.source.pieces(read), tokenizers.target.pieces(written), torch.stack(weights))


def by_word(found: AttentionMap) -> AttentionMap:
    """The same map with whole words for pieces: attention to a word is the sum over its pieces, from it their mean."""
    rows, columns = _words(found.target), _words(found.source)
    weights = torch.stack([found.weights[..., part].sum(-1) for _, part in columns], dim=-1)
    weights = torch.stack([weights[..., part, :].mean(-2) for _, part in rows], dim=-2)
    return AttentionMap([word for word, _ in columns], [word for word, _ in rows], weights)


def _words(pieces: list[str]) -> list[tuple[str, list[int]]]:
    """Words with the indices of their pieces; a word begins at a piece with `▁`, and `</s>` is one of its own.

    >>> _words(["▁go", "od", "▁day", "</s>"])
    [('good', [0, 1]), ('day', [2]), ('</s>', [3])]
    """
    words: list[tuple[str, list[int]]] = []
    for index, piece in enumerate(pieces):
        if piece.startswith("▁") or piece == "</s>" or not words:
            words.append((piece.removeprefix("▁"), [index]))
        else:
            word, part = words[-1]
            words[-1] = (word + piece, [*part, index])
    return words
