"""Keyboard accelerators: the mark in "&Open" or "_Open" before the letter that chooses a menu's entry."""

import re
from collections.abc import Callable
from functools import partial

from nmt.text.inline_codes import places_in_codes
from nmt.text.sentences import writes_without_spaces

_ACCELERATORS = {
    "&": re.compile(r"(?<![^\W_])&(?=\w)(?!\w+;)|(?<=\w)&(?=[a-z])(?!\w+;)"),  # E&xit, but not R&D
    "_": re.compile(r"_(?=[^\W_])"),
    "~": re.compile(r"~(?=\w)"),
}
_APPENDED = re.compile(r" ?\([&_~]\w\)")  # the accelerator of a language without Latin letters: 열기(&O)
_BEFORE_WORD = re.compile(r"""(?<![^\s("'“„«>])[&_~](?=[^\W_])""")
_WITHIN_WORD = re.compile(r"(?<![^\W_])[A-Z][a-z]*[&_~](?=[a-z])")  # E_xit, but not file_name
_LABEL = re.compile(r"~.*|[&_~]?[A-Z][\w&_~]*(?: [&_~]?[^\W\d][\w&_~]*){0,3}\W*")


def pair_without_accelerators(message: str, translation: str) -> tuple[str, str]:
    """Remove the mark of a keyboard accelerator from both sides, if the message has one.

    >>> pair_without_accelerators("&Open file", "Datei &öffnen"), pair_without_accelerators("_Open", "열기(_O)")
    (('Open file', 'Datei öffnen'), ('Open', '열기'))
    >>> pair_without_accelerators("R&D report", "F&E-Bericht"), pair_without_accelerators("E&xit", "~Beenden")
    (('R&D report', 'F&E-Bericht'), ('Exit', '~Beenden'))
    >>> pair_without_accelerators("R&D", "R&D"), pair_without_accelerators("file_name", "Name: file_name")
    (('R&D', 'R&D'), ('file_name', 'Name: file_name'))
    """
    for mark, pattern in _ACCELERATORS.items():
        if mark not in message or len(pattern.findall(message)) != 1:
            continue
        marked = next(word for word in message.split() if pattern.search(word))
        if marked in translation.split():  # a name, the same on both sides
            continue
        if _APPENDED.search(translation):
            return pattern.sub("", message), _APPENDED.sub("", translation)
        if len(pattern.findall(translation)) == 1:
            return pattern.sub("", message), pattern.sub("", translation)
        if mark == "&" and mark not in translation:
            return pattern.sub("", message), translation
    return message, translation


def take_accelerator(message: str) -> tuple[str, Callable[[str], str]]:
    """A message without its accelerator, if it has one, and what marks a letter in its translation: the same if it can.

    >>> [mark(text) for message, text in (("&Save", "Alles sichern"), ("E_xit", "Beenden"), ("_Open...", "열기..."))
    ...  for _, mark in [take_accelerator(message)]]
    ['Alles &sichern', '_Beenden', '열기(_O)...']
    """
    hidden = places_in_codes(message)
    for mark in _ACCELERATORS:
        places = [place for place, character in enumerate(message) if character == mark and place not in hidden]
        if len(places) != 1:
            continue
        place, letter = places[0], message[places[0] + 1 :][:1]
        ends = [match.end() for pattern in (_BEFORE_WORD, _WITHIN_WORD) for match in pattern.finditer(message)]
        is_label = _LABEL.fullmatch(message) is not None
        if place + 1 in ends and (is_label or (mark != "~" and _BEFORE_WORD.match(message, place))):
            return message[:place] + message[place + 1 :], partial(_marked, mark=mark, letter=letter)
    return message, lambda translation: translation


def _marked(translation: str, mark: str, letter: str) -> str:
    """A translation with an accelerator: before the letter, a word that begins with it or the first letter."""
    hidden = places_in_codes(translation)
    free = [
        place
        for place, character in enumerate(translation.partition("\t")[0])  # a shortcut may follow
        if character.isalnum() and place not in hidden
    ]
    same = [place for place in free if translation[place].casefold() == letter.casefold()]
    initial = [place for place in free if not translation[place - 1 : place].isalnum()]
    places = [*(place for place in same if place in initial), *same, *initial]
    if places and not (writes_without_spaces(translation[places[0]]) or "가" <= translation[places[0]] <= "힣"):
        return translation[: places[0]] + mark + translation[places[0] :]
    end = len(translation.rstrip(".…: \n"))
    return f"{translation[:end]}({mark}{letter.upper()}){translation[end:]}"
