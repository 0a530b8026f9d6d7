"""Upper and lower case of text, outside its inline codes.

Subword models know little of text in capitals: other pieces than those of the same words in lower case, mostly single
letters. It is translated in lower case, and the translation written in capitals.
"""

import re
from collections.abc import Callable

from nmt.text.inline_codes import find_codes, places_in_codes

_DOTLESS_I = ("tr", "az")  # languages in which I is not the capital of i
_SENTENCE_START = re.compile(r"(?:^|[.!?]\s)\W{0,5}\w")


def upper(text: str) -> str:
    """The text in capitals.

    >>> upper("Use %s, ok?")
    'USE %s, OK?'
    """
    return outside_codes(text, str.upper)


def outside_codes(text: str, change: Callable[[str], str]) -> str:
    """A text changed everywhere but in its inline codes."""
    changed, last = "", 0
    for code in find_codes(text):
        changed += change(text[last : code.start]) + text[code.start : code.end]
        last = code.end
    return changed + change(text[last:])


def fold_capitals(text: str, count_tokens: Callable[[str], int], language: str | None = None) -> str:
    """A text in capitals as sentences, if these have fewer tokens; any other text, and what would be lost, as it is.

    >>> fold_capitals("WE SEE. NASA!", len), fold_capitals("WE SEE. NASA!", lambda text: text.count("E"))
    ('WE SEE. NASA!', 'We see. Nasa!')
    """
    if upper(text) != text or (language or "").lower().split("-")[0] in _DOTLESS_I:
        return text
    hidden = places_in_codes(text)
    folded = _SENTENCE_START.sub(
        lambda start: start[0] if start.end() - 1 in hidden else start[0].upper(), outside_codes(text, str.lower)
    )
    return folded if upper(folded) == text and count_tokens(folded) < count_tokens(text) else text
