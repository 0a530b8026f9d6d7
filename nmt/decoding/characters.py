"""The characters that tokens write: well-formed UTF-8, no control characters, and at least one before END.

Byte pieces, `<0x00>` to `<0xFF>`, spell characters that the vocabulary lacks, but can spell anything. An automaton over
the tokens of a hypothesis knows which of them can follow.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from nmt.text.control_characters import CONTROL
from nmt.text.tokenizer import BEGIN, END, PAD, Tokenizer

_COMPLETE, _START, _LEAD = 0, 3, 4
"""States after a whole character, before any, and after the first byte 0xC2, ...; 1 and 2 await as many bytes."""

_UNFINISHED = 3  # tokens of the longest unfinished character


class Characters:
    """The automaton of a vocabulary."""

    def __init__(self, pieces: Sequence[str], *, empty: bool = False) -> None:
        """`pieces` is the target vocabulary, in order of its tokens; `empty` is whether END may come first."""
        token_of = {piece: token for token, piece in enumerate(pieces)}
        byte = np.array([token for byte in range(256) if (token := token_of.get(f"<0x{byte:02X}>"))])
        blank = [
            token for token, piece in enumerate(pieces) if token in (PAD, BEGIN) or not piece.replace("▁", "").strip()
        ]
        following = np.full((_LEAD + 0x33, len(pieces)), -1, dtype=np.int8)
        following[_COMPLETE] = [-1 if CONTROL.search(piece) else _COMPLETE for piece in pieces]
        if len(byte) == 256:
            following[_COMPLETE, [*byte[:0x20], *byte[0x7F:]]] = -1
            following[1, byte[0x80:0xC0]], following[2, byte[0x80:0xC0]] = _COMPLETE, 1
            for lead in range(0xC2, 0xF5):
                state, more = _LEAD + lead - 0xC2, (lead >= 0xE0) + (lead >= 0xF0)
                following[_COMPLETE, byte[lead]] = state
                for second in range(0x80, 0xC0):
                    character = bytes([lead, second, *[0x80] * more]).decode(errors="ignore")
                    if character and not CONTROL.search(character):
                        following[state, byte[second]] = more
            blank.append(byte[0x20])
        following[_START] = following[_COMPLETE]
        following[_START, blank], following[_START, END] = _START, _COMPLETE if empty else -1
        self.following = following  # the next state, by state and token; -1 if it cannot follow
        self.impossible = np.flatnonzero(following[_COMPLETE] < 0)  # tokens that cannot follow a whole character

    def states(self, tokens: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """The states of hypotheses [batch, beam], given their tokens [batch, beam, length], which may be forced."""
        length = tokens.shape[2]
        states = np.full(tokens.shape[:2], _COMPLETE if length > _UNFINISHED else _START)
        if length <= _UNFINISHED or self.following[_COMPLETE][tokens[:, :, -1]].any():
            for newest in tokens[:, :, -_UNFINISHED:].transpose(2, 0, 1):
                states = self.following[states, newest].clip(_COMPLETE)
        return states

    def is_blank(self, tokens: Sequence[int]) -> bool:
        """Whether tokens write no character, but for spaces."""
        state = _START
        for token in tokens:
            state = int(self.following[state, token])
        return state == _START

    def clean(self, text: str, tokens: Sequence[int]) -> str:
        """The text of tokens, without what cannot follow: other engines write it, and a maximum length cuts."""
        if "\ufffd" not in text and not CONTROL.search(text):
            return text
        state = _COMPLETE
        for token in tokens:
            state = int(self.following[state, token]) if state >= 0 else state
        return text if state == _COMPLETE else CONTROL.sub(" ", text.replace("\ufffd", ""))


@lru_cache(maxsize=4)
def characters_of(tokenizer: Tokenizer, *, empty: bool) -> Characters:
    """The automaton of a tokenizer's vocabulary, which takes milliseconds to make."""
    return Characters(tokenizer.vocabulary(), empty=empty)
