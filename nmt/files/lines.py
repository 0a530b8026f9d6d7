"""Text files, decompressed on the fly; a line ends at `\\n` and nowhere else.

A lone `\\r`, U+2028, form feed or NUL is text: Python's own text files would split lines there, and shift every
translation after them.
"""

import bz2
import gzip
import io
import logging
import lzma
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from nmt.errors import NmtError

logger = logging.getLogger("nmt")

T = TypeVar("T")

COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}  # suffixes to ignore: compression is recognized by content
MOST_WARNINGS = 20  # lines of a file whose invalid UTF-8 is reported one by one
_BLOCK = 1 << 16


def open_input(path: Path | None) -> BinaryIO:
    """Open a file to read bytes, decompressing gzip, bzip2, xz and zstd; None or `-` is standard input."""
    if path is None or str(path) == "-":
        return sys.stdin.buffer
    try:
        raw = open(path, "rb")
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file", "check the path") from None
    except IsADirectoryError:
        raise NmtError(f"{path}: is a directory", "name a file") from None
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror}") from None
    return _decompressed(raw, path)


def _decompressed(raw: io.BufferedReader, path: Path) -> BinaryIO:
    start = raw.peek(7)
    if start.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
    if re.match(rb"BZh[1-9](1|\x17)", start):  # a block, or the end of an empty file; "BZh" alone may begin a text
        return cast(BinaryIO, bz2.BZ2File(raw))
    if start.startswith(b"\xfd7zXZ\x00"):
        return cast(BinaryIO, lzma.LZMAFile(raw))
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        try:
            from backports.zstd import ZstdFile  # compression.zstd from Python 3.14 on
        except ImportError:
            raise NmtError(f"{path}: reading .zst requires an extra package", "pip install 'nmt[zstd]'") from None
        return cast(BinaryIO, ZstdFile(raw))
    return raw


def read_lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield lines without their `\\n`, which the last one may lack; NmtError for damaged compressed data."""
    number = 0
    try:
        for number, line in enumerate(stream, start=1):  # noqa: B007
            yield line.removesuffix(b"\n")
    except Exception as error:  # each decompressor has errors of its own
        raise NmtError(f"{name}: cannot read past line {number}: {error}", "is the file complete?") from None


def read_blocks(path: Path) -> Iterator[bytes]:
    """Yield the bytes of a file in blocks; NmtError for damaged compressed data."""
    with open_input(path) as stream:
        try:
            while block := stream.read(_BLOCK):
                yield block
        except Exception as error:  # each decompressor has errors of its own
            raise NmtError(f"{path}: cannot be read to its end: {error}", "is the file complete?") from None


def read_text(path: Path | None, *, strict: bool = False) -> Iterator[str]:
    """Yield the lines of a file; invalid UTF-8 becomes U+FFFD with a warning, or an NmtError when `strict`."""
    name = "standard input" if path is None or str(path) == "-" else str(path)
    invalid = 0
    with open_input(path) as stream:
        for number, line in enumerate(read_lines(stream, name), start=1):
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                where = f"{name}, line {number}: invalid UTF-8 at byte {error.start + 1} (0x{line[error.start]:02x})"
                if strict:
                    hint = "convert the file to UTF-8, for example with iconv, or leave out --strict"
                    raise NmtError(where, hint) from None
                invalid += 1
                if invalid <= MOST_WARNINGS:
                    logger.warning("%s; replaced by U+FFFD", where)
                text = line.decode("utf-8", errors="replace")
            yield text
    if invalid > MOST_WARNINGS:
        logger.warning("%s: invalid UTF-8 in %d lines in all", name, invalid)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield consecutive items, such as lines, in lists of `size`; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
