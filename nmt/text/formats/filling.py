"""Files filled in place: what to translate in a document, and the edits that put the translations there.

Every byte outside the edits stays as it is.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

Edit = tuple[int, int, bytes]
"""The bytes from a first offset to a second one, and what replaces them."""


class Slot(NamedTuple):
    """A place for translations in a document."""

    line: int  # of the file
    texts: list[str]  # to translate, one or, with plurals, two
    fill: Callable[[Sequence[str]], list[Edit]]  # takes their translations; UnicodeError where the charset lacks some
    written: Callable[[str], str] = str  # a text as the document has it


def apply(data: bytes, edits: Iterable[Edit]) -> bytes:
    """A document after edits, which do not overlap.

    >>> apply(b"a-c", [(1, 2, b"b"), (3, 3, b"d")])
    b'abcd'
    """
    parts, last = list[bytes](), 0
    for start, end, replacement in sorted(edits):
        parts += [data[last:start], replacement]
        last = end
    return b"".join([*parts, data[last:]])
