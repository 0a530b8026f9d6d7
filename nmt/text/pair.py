"""A sentence pair, as the readers of all formats yield it."""

import re
from typing import NamedTuple

Languages = tuple[str | None, str | None]
"""Language codes of source and target; None: unknown."""

_LINE_ENDS = re.compile(r"[ \t]*[\r\n]+[ \t]*")


class SentencePair(NamedTuple):
    """A source sentence, its translation, and the line where the pair begins."""

    source: str
    target: str
    line: int


def one_line(text: str) -> str:
    """Join the lines of a text whose line breaks have no meaning.

    >>> one_line("  Save\\n\\tas ")
    'Save as'
    """
    return _LINE_ENDS.sub(" ", text).strip(" \t") if "\n" in text or "\r" in text else text
