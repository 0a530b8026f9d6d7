"""Text as it was meant: characters in one normal form, and such as were read in a wrong encoding read again.

UTF-8 that was read as Windows-1252 or Latin-1 shows two or three odd characters for each that is no ASCII: "Ã¼" for
"ü". Writing them in the wrong encoding gives the bytes back. Whatever is not valid UTF-8 then was meant as it stands.
"""

import re
import unicodedata

_C1 = {byte: chr(byte) for byte in range(0x80, 0xA0)}
_FROM_1252 = {byte: bytes([byte]).decode("cp1252", errors="ignore") or _C1[byte] for byte in range(0x80, 0xA0)}
_BYTE_OF = {character: byte for byte, character in _FROM_1252.items()} | {
    chr(byte): byte for byte in range(0x80, 0x100)
}
_LEAD = "\u00c2-\u00f4"  # the first byte of a character in UTF-8, as Latin-1 shows it
_REST = "".join(re.escape(character) for character, byte in _BYTE_OF.items() if byte < 0xC0)
_MOJIBAKE = re.compile(f"[{_LEAD}][{_REST}]+")
_QUOTES = str.maketrans(
    {**dict.fromkeys("‘’‚‛′", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―", "-"), "…": "..."}
)
_TIMES = 4


def repaired(text: str) -> str:
    """Text with what was read in a wrong encoding, even several times over, read again.

    >>> repaired("fÃ¼r"), repaired("fÃƒÂ¼r"), repaired("CÂ° für Â«Ärger»")
    ('für', 'für', 'C° für «Ärger»')
    """
    if text.isascii():
        return text
    for _ in range(_TIMES):
        again = _MOJIBAKE.sub(_read_again, text)
        if again == text:
            break
        text = again
    return text


def _read_again(found: re.Match[str]) -> str:
    try:
        return bytes(_BYTE_OF[character] for character in found[0]).decode("utf-8")
    except UnicodeDecodeError:
        return found[0]


def normalised(text: str, form: str) -> str:
    """Text in a normal form of Unicode: nfc, nfkc, or none, as it stands.

    >>> normalised("e\\u0301", "nfc"), normalised("ﬁ", "nfkc")
    ('é', 'fi')
    """
    match form:
        case "nfc":
            return unicodedata.normalize("NFC", text)
        case "nfkc":
            return unicodedata.normalize("NFKC", text)
    return text


def plain_quotes(text: str) -> str:
    """Text with straight quotation marks, hyphens for all dashes, and three dots for an ellipsis.

    >>> plain_quotes("„Ja“ – nein…")
    '"Ja" - nein...'
    """
    return text.translate(_QUOTES)
