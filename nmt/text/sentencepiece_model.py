"""SentencePiece's protocol buffers: model files, models of others made to fit, and where the pieces of a text begin.

The protobuf package would read them, but its code in the sentencepiece package needs the very version it was made with.
"""

import struct
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from nmt.errors import NmtError

CONTROL = ("<pad>", "<unk>", "<s>", "</s>")
"""The control symbols, whose tokens are 0 to 3 in every tokenizer."""

_PIECE, _TRAINING, _NORMALIZATION = 1, 2, 3  # fields of a model
_TEXT, _SCORE, _TYPE = 1, 2, 3  # fields of a piece
NORMAL, _UNKNOWN, _CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5  # kinds of pieces
NOT_LEARNED = (_UNKNOWN, _CONTROL, UNUSED)
_IDS, _NAMES = (43, 40, 41, 42), (48, 45, 46, 47)  # fields of the training settings, in the order of CONTROL
_PIECES, _BEGIN, _PIECE_END = 2, 4, 5  # fields of a segmented text, and of its pieces
_RULES_FILE = 6  # field of the normalization: the file that its rules were read from


class Field(NamedTuple):
    """A field of a message: its number, its value, and its encoding."""

    number: int
    value: bytes | int
    encoded: bytes


def fields(message: bytes) -> Iterator[Field]:
    """The fields of a message in order; IndexError or ValueError where it is damaged."""
    position = 0
    while position < len(message):
        start = position
        key, position = _varint(message, position)
        match key & 7:
            case 0:
                value, position = _varint(message, position)
                yield Field(key >> 3, value, message[start:position])
                continue
            case 1 | 5 as kind:
                length = 8 if kind == 1 else 4
            case 2:
                length, position = _varint(message, position)
            case kind:
                raise ValueError(f"a field of type {kind}")
        position += length
        if position > len(message):
            raise ValueError("a field that is cut off")
        yield Field(key >> 3, message[position - length : position], message[start:position])


def encode_field(number: int, value: bytes | int) -> bytes:
    """A field with a number or with bytes."""
    if isinstance(value, int):
        return _encode_varint(number << 3) + _encode_varint(value)
    return _encode_varint(number << 3 | 2) + _encode_varint(len(value)) + value


def piece_offsets(segmented: bytes) -> list[int]:
    """The last byte of each piece in the text as given: the first ones may be of white space and what is removed."""
    pieces = (field.value for field in fields(segmented) if field.number == _PIECES)
    spans = (
        {item.number: int(item.value) for item in fields(bytes(piece)) if item.number >= _BEGIN} for piece in pieces
    )
    return [max(span.get(_BEGIN, 0), span.get(_PIECE_END, 0) - 1) for span in spans]


def without_rules_file(model: bytes) -> bytes:
    """A model without the path of the file that its normalization rules were read from."""
    parts = []
    for field in fields(model):
        if field.number == _NORMALIZATION and isinstance(field.value, bytes):
            kept = b"".join(item.encoded for item in fields(field.value) if item.number != _RULES_FILE)
            parts.append(encode_field(_NORMALIZATION, kept))
        else:
            parts.append(field.encoded)
    return b"".join(parts)


class Piece(NamedTuple):
    """A piece of a vocabulary."""

    text: str
    score: float = 0.0
    kind: int = NORMAL


def read_pieces(model: bytes) -> list[Piece]:
    """The pieces of a model in order; IndexError, KeyError or ValueError where it is damaged."""
    pieces = []
    for field in fields(model):
        if field.number == _PIECE:
            piece = {item.number: item.value for item in fields(bytes(field.value))}
            (score,) = struct.unpack("<f", bytes(piece.get(_SCORE, bytes(4))))
            pieces.append(Piece(bytes(piece[_TEXT]).decode(), score, int(piece.get(_TYPE, NORMAL))))
    return pieces


def with_pieces(model: bytes, pieces: Iterable[Piece]) -> bytes:
    """A model with these pieces, not its own, after the control symbols of nmt, which have the tokens 0 to 3."""
    control = (Piece(symbol, kind=_UNKNOWN if symbol == "<unk>" else _CONTROL) for symbol in CONTROL)
    parts = [encode_field(_PIECE, _encode_piece(piece)) for piece in chain(control, pieces)]
    for field in fields(model):
        if field.number == _TRAINING and isinstance(field.value, bytes):
            settings = [item.encoded for item in fields(field.value) if item.number not in _IDS + _NAMES]
            settings += [encode_field(number, token) for token, number in enumerate(_IDS)]
            settings += [encode_field(number, symbol.encode()) for number, symbol in zip(_NAMES, CONTROL, strict=True)]
            parts.append(encode_field(_TRAINING, b"".join(settings)))
        elif field.number != _PIECE:
            parts.append(field.encoded)
    return b"".join(parts)


def with_control_symbols_first(model: bytes, name: str) -> bytes:
    """A model whose control symbols are those of nmt, with tokens 0 to 3; it segments text as before.

    Other pieces keep their order, so only their tokens change. Raises NmtError, which begins with `name`, where an
    ordinary piece is spelled as a control symbol.
    """
    names, pieces = _names(model), []
    for piece in read_pieces(model):
        is_named = piece.text.encode() in names
        if piece.kind == _UNKNOWN or (piece.kind != NORMAL and is_named):
            continue
        if is_named:
            raise NmtError(f"{name}: the piece {piece.text!r} is an ordinary one", "nmt needs it as a control symbol")
        pieces.append(piece)
    return with_pieces(model, pieces)


def _encode_piece(piece: Piece) -> bytes:
    score = bytes([_SCORE << 3 | 5]) + struct.pack("<f", piece.score)
    return encode_field(_TEXT, piece.text.encode()) + score + encode_field(_TYPE, piece.kind)


def _names(model: bytes) -> set[bytes | int]:
    """The names of control symbols, in nmt and in the model."""
    training = next((field.value for field in fields(model) if field.number == _TRAINING), b"")
    own = {item.value for item in fields(bytes(training)) if item.number in _NAMES}
    return own | {symbol.encode() for symbol in CONTROL}


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
