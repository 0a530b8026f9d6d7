"""A sentence and its translation, as every format gives them."""

import re
from typing import NamedTuple

_LINE_ENDS = re.compile(r"[ \t]*[\r\n]+[ \t]*")


class SentencePair(NamedTuple):
    """A source sentence, its translation, and the line on which they stand or begin."""

    source: str
    target: str
    line: int


def one_line(text: str) -> str:
    """Text of a format in which a line may end anywhere, as one line.

    >>> one_line("  Save\\n\\tas ")
    'Save as'
    """
    return _LINE_ENDS.sub(" ", text).strip(" \t") if "\n" in text or "\r" in text else text
