"""Encoding repair, Unicode normal forms, and plain quotes.

UTF-8 that was decoded as Windows-1252 or another encoding of one byte a character (mojibake) has two to four odd
characters for each that is not ASCII: "Ã¼" for "ü". ftfy recognizes it, and leaves text that merely looks like it.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import chain, takewhile
from operator import eq

_ENCODINGS = ("latin-1", "cp1252", "cp1250", "cp1251", "cp1253")
_OPENING, _CLOSING, _AFTER_SPACE = {*"„“«‚‘‹"}, {*"“”»‘’›"}, {*";:!?»–%"}
_PAIRED = re.compile("[“”„«»]")
_CONTEXT, _LONGEST = 6, 60  # characters of an excerpt: around what differs, and in all
_QUOTES = str.maketrans(
    {**dict.fromkeys("‘’‚‛′", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―", "-"), "…": "..."}
)


def _characters(encoding: str, first: int, last: int) -> str:
    """The characters of some bytes, for a character class of a regular expression."""
    return re.escape(bytes(range(first, last)).decode(encoding, "ignore"))


def _sequences(encoding: str) -> Iterator[str]:
    """Patterns of what characters in UTF-8 look like in an encoding: a first byte, and one to three more."""
    rest = f"[{_characters(encoding, 0x80, 0xC0)}]"
    for first, last, length in ((0xC2, 0xE0, 1), (0xE0, 0xF0, 2), (0xF0, 0xF5, 3)):
        yield f"[{_characters(encoding, first, last)}]{rest}{{{length}}}"


_MOJIBAKE = re.compile("|".join(["Ã ", *chain.from_iterable(map(_sequences, _ENCODINGS))]))
_FIRST, _REST = (
    "".join(_characters(encoding, *bounds) for encoding in _ENCODINGS) for bounds in ((0xC2, 0xF5), (0x80, 0xC0))
)
_MOJIBAKE_END = re.compile(f"(?:{_MOJIBAKE.pattern})$")
_BEGINS = re.compile(f"[{_FIRST}][{_REST}]")  # faster


def repair_encoding(text: str) -> str:
    """Undo decoding with the wrong encoding (mojibake), even when it happened several times.

    >>> repair_encoding("fÃ¼r"), repair_encoding("5 â‚¬ fÃƒÂ¼r Â«ÄrgerÂ»"), repair_encoding("„Spaß“ … «É»")
    ('für', '5 € für «Ärger»', '„Spaß“ … «É»')
    """
    if text.isascii() or not (("Ã " in text or _BEGINS.search(text)) and any(map(_is_odd, _MOJIBAKE.finditer(text)))):
        return text
    from ftfy import fix_encoding  # slow to import, and seldom needed

    repaired = fix_encoding(text)
    return text if _pairs_quotes(text) and not _pairs_quotes(repaired) else repaired  # “AMANHÃ” stays


def _is_odd(sequence: re.Match[str]) -> bool:
    """Whether correct text would hardly have a sequence.

    It may have a letter in quotation marks, “Â”, or before a no-break space, words in capitals such as IRMÃ², signs as
    in Å³ or 3×², and a letter of another script only beside another sequence.
    """
    text, (first, rest) = sequence.string, (sequence[0][0], sequence[0][1:])
    before, after = text[: sequence.start()][-1:], text[sequence.end() :][:1]
    if (before in _OPENING and rest in _CLOSING) or (rest == "\xa0" and (first not in "ÂÃ" or after in _AFTER_SPACE)):
        return False
    character = next(filter(None, (_decoded(first + rest, encoding) for encoding in _ENCODINGS)), "à")
    if unicodedata.category(character)[0] in "LM" and "LATIN" not in unicodedata.name(character, ""):
        return bool(_MOJIBAKE.match(text, sequence.end()) or _MOJIBAKE_END.search(text, 0, sequence.start()))
    if before.isupper() or (character.isupper() and rest in _CLOSING):
        return character.isupper() and after.isalpha()
    if first == "Å" and not (before.isalpha() or after.isalpha()):
        return False
    return character.isprintable() or character == "\xa0"


def _decoded(sequence: str, encoding: str) -> str:
    try:
        return sequence.encode(encoding).decode()
    except UnicodeError:
        return ""


def _pairs_quotes(text: str) -> bool:
    return len(_PAIRED.findall(text)) % 2 == 0


def excerpt_of_repair(before: str, after: str) -> str:
    """Where a repair changed a text, with some context.

    >>> excerpt_of_repair("eine Tür, die fÃ¼r immer schlieÃŸt", "eine Tür, die für immer schließt")
    '… die fÃ¼r immer schlieÃŸt -> … die für immer schließt'
    """
    start = _common_prefix(before, after)
    end = _common_prefix(before[start:][::-1], after[start:][::-1])
    start, end = max(0, start - _CONTEXT), max(0, end - _CONTEXT)
    lead, trail = "…" if start else "", "…" if end else ""
    parts = (lead + text[start : len(text) - end][:_LONGEST] + trail for text in (before, after))
    return " -> ".join(parts)


def _common_prefix(first: str, second: str) -> int:
    return sum(1 for _ in takewhile(bool, map(eq, first, second)))


def normalize_unicode(text: str, form: str) -> str:
    """Convert text to a Unicode normal form: nfc, nfkc, or none to leave it.

    >>> normalize_unicode("e\\u0301", "nfc"), normalize_unicode("ﬁ", "nfkc")
    ('é', 'fi')
    """
    return text if form == "none" else unicodedata.normalize("NFC" if form == "nfc" else "NFKC", text)


def plain_quotes(text: str) -> str:
    """Replace typographic quotation marks, dashes and ellipses by ASCII ones.

    >>> plain_quotes("„Ja“ – nein…")
    '"Ja" - nein...'
    """
    return text.translate(_QUOTES)
