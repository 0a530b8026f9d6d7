"""Word alignment by attention: which source word a target word was written from."""

import re
from collections.abc import Sequence

import torch
from torch import Tensor

Alignment = list[tuple[int, int]]
"""Pairs of a source word's and a target word's index, in the order of the target."""


def words(pieces: Sequence[str]) -> list[tuple[str, list[int]]]:
    """Words with the indices of their pieces; a word begins at a piece with `▁`, and `</s>` is one of its own.

    >>> words(["▁go", "od", "▁d", "<0xC3>", "<0xA5>", "</s>"])
    [('good', [0, 1]), ('då', [2, 3, 4]), ('</s>', [5])]
    """
    found: list[tuple[str, list[int]]] = []
    for index, piece in enumerate(pieces):
        if piece.startswith("▁") or piece == "</s>" or not found:
            found.append((piece.removeprefix("▁"), [index]))
        else:
            word, part = found[-1]
            found[-1] = (word + piece, [*part, index])
    return [(_BYTES.sub(_character, word), part) for word, part in found]


_BYTES = re.compile("(<0x[0-9A-F]{2}>)+")


def _character(spelt: re.Match[str]) -> str:
    """What pieces that are bytes spell."""
    return bytes.fromhex(re.sub("<0x|>", "", spelt[0])).decode("utf-8", "replace")


def merge_words(weights: Tensor, source: Sequence[str], target: Sequence[str]) -> Tensor:
    """Attention of pieces [..., target, source] as that of words: the sum over a source word's, the mean over a
    target word's pieces.
    """
    columns = torch.stack([weights[..., part].sum(-1) for _, part in words(source)], dim=-1)
    return torch.stack([columns[..., part, :].mean(-2) for _, part in words(target)], dim=-2)


def align(weights: Tensor, source: Sequence[str], target: Sequence[str]) -> Alignment:
    """Each target word with the source word that it looks at most.

    `weights` [target, source] are of the pieces; a `</s>` at the end of either is no word.
    """
    source, target = ([piece for piece in side if piece != "</s>"] for side in (source, target))
    if not source or not target:
        return []
    best = merge_words(weights[: len(target), : len(source)], source, target).argmax(dim=-1)
    return [(int(index), position) for position, index in enumerate(best)]
