"""Split a line into sentences, and further where a sentence is too long for the model; join their translations.

A model trained on sentences translates the first one of a paragraph and forgets the others, so a line that is split at
all is split at the end of each sentence.
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])(?<!\b\w\.)(?<!\b\d\d\.)[\"'”’»)\]]*\s+|(?<=[。！？])")
"""Not after an initial, as in z. B., or a day, as in 24. Mai."""

_SPACE = re.compile(r"\s+")

WITHOUT_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
"""Characters of scripts written without spaces, for a character class of a regular expression."""

_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")


class Part(NamedTuple):
    """A part of a line, and the white space before it."""

    gap: str
    text: str


def writes_without_spaces(character: str) -> bool:
    """Whether a character's script has no spaces: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""
    return bool(_WITHOUT_SPACES.match(character))


def casefold_words(text: str) -> str:
    """Text for comparison by words: in lower case, with single spaces."""
    return " ".join(text.split()).casefold()


def split_to_fit(line: str, fits: Callable[[str], bool], *, split: bool = False) -> list[Part]:
    """Split a line into parts that fit: at sentence ends, then at spaces, then anywhere; no text is lost.

    A line that fits stays whole, unless `split` demands sentences.

    >>> split_to_fit("One two. Three four five!", lambda part: len(part) <= 12)
    [Part(gap='', text='One two.'), Part(gap=' ', text='Three four'), Part(gap=' ', text='five!')]
    """
    if not split and fits(line):
        return _parts([line])
    return _parts(piece for sentence in _split_after(line, _SENTENCE_END) for piece in _fit_sentence(sentence, fits))


def join_parts(parts: Iterable[tuple[str, str]]) -> str:
    """Join the translations of a line's parts, each given with the gap before it.

    The white space of the source stays. Where it has none, a space separates words, except beside a script without
    spaces.

    >>> join_parts([("", "One."), ("  ", "Two."), ("", "Three.")]), join_parts([("", "今日は。"), ("", "晴れです。")])
    ('One.  Two. Three.', '今日は。晴れです。')
    """
    line = ""
    for gap, text in parts:
        if line and text and not gap and not (writes_without_spaces(line[-1]) or writes_without_spaces(text[0])):
            gap = " "
        line += (gap if line else "") + text
    return line


def _fit_sentence(sentence: str, fits: Callable[[str], bool]) -> list[str]:
    """Split a sentence into as few pieces as fit: at spaces or, within a word, in the middle."""
    if fits(sentence.strip()) or len(sentence) < 2:
        return [sentence]
    words = _split_after(sentence, _SPACE)
    if len(words) > 1:
        return [piece for merged in _merge(words, fits) for piece in _fit_sentence(merged, fits)]
    middle = len(sentence) // 2
    return _fit_sentence(sentence[:middle], fits) + _fit_sentence(sentence[middle:], fits)


def _parts(pieces: Iterable[str]) -> list[Part]:
    """Turn the white space around pieces into gaps, and drop that at the ends of the line."""
    parts: list[Part] = []
    gap = ""
    for piece in pieces:
        if text := piece.strip():
            lead, _, trail = piece.partition(text)
            parts.append(Part(gap + lead, text))
            gap = trail
        else:
            gap += piece
    return parts


def _split_after(line: str, boundary: re.Pattern[str]) -> list[str]:
    """Split a line after each match of `boundary`; nothing is removed."""
    ends = [0, *(match.end() for match in boundary.finditer(line) if 0 < match.end() < len(line)), len(line)]
    return [line[start:end] for start, end in pairwise(ends)]


def _merge(pieces: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Join neighbours as long as they fit together; a single piece may not fit."""
    merged = [pieces[0]]
    for piece in pieces[1:]:
        if fits((merged[-1] + piece).strip()):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged
