"""What search may not write, and what it had better not: functions that change scores [batch, beam, vocab] in place.

`tokens` [batch, beam, length] are those that the hypotheses have so far. A token that may not follow gets -inf. None
of them makes the host wait for the device.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmt.runtime import to_device
from nmt.text.sentences import folded, writes_without_spaces
from nmt.text.tokenizer import END


def penalise_repetition(scores: Tensor, tokens: Tensor, penalty: float) -> None:
    """Multiply the log-probability of the tokens that a hypothesis has already (Keskar et al. 2019, section 4.1)."""
    if penalty == 1:
        return
    scores.scatter_(2, tokens, scores.gather(2, tokens) * penalty)


def forbid_repeated_ngrams(scores: Tensor, tokens: Tensor, n: int) -> None:
    """Forbid what would complete n tokens in a row that a hypothesis has already (Paulus et al. 2018, section 2.5).

    0 forbids nothing.
    """
    if n == 0 or tokens.size(2) < n:
        return
    ngrams = tokens.unfold(2, n, 1)  # [batch, beam, start, n]
    newest = tokens[:, :, None, tokens.size(2) - n + 1 :]
    again = (ngrams[..., :-1] == newest).all(dim=3)
    scores.scatter_add_(2, ngrams[..., -1], torch.zeros_like(again, dtype=scores.dtype).masked_fill_(again, -math.inf))


def forbid_end(scores: Tensor, rows: Sequence[int]) -> None:
    """Forbid the end of these sentences."""
    if rows:
        scores[:, :, END].index_fill_(0, to_device(np.array(rows), scores.device), -math.inf)


def force(scores: Tensor, log_probs: Tensor, tokens: Mapping[int, int]) -> None:
    """Leave these sentences, by their row, nothing but one token each."""
    if tokens:
        rows, forced = to_device(np.array([list(tokens), list(tokens.values())]), scores.device)
        scores.index_fill_(0, rows, -math.inf)
        scores[rows, :, forced] = log_probs[rows, :, forced]


class ForbiddenWords:
    """Words and phrases that are never written, however they are cut into pieces, in whatever case.

    A phrase is written where it stands between characters that are no letters or digits, or the text's ends: with
    `cat` forbidden, `cats` and `concatenate` are not, as long as no piece ends behind its `cat`; where a piece does,
    search cannot know yet how the word goes on, and does not begin it.
    """

    def __init__(self, phrases: Iterable[str], pieces: Sequence[str]) -> None:
        """`pieces` are the target vocabulary's, in order, `▁` standing for a space."""
        self.pieces = [_plain(piece) for piece in pieces]
        self.completing: dict[str, list[int]] = defaultdict(list)
        """Which tokens would complete a phrase, behind a text that ends like this."""
        for phrase in set(map(folded, phrases)):
            for token, piece in enumerate(self.pieces):
                if token > END:
                    for start in _completions(phrase, piece):
                        self.completing[start].append(token)
        self.longest = max(map(len, self.completing), default=0) + 1

    def forbid(self, scores: Tensor, tokens: "np.ndarray[Any, Any]") -> None:
        """Forbid the tokens that would complete a phrase."""
        vocab = scores.size(2)
        hypotheses = enumerate(written for beam in tokens.tolist() for written in beam)
        found = [row * vocab + token for row, written in hypotheses for token in self._after(written)]
        if found:
            scores.view(-1).index_fill_(0, to_device(np.array(found), scores.device), -math.inf)

    def _after(self, written: Sequence[int]) -> list[int]:
        text = ""
        for token in reversed(written):
            text = self.pieces[token] + text
            if len(text) > self.longest:
                break
        return [
            token
            for start, tokens in self.completing.items()
            if text.endswith(start)
            for token in tokens
            if self._stands_alone(text, start, token)
        ]

    def _stands_alone(self, text: str, start: str, token: int) -> bool:
        """Whether what the phrase follows is no part of its first word."""
        before = text[: len(text) - len(start)] if start else text
        if not start:
            piece = self.pieces[token]
            before = before if _joins(piece[:1]) else ""
        return not _joins(before[-1:])


def _joins(character: str) -> bool:
    """Whether a character would make one word with a letter beside it."""
    return character.isalnum() and not writes_without_spaces(character)


def _plain(piece: str) -> str:
    """A piece as lower-cased text."""
    return piece.replace("▁", " ").casefold()


def _completions(phrase: str, piece: str) -> set[str]:
    """The beginnings of a phrase behind which this piece would complete it.

    >>> sorted(_completions("new york", "rk")), sorted(_completions("rk", " rk.")), _completions("rk", "rks")
    (['new yo'], [''], set())
    """
    found = set()
    for size in range(1, len(phrase) + 1):
        rest = phrase[-size:]
        at = piece.find(rest) if size == len(phrase) else (0 if piece.startswith(rest) else -1)
        if at >= 0 and not _joins(piece[at + size : at + size + 1]) and not _joins(piece[max(0, at - 1) : at]):
            found.add(phrase[:-size])
    return found
