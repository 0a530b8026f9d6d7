"""Cutting a line into sentences, and what is longer than a model can read: at spaces, else anywhere.

A model that was trained on sentences translates the first one of a paragraph and forgets the others, so a line that is
cut at all is cut at the end of each sentence.
"""

import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import NamedTuple

_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])(?<!\b\w\.)(?<!\b\d\d\.)[\"'”’»)\]]*\s+|(?<=[。！？])")
"""Not behind an initial, as in z. B., or a day, as in 24. Mai."""
_SPACE = re.compile(r"\s+")
WITHOUT_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
"""Characters of scripts that write without spaces, as a regular expression has them between brackets."""
_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")


_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")


class Part(NamedTuple):
    """A piece of a line, with the white space between the one before it and itself."""

    gap: str
    text: str


def writes_without_spaces(character: str) -> bool:
    """Whether a character is of a script without spaces: Thai, Lao, Burmese, Khmer, Chinese, Japanese."""
    return bool(_WITHOUT_SPACES.match(character))


def folded(text: str) -> str:
    """Text as words are compared: in lower case, with one space between them."""
    return " ".join(text.split()).casefold()


def visible(text: str) -> str:
    """Text with a picture in place of each control character: in a terminal these could do anything.

    >>> visible("red: \\x1b[31m")
    'red: ␛[31m'
    """
    return _CONTROLS.sub(lambda found: chr(0x2400 + ord(found[0])) if found[0] < " " else "␡", text)


def fit(line: str, fits: Callable[[str], bool], *, split: bool = False) -> list[Part]:
    """Parts of a line that each fit: its sentences, and what is longer cut again; no text is lost between them.

    A line that fits is left whole, unless it is to be `split` even so.

    >>> fit("One two. Three four five!", lambda part: len(part) <= 12)
    [Part(gap='', text='One two.'), Part(gap=' ', text='Three four'), Part(gap=' ', text='five!')]
    """
    if not split and fits(line):
        return _parts([line])
    return _parts(piece for sentence in _pieces(line, _SENTENCE_END) for piece in _fit_sentence(sentence, fits))


def join(parts: Iterable[tuple[str, str]]) -> str:
    """The translations of a line's parts as one line, each given with the gap before it.

    The white space of the source stays. Where it had none, a space goes between words, but not beside a character of a
    script without spaces.

    >>> join([("", "One."), ("  ", "Two."), ("", "Three.")]), join([("", "今日は。"), ("", "晴れです。")])
    ('One.  Two. Three.', '今日は。晴れです。')
    """
    line = ""
    for gap, text in parts:
        if line and text and not gap and not (writes_without_spaces(line[-1]) or writes_without_spaces(text[0])):
            gap = " "
        line += (gap if line else "") + text
    return line


def _fit_sentence(sentence: str, fits: Callable[[str], bool]) -> list[str]:
    """A sentence in as few pieces as fit, cut at spaces or, within a word, in the middle."""
    if fits(sentence.strip()) or len(sentence) < 2:
        return [sentence]
    words = _pieces(sentence, _SPACE)
    if len(words) > 1:
        return [piece for merged in _merge(words, fits) for piece in _fit_sentence(merged, fits)]
    middle = len(sentence) // 2
    return _fit_sentence(sentence[:middle], fits) + _fit_sentence(sentence[middle:], fits)


def _parts(pieces: Iterable[str]) -> list[Part]:
    """Pieces with the white space at their ends made gaps between them; that at the line's ends goes."""
    parts: list[Part] = []
    gap = ""
    for piece in pieces:
        text = piece.strip()
        if text:
            lead, trail = piece[: len(piece) - len(piece.lstrip())], piece[len(piece.rstrip()) :]
            parts.append(Part(gap + lead, text))
            gap = trail
        else:
            gap += piece
    return parts


def _pieces(line: str, boundary: re.Pattern[str]) -> list[str]:
    """The line cut behind each match of `boundary`, white space at the cuts left in place."""
    cuts = [0, *(match.end() for match in boundary.finditer(line) if 0 < match.end() < len(line)), len(line)]
    return [line[start:end] for start, end in pairwise(cuts)]


def _merge(pieces: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Join neighbours as long as they fit together (one piece alone may not), so that parts are few."""
    merged = [pieces[0]]
    for piece in pieces[1:]:
        if fits((merged[-1] + piece).strip()):
            merged[-1] += piece
        else:
            merged.append(piece)
    return merged
