"""Upper and lower case of text, outside its inline codes.

Subword models know little of text in capitals or Title Case: its pieces are not those of the same words in lower case,
but mostly shorter ones. So it is translated as sentences, and the translation of capitals written in capitals.
"""

import re
from collections.abc import Callable

from nmt.text.inline_codes import find_codes, places_in_codes

_DOTLESS_I = ("tr", "az")  # languages in which I is not the capital of i
_FEWER = 0.9  # of the tokens
_TITLE = 3  # words of a title with a capital, and letters of a word that may have none
_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE_START = re.compile(r"(?:^|[.!?]\s)\W{0,5}\w")


def upper(text: str) -> str:
    """The text in capitals.

    >>> upper("Use %s, ok?")
    'USE %s, OK?'
    """
    return outside_codes(text, str.upper)


def lower(text: str) -> str:
    """The text in lower case."""
    return outside_codes(text, str.lower)


def outside_codes(text: str, change: Callable[[str], str]) -> str:
    """A text changed everywhere but in its inline codes."""
    changed, last = "", 0
    for code in find_codes(text):
        changed += change(text[last : code.start]) + text[code.start : code.end]
        last = code.end
    return changed + change(text[last:])


def fold_case(text: str, count_tokens: Callable[[str], int], language: str | None = None) -> str:
    """A text in capitals or Title Case as sentences, if these have far fewer tokens; any other text as it is.

    The capitals of a folded text are the text, if it was in capitals.

    >>> fold_case("WE SEE. NASA!", len), fold_case("WE SEE. NASA!", lambda text: text.count("E"))
    ('WE SEE. NASA!', 'We see. Nasa!')
    >>> fold_case("GROßE HUNDE", lambda text: text.count("E"))
    'Große hunde'
    """
    if text == text.lower():  # also in scripts without case
        return text
    in_capitals = is_upper(text)
    if not (in_capitals or is_title(text)) or (language or "").lower().split("-")[0] in _DOTLESS_I:
        return text
    hidden = places_in_codes(text)
    folded = _SENTENCE_START.sub(lambda start: start[0] if start.end() - 1 in hidden else start[0].upper(), lower(text))
    if folded == text or (in_capitals and upper(folded) != upper(text)):
        return text
    return folded if count_tokens(folded) <= _FEWER * count_tokens(text) else text


def is_upper(text: str) -> bool:
    """Whether a text is in capitals, but for its inline codes and letters that lack a capital of their own, as ß does.

    >>> is_upper("STRAßE %s"), is_upper("Straße")
    (True, False)
    """
    hidden = places_in_codes(text)
    return all(
        letter == letter.upper() or len(letter.upper()) > 1 or place in hidden for place, letter in enumerate(text)
    )


def is_title(text: str) -> bool:
    """Whether all words of a text without inline codes begin with a capital, but for short ones; three do at least.

    >>> is_title("The Rise and Fall of the Empire"), is_title("The Empire"), is_title("The Rise and fall")
    (True, False, False)
    """
    words = _WORD.findall(text)
    titled = sum(word[0].isupper() for word in words)
    return (
        titled >= _TITLE and all(word[0].isupper() or len(word) < _TITLE + 1 for word in words) and not find_codes(text)
    )
