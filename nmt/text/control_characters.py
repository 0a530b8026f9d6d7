"""Control characters: a sign of broken text, and dangerous to terminals."""

import re

CONTROL = re.compile("[\0-\x1f\x7f-\x9f]")
_BROKEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_BROKEN_BYTES = bytes({*range(0x20), 0x7F} - set(b"\t\n\r"))


def has_controls(text: str) -> bool:
    """Whether text holds control characters (except tab and newline), byte order marks or noncharacters."""
    return not text.isprintable() and _BROKEN.search(text) is not None


def has_control_bytes(line: bytes) -> bool:
    """Whether an undecoded line holds ASCII control characters (except tab and line ends)."""
    return len(line.translate(None, _BROKEN_BYTES)) < len(line)


def visible(text: str, keep: str = "") -> str:
    """Replace control characters, except those to keep, by their pictures: text must not control the terminal.

    >>> visible("red: \\x1b[31m")
    'red: ␛[31m'
    """
    pictures = {ord(char): ord(char) + 0x2400 if char < " " else "␡" for char in {*CONTROL.findall(text)} - {*keep}}
    return text.translate(pictures) if pictures else text
