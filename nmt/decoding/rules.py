"""Rules of search: they change the scores that it ranks by, never the log-probabilities that it reports.

Scores [batch, beam, vocab] change in place, given the hypotheses' tokens [batch, beam, length]; -inf forbids a token.
No rule makes the host wait for the device.
"""

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.decoding.characters import Characters
from nmt.decoding.engine import Array, Request
from nmt.decoding.hypotheses import Beam
from nmt.decoding.text_rules import ForbiddenWords, TextRules
from nmt.runtime import to_device
from nmt.text.tokenizer import END


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


def forbid_words(scores: Tensor, tokens: Array, forbidden: ForbiddenWords) -> None:
    """Forbid the tokens that would complete a forbidden phrase."""
    hypotheses = enumerate(hypothesis for beam in tokens.tolist() for hypothesis in beam)
    vocab = scores.size(2)
    flat = [row * vocab + token for row, hypothesis in hypotheses for token in forbidden.completed_by(hypothesis)]
    if flat:
        scores.view(-1).index_fill_(0, to_device(np.array(flat), scores.device), -math.inf)


def forbid_characters(scores: Tensor, tokens: Array, characters: Characters) -> None:
    """Forbid the tokens that cannot follow the characters of the hypotheses."""
    states, index = np.unique(characters.states(tokens), return_inverse=True)
    impossible = to_device(characters.following[states] < 0, scores.device)
    scores.masked_fill_(impossible[to_device(index.reshape(tokens.shape[:2]), scores.device)], -math.inf)


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
            forbid_words(scores, beam.tokens, self.forbidden)
        if self.characters:
            forbid_characters(scores, beam.tokens, self.characters)
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
