"""Required terms in hypotheses: tokens, or whole words where the text of tokens is known, however it is segmented."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from nmt.text.tokenizer import Tokenizer
from nmt.text.words import contains_words, is_joined

Tokens = Sequence[int]

_OTHER = "\U0010fffd"  # a private character, which is a piece of its own: what follows is segmented as within text
_LETTER = "\ua66e"  # a rare one, for an unfinished character, which may be any
_BYTE = re.compile("<0x[0-9A-F]{2}>")
_CLOSING = tuple(".,;:!?)]}")  # after which a word has a space before it
_CACHED = 10_000  # hypotheses


class TokenTerms:
    """Terms that are met by their tokens."""

    continuing: npt.NDArray[np.bool_] | None = None
    """Whether each token of the vocabulary may continue the word before it."""

    def spellings(self, term: Tokens) -> Sequence[Tokens]:
        """The sequences of tokens that search may write for a term."""
        return [term]

    def is_met(self, hypothesis: Tokens, term: Tokens) -> bool:
        """Whether a hypothesis contains a term."""
        starts = range(len(hypothesis) - len(term) + 1)
        return any(list(term) == list(hypothesis[start : start + len(term)]) for start in starts)

    def can_follow(self, hypothesis: Tokens, spelling: Tokens) -> bool:  # noqa: ARG002
        """Whether a term that is written after a hypothesis begins a word."""
        return True


TOKEN_TERMS = TokenTerms()


class WordTerms(TokenTerms):
    """Terms that are met as whole words of the text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.text = lru_cache(_CACHED)(self._text)
        self._spellings = lru_cache(_CACHED)(self._segment)

    @cached_property
    def continuing(self) -> npt.NDArray[np.bool_]:  # type: ignore[override]
        """Whether each piece may continue a word: it begins with a letter, or is a byte."""
        pieces = self.tokenizer.vocabulary()
        return np.array([is_joined("a", piece[:1]) or _BYTE.fullmatch(piece) is not None for piece in pieces])

    def spellings(self, term: Tokens) -> Sequence[Tokens]:
        """The tokens of a term at the start of a text, after a space, and after other text without a space."""
        return self._spellings(tuple(term))

    def is_met(self, hypothesis: Tokens, term: Tokens) -> bool:
        """Whether the text of a hypothesis contains a term as whole words, of which the last may still go on."""
        return contains_words(self.text(tuple(hypothesis)), self.text(tuple(term)))

    def can_follow(self, hypothesis: Tokens, spelling: Tokens) -> bool:
        """Whether a spelling begins with a space, or at the boundary of a word, to which symbols before it belong."""
        (piece,) = self.tokenizer.pieces(spelling[:1])
        text, term = self.text(tuple(hypothesis)), self.text(tuple(spelling))
        first = re.sub(r"^\W+", "", term)[:1] or term[:1]
        return piece.startswith("▁") or not is_joined("a" if text.endswith(_CLOSING) else text[-1:], first)

    def _text(self, tokens: tuple[int, ...]) -> str:
        text = self.tokenizer.decode([tokens])[0].replace("\ufffd", _LETTER)
        return unicodedata.normalize("NFC", text)

    def _segment(self, term: tuple[int, ...]) -> list[Tokens]:
        text = self.tokenizer.decode([term])[0]
        other, *variants = self.tokenizer.encode([_OTHER, f"{_OTHER} {text}", f"{_OTHER}{text}"])
        endings = [row[len(other) :] for row in variants if row[: len(other)] == other]
        spellings = [list(term), *(row for row in endings if row and self.tokenizer.decode([row]) == [text])]
        return [row for index, row in enumerate(spellings) if row not in spellings[:index]]
