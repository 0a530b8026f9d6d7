"""Rules of search: they change the scores that it ranks by, never the log-probabilities that it reports.

Scores [batch, beam, vocab] change in place, given the hypotheses' tokens [batch, beam, length]; -inf forbids a token.
No rule makes the host wait for the device.
"""

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.decoding.candidates import Array
from nmt.decoding.characters import Characters
from nmt.decoding.hypotheses import Beam, Request, TextOf
from nmt.decoding.terms import TOKEN_TERMS, TokenTerms
from nmt.runtime import to_device
from nmt.text.tokenizer import END
from nmt.text.words import casefold_words, is_joined


def penalize_repetition(scores: Tensor, tokens: Tensor, penalty: float) -> None:
    """Multiply the log-probability of tokens that a hypothesis contains (Keskar et al. 2019, section 4.1)."""
    if penalty > 1:
        scores.scatter_(2, tokens, scores.gather(2, tokens) * penalty)


def block_ngrams(scores: Tensor, tokens: Tensor, n: int) -> None:
    """Forbid tokens that would repeat an n-gram of the hypothesis (Paulus et al. 2018, section 2.5); 0 is off."""
    if n == 0 or tokens.size(2) < n:
        return
    ngrams = tokens.unfold(2, n, 1)  # [batch, beam, start, n]
    newest = tokens[:, :, None, tokens.size(2) - n + 1 :]
    repeated = (ngrams[..., :-1] == newest).all(dim=3)
    penalty = scores.new_zeros(repeated.shape).masked_fill_(repeated, -math.inf)
    scores.scatter_add_(2, ngrams[..., -1], penalty)


class ForbiddenWords:
    """Words and phrases that are never written, whatever their segmentation into pieces, in any case.

    `cat` does not forbid `cats` or `concatenate`, unless a piece ends after their `cat`: the word might end there.
    """

    def __init__(self, phrases: Iterable[str], pieces: Sequence[str]) -> None:
        """`pieces` is the target vocabulary, in order of its tokens."""
        self.pieces = [_decomposed(piece.replace("▁", " ").casefold()) for piece in pieces]
        self.completing = defaultdict[tuple[str, str], list[int]](list)
        """Tokens, by the beginning of a phrase that they complete and the first character written of the phrase."""
        for phrase in {_decomposed(casefold_words(phrase)) for phrase in phrases}:
            for token, piece in enumerate(self.pieces):
                if token > END:
                    for beginning in _beginnings(phrase, piece):
                        self.completing[beginning].append(token)
        self.longest = max((len(beginning) for beginning, _ in self.completing), default=0) + 1

    def forbid(self, scores: Tensor, tokens: Array) -> None:
        """Forbid the tokens that would complete a phrase."""
        vocab = scores.size(2)
        hypotheses = enumerate(hypothesis for beam in tokens.tolist() for hypothesis in beam)
        flat = [row * vocab + token for row, hypothesis in hypotheses for token in self._completing(hypothesis)]
        if flat:
            scores.view(-1).index_fill_(0, to_device(np.array(flat), scores.device), -math.inf)

    def _completing(self, hypothesis: Sequence[int]) -> list[int]:
        text = ""
        for token in reversed(hypothesis):
            text = self.pieces[token] + text
            if len(text) > self.longest:
                break
        return [
            token
            for (beginning, first), tokens in self.completing.items()
            if text.endswith(beginning) and not is_joined(text[: len(text) - len(beginning)][-1:], first)
            for token in tokens
        ]


def _decomposed(text: str) -> str:
    """Text in a normal form (NFD) that does not change where pieces are joined."""
    return unicodedata.normalize("NFD", text)


def _beginnings(phrase: str, piece: str) -> set[tuple[str, str]]:
    """Beginnings of a phrase that this piece would complete, and the character that must not continue another word.

    >>> sorted(_beginnings("new york", "rk")), sorted(_beginnings("rk", " rk.")), _beginnings("rk", "rks")
    ([('new yo', 'n')], [('', '')], set())
    """
    beginnings = set()
    for size in range(1, len(phrase) + 1):
        rest, beginning = phrase[-size:], phrase[:-size]
        start = 0 if piece.startswith(rest) else -1 if beginning else piece.find(rest)
        before, after = piece[max(0, start - 1) : start], piece[start + size : start + size + 1]
        if start >= 0 and not is_joined(before, rest[0]) and not is_joined(rest[-1], after):
            beginnings.add((beginning, "" if before else phrase[0]))
    return beginnings


class TextRules(NamedTuple):
    """What search knows of the text that tokens write; by default nothing."""

    characters: Characters | None = None
    forbidden: ForbiddenWords | None = None
    terms: TokenTerms = TOKEN_TERMS
    text_of: TextOf = tuple


NO_TEXT = TextRules()


class Rules:
    """All rules of a search."""

    def __init__(self, requests: Sequence[Request], config: SearchConfig, text: TextRules) -> None:
        self.requests, self.config = requests, config
        self.characters, self.forbidden, self.terms, _ = text
        self.repetition = config.no_repeat_ngram > 0 or config.repetition_penalty > 1
        self.min_length, self.prefix_length = np.array(
            [(request.min_length, len(request.prefix)) for request in requests]
        ).T
        self.impossible = list(self.characters.impossible) if self.characters else []  # tokens for all hypotheses

    def apply_to(self, beam: Beam) -> bool:
        """Whether any rule distinguishes hypotheses at this position."""
        too_short = self.too_short(beam)
        early = too_short.any() != too_short.all() or (beam.length < self.prefix_length[beam.sentences]).any()
        unfinished = self.characters and beam.length and self.characters.states(beam.tokens).any()
        return bool(early or unfinished or self.repetition or self.forbidden)

    def too_short(self, beam: Beam) -> Array:
        """Whether each sentence [batch] cannot end at this position."""
        return beam.length < self.min_length[beam.sentences] - 1

    def scores(self, log_probs: Tensor, beam: Beam) -> Tensor:
        """The scores that search ranks by."""
        scores, length = log_probs.clone(), beam.length
        if self.repetition:
            tokens = to_device(beam.tokens, scores.device)
            penalize_repetition(scores, tokens, self.config.repetition_penalty)
            block_ngrams(scores, tokens, self.config.no_repeat_ngram)
        if self.forbidden:
            self.forbidden.forbid(scores, beam.tokens)
        if self.characters:
            self.characters.forbid(scores, beam.tokens)
        too_short = np.flatnonzero(self.too_short(beam))
        if len(too_short):
            scores[:, :, END].index_fill_(0, to_device(too_short, scores.device), -math.inf)
        requests = [self.requests[sentence] for sentence in beam.sentences.tolist()]
        forced = [(row, request.prefix[length]) for row, request in enumerate(requests) if length < len(request.prefix)]
        if forced:
            rows, tokens = to_device(np.array(forced).T.copy(), scores.device)
            scores.index_fill_(0, rows, -math.inf)
            scores[rows, :, tokens] = log_probs[rows, :, tokens]
        return scores
