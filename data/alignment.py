"""Words that know what they express, and the links between the words of two sentences.

Both realisers mark each word with keys: "m.o.n" is the noun of the object of the main clause. Two words are aligned
when they share a key. Since endings and particles are part of a Korean word, one Korean word may carry several keys,
as 읽었어요 carries both the verb and its tense.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Word(NamedTuple):
    """One whitespace token and the keys of what it expresses."""

    text: str
    keys: frozenset[str]


def word(text: str, *keys: str) -> Word:
    """Make a word."""
    return Word(text, frozenset(keys))


def words(text: str, *keys: str) -> list[Word]:
    """Split a text into words that all carry the same keys."""
    return [word(part, *keys) for part in text.split()]


def add_keys(word_: Word, keys: Iterable[str]) -> Word:
    """Return the word with more keys."""
    return Word(word_.text, word_.keys | frozenset(keys))


def text_of(sentence: Iterable[Word]) -> str:
    """Join words with spaces."""
    return " ".join(word_.text for word_ in sentence)


def align(source: list[Word], target: list[Word]) -> list[tuple[int, int]]:
    """Link the words that share a key.

    >>> align([word("책을", "o"), word("읽었다", "v", "t")], [word("read", "v", "t"), word("books", "o")])
    [(0, 1), (1, 0)]
    """
    return [(i, j) for i, left in enumerate(source) for j, right in enumerate(target) if left.keys & right.keys]


def pharaoh(links: Iterable[tuple[int, int]]) -> str:
    """Write links in Pharaoh format.

    >>> pharaoh([(0, 1), (1, 0)])
    '0-1 1-0'
    """
    return " ".join(f"{source}-{target}" for source, target in links)
