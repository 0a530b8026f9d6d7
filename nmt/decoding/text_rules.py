"""What search knows of the text that tokens write."""

import unicodedata
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

from nmt.decoding.characters import Characters
from nmt.decoding.terms import TOKEN_TERMS, TokenTerms
from nmt.text.tokenizer import END
from nmt.text.words import casefold_words, is_joined

TextOf = Callable[[Sequence[int]], Hashable]
"""The text of tokens, or what stands for it: hypotheses with the same text are one entry of an n-best list."""


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

    def completed_by(self, hypothesis: Sequence[int]) -> list[int]:
        """The tokens that would complete a phrase."""
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
