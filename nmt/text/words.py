"""Words in text, the same for glossaries, required terms and forbidden words: whole words, in any script.

Letters, digits and the marks on them form words. Scripts without spaces have no word boundaries, and Korean has none
between a noun and its particle: there a term matches anywhere, but never a part of a letter.
"""

import unicodedata
from functools import cache
from itertools import pairwise

from nmt.text.sentences import writes_without_spaces

_JOINERS = "\xad\u200c\u200d\u2060"  # soft hyphen, zero-width joiners and word joiner


def casefold_words(text: str) -> str:
    """Text for comparison by words: in lower case and composed (NFC), with single spaces."""
    folded = unicodedata.normalize("NFD", " ".join(text.split())).casefold()
    return unicodedata.normalize("NFC", folded)


@cache
def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or character in _JOINERS


@cache
def _is_letter(character: str) -> bool:
    is_letter = unicodedata.category(character)[0] in "LMN" or character in f"_{_JOINERS}"
    return is_letter and not writes_without_spaces(character) and not "가" <= character <= "힣"


def is_joined(before: str, after: str) -> bool:
    """Whether a character and the one after it are parts of one word; False where one is missing, "".

    >>> is_joined("a", "b"), is_joined("म", "ो"), is_joined("l", "'"), is_joined("猫", "は"), is_joined("a", "")
    (True, True, False, False, False)
    """
    return bool(before and after) and (_is_mark(after) or (_is_letter(before) and _is_letter(after)))


def separate_words(text: str) -> list[str]:
    """Split a text into words and the characters between them; nothing is removed.

    >>> separate_words("the cat's 猫")
    ['the', ' ', 'cat', "'", 's', ' ', '猫']
    """
    ends = [index for index, pair in enumerate(pairwise(text), start=1) if not is_joined(*pair)]
    return [text[start:end] for start, end in pairwise([0, *ends, len(text)])] if text else []


def contains_words(text: str, phrase: str) -> bool:
    """Whether a phrase occurs in a text as whole words, in the same case and normal form.

    >>> contains_words("to catch a cat", "cat"), contains_words("to catch it", "cat"), contains_words("黒猫は", "猫")
    (True, False, True)
    """
    start = text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        if not (is_joined(text[max(0, start - 1) : start], phrase[:1]) or is_joined(phrase[-1:], text[end : end + 1])):
            return True
        start = text.find(phrase, start + 1)
    return False
