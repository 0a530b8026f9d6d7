"""Encoding repair, Unicode normal forms, and plain quotes.

UTF-8 that was decoded as Windows-1252 or Latin-1 has two to four odd characters for each that is not ASCII: "Ã¼" for
"ü". Encoding them again gives the original bytes. Text whose bytes are not valid UTF-8 was meant as it is.
"""

import re
import unicodedata

_C1 = range(0x80, 0xA0)  # the bytes that differ in Windows-1252, which leaves some undefined
_BYTE_OF = {bytes([byte]).decode("cp1252", errors="ignore") or chr(byte): byte for byte in _C1}
_BYTE_OF |= {chr(byte): byte for byte in range(0x80, 0x100)}
_LEAD = "\u00c2-\u00f4"  # the first byte of a character in UTF-8, as Latin-1
_REST = "".join(re.escape(character) for character, byte in _BYTE_OF.items() if byte < 0xC0)
_MOJIBAKE = re.compile(f"[{_LEAD}][{_REST}]+")
_QUOTES = str.maketrans(
    {**dict.fromkeys("‘’‚‛′", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―", "-"), "…": "..."}
)
_MOST_ROUNDS = 4


def repair_encoding(text: str) -> str:
    """Undo decoding with the wrong encoding (mojibake), even when it happened several times.

    >>> repair_encoding("fÃ¼r"), repair_encoding("fÃƒÂ¼r"), repair_encoding("CÂ° für Â«Ärger»")
    ('für', 'für', 'C° für «Ärger»')
    """
    if text.isascii():
        return text
    for _ in range(_MOST_ROUNDS):
        repaired = _MOJIBAKE.sub(_decode_again, text)
        if repaired == text:
            break
        text = repaired
    return text


def _decode_again(match: re.Match[str]) -> str:
    try:
        return bytes(_BYTE_OF[character] for character in match[0]).decode("utf-8")
    except UnicodeDecodeError:
        return match[0]


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
