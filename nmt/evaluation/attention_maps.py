"""What a trained model attends to: the weights of its attention for one sentence pair."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nmt.decoding.align import merge_words, words
from nmt.decoding.translate import Translator
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
    tokens = torch.tensor([read], device=translator.device)
    mask = torch.ones_like(tokens, dtype=torch.bool)
    observed = model.cross_attention(tokens, mask, torch.tensor([[BEGIN, *written[:-1]]], device=tokens.device))
    weights = torch.stack([one[0].float().cpu() for one in observed])
    return AttentionMap(tokenizers.source.pieces(read), tokenizers.target.pieces(written), weights)


def by_word(found: AttentionMap) -> AttentionMap:
    """The same map with whole words for pieces: attention to a word is the sum over its pieces, from it their mean."""
    weights = merge_words(found.weights, found.source, found.target)
    source, target = ([word for word, _ in words(side)] for side in (found.source, found.target))
    return AttentionMap(source, target, weights)
