"""Word alignment by attention: the source word that each target word translates."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.floating]
Alignment = list[tuple[int, int]]  # indices of source and target words, in the order of the target
UNALIGNED = -1  # the word of tokens that are not text, such as a tag of the target language
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


def merge_words(weights: Weights, source: Sequence[Sequence[int]], target: Sequence[Sequence[int]]) -> Weights:
    """Attention of words [..., target, source] from that of pieces: source pieces summed, target pieces averaged.

    Each word is given as the indices of its pieces.
    """
    columns = np.stack([weights[..., indices].sum(-1) for indices in source], axis=-1)
    return np.stack([columns[..., indices, :].mean(-2) for indices in target], axis=-2)


def align(weights: Weights, source: Sequence[int], target: Sequence[int]) -> Alignment:
    """Align each target word with a source word by the attention of pieces [target, source], given their words."""
    columns, rows = _indices_of(source), _indices_of(target)
    if not columns or not rows:
        return []
    best = merge_words(weights, list(columns.values()), list(rows.values())).argmax(axis=-1).tolist()
    links = ((list(columns)[index], word) for index, word in zip(best, rows, strict=True))
    return [(source_word, word) for source_word, word in links if source_word != UNALIGNED]


def _indices_of(words: Sequence[int]) -> dict[int, list[int]]:
    """The indices of each word."""
    indices: dict[int, list[int]] = {}
    for index, word in enumerate(words):
        indices.setdefault(word, []).append(index)
    return indices


def words_at(text: str, positions: Iterable[int]) -> list[int]:
    """The words at these positions, in bytes (UTF-8), or after them; white space separates words.

    >>> words_at("ein großer Hund", [0, 3, 10, 12])
    [0, 1, 1, 2]
    """
    ends, start = [0], 0
    for word in re.finditer(r"\S+", text):
        ends.append(ends[-1] + len(text[start : word.end()].encode()))
        start = word.end()
    return [min(bisect_right(ends, position), len(ends) - 1) - 1 for position in positions]


def first_words(parts: Iterable[tuple[str, str]]) -> list[tuple[int, int]]:
    """The words of a line in which the gap and the text of each part begin; parts may divide a word.

    >>> first_words([("- ", "Ein Hund"), ("\t", "bel"), ("", "lt")])
    [(0, 1), (3, 3), (4, 3)]
    """
    firsts, count, within = list[int](), 0, False
    for piece in chain.from_iterable(parts):
        firsts.append(count - (within and bool(piece[:1].strip())))
        if piece:
            count, within = firsts[-1] + len(piece.split()), not piece[-1].isspace()
    return list(zip(firsts[::2], firsts[1::2], strict=True))
