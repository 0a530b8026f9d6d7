"""Normalization rules for SentencePiece: canonical composition (NFC) and white space, and nothing else.

SentencePiece's own rules (NFKC) rewrite what a model writes: a fullwidth comma becomes ASCII, m² becomes m2, and a
zero-width non-joiner disappears. These rules keep all of that.
"""

import unicodedata
from collections.abc import Iterator
from itertools import permutations

_HANGUL = range(0xAC00, 0xD7A4)
_MOST_PERMUTED = 4  # a letter and three marks
_SPACES = "\t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000\u2581" + "".join(map(chr, range(0x2000, 0x200B)))
_REMOVED = "\ufeff\x7f" + "".join(map(chr, [*range(0x01, 0x09), *range(0x0E, 0x20)]))  # byte order mark, controls


def composition_rules() -> str:
    """The rules as SentencePiece reads them: code points in hexadecimal, a tab, and those that replace them."""
    rules = dict[str, str]()
    for code in (*range(0xC0, 0xD800), *range(0xF900, 0x30000)):
        composed = unicodedata.normalize("NFC", chr(code))
        rules.update((sequence, composed) for sequence in _equivalents(chr(code)) if sequence != composed)
    rules |= {**dict.fromkeys(_SPACES, " "), **dict.fromkeys(_REMOVED, "")}
    lines = (f"{_hexadecimal(before)}\t{_hexadecimal(after)}\n" for before, after in sorted(rules.items()))
    return "".join(lines)


def _equivalents(character: str) -> Iterator[str]:
    """The spellings of a character: itself, decomposed, partly decomposed, and with its marks in another order."""
    decomposed = unicodedata.normalize("NFD", character)
    if decomposed == character:
        return
    yield from (character, decomposed)
    if ord(character) in _HANGUL:
        yield unicodedata.normalize("NFC", decomposed[:2]) + decomposed[2:]
    elif len(decomposed) <= _MOST_PERMUTED:
        for marks in permutations(decomposed[1:]):
            spelling = decomposed[0] + "".join(marks)
            if unicodedata.normalize("NFD", spelling) == decomposed:
                yield spelling
                for end in range(2, len(spelling)):
                    yield unicodedata.normalize("NFC", spelling[:end]) + spelling[end:]


def _hexadecimal(text: str) -> str:
    return " ".join(f"{ord(character):X}" for character in text)
