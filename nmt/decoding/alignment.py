"""Word alignment by attention: the source word that each target word translates."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

Alignment = list[tuple[int, int]]  # indices of source and target words, in the order of the target
_BYTES = re.compile("(<0x[0-9A-F]{2}>)+")


def pieces_to_words(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Join pieces to words, returned with the indices of their pieces; `▁` begins a word, and `</s>` is one.

    >>> pieces_to_words(["▁go", "od", "▁d", "<0xC3>", "<0xA5>", "</s>"])
    [('good', [0, 1]), ('då', [2, 3, 4]), ('</s>', [5])]
    """
    words: list[tuple[str, list[int]]] = []
    for index, piece in enumerate(pieces):
        if piece.startswith("▁") or piece == "</s>" or not words:
            words.append((piece.removeprefix("▁"), [index]))
        else:
            word, indices = words[-1]
            words[-1] = (word + piece, [*indices, index])
    return [(_BYTES.sub(_decode_bytes, word), indices) for word, indices in words]


def _decode_bytes(match: re.Match[str]) -> str:
    return bytes.fromhex(re.sub("<0x|>", "", match[0])).decode("utf-8", "replace")


def merge_words(weights: Tensor, source: Sequence[str], target: Sequence[str]) -> Tensor:
    """Attention of words [..., target, source] from that of pieces: source pieces summed, target pieces averaged."""
    columns = torch.stack([weights[..., indices].sum(-1) for _, indices in pieces_to_words(source)], dim=-1)
    return torch.stack([columns[..., indices, :].mean(-2) for _, indices in pieces_to_words(target)], dim=-2)


def align(weights: Tensor, source: Sequence[str], target: Sequence[str]) -> Alignment:
    """Align each target word with a source word by the attention of pieces [target, source]; `</s>` is not a word."""
    source, target = ([piece for piece in side if piece != "</s>"] for side in (source, target))
    if not source or not target:
        return []
    best = merge_words(weights[: len(target), : len(source)], source, target).argmax(dim=-1)
    return [(int(index), position) for position, index in enumerate(best)]
