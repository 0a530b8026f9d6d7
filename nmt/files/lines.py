"""Text files, decompressed on the fly; a line ends at `\\n` and nowhere else.

A lone `\\r`, U+2028, form feed or NUL is text: Python's own text files would split lines there, and shift every
translation after them.
"""

import bz2
import codecs
import gzip
import io
import logging
import lzma
import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar, cast

from nmt.errors import NmtError, counted
from nmt.files.encodings import likely_encoding

logger = logging.getLogger("nmt")

T = TypeVar("T")

COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}  # suffixes to ignore: compression is recognized by content
STDIN = Path("-")
MOST_WARNINGS = 5  # lines of a file whose invalid UTF-8 is reported one by one, where its encoding is unknown
_BLOCK = 1 << 16
_SIGNATURE = 6  # bytes that begin a compressed file; none of them is a newline
_UNPACK = "unpack it, and give the files that are in it"

_ahead: dict[object, BinaryIO] = {}
"""What `read_start` opened and `open_input` continues: pipes by their paths, standard input by its file object."""


class _Rest(io.RawIOBase):
    """A stream that begins with the bytes that were read from it already."""

    def __init__(self, start: bytes, stream: Any) -> None:
        self.start, self.stream = start, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what is there, at least a byte, so that no line waits for the next one."""
        data = self.start[: len(buffer)] or self.stream.read1(len(buffer))
        self.start = self.start[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.stream.close()
        super().close()


def name_of(path: Path | None) -> str:
    """The name of a file in messages."""
    return "standard input" if path in (None, STDIN) else str(path)


def open_input(path: Path | None) -> BinaryIO:
    """Open a file to read bytes, decompressing gzip, bzip2, xz and zstd; None or `-` is standard input."""
    path, name = path or STDIN, name_of(path)
    if path == STDIN and (sys.stdin is None or sys.stdin.closed or not sys.stdin.readable()):
        raise NmtError("standard input is closed, or was read already", "give a file, or send text with <")
    if opened := _ahead.pop(sys.stdin if path == STDIN else path, None):
        return opened
    try:
        return _decompressed(sys.stdin.buffer if path == STDIN else open(path, "rb"), name)
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file", "check the path") from None
    except IsADirectoryError:
        raise NmtError(f"{path}: is a directory", "name a file") from None
    except OSError as error:
        raise NmtError(f"{name}: {error.strerror or error}") from None


def _decompressed(stream: BinaryIO, name: str) -> BinaryIO:
    start = b""
    while len(start) < _SIGNATURE and b"\n" not in start and (byte := stream.read(1)):  # a pipe may give one at a time
        start += byte
    raw: Any = _Rest(start, stream)
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
            raise NmtError(f"{name}: reading .zst requires an extra package", "pip install 'nmt[zstd]'") from None
        return cast(BinaryIO, ZstdFile(raw))
    if start.startswith(b"PK\3\4"):
        raise NmtError(f"{name}: is a zip archive", _UNPACK)
    return io.BufferedReader(raw, _BLOCK)


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
        yield from _blocks(stream, path)


def _blocks(stream: BinaryIO, path: Path) -> Iterator[bytes]:
    try:
        while block := stream.read(_BLOCK):
            yield block
    except Exception as error:  # each decompressor has errors of its own
        raise NmtError(f"{name_of(path)}: cannot be read to its end: {error}", "is the file complete?") from None


def read_start(path: Path) -> bytes:
    """The first block of a file; a pipe or standard input, too, is read from its start afterwards."""
    stream = open_input(path)
    start = next(_blocks(stream, path), b"")
    if path.is_file() and path != STDIN:
        stream.close()
    else:
        _ahead[sys.stdin if path == STDIN else path] = io.BufferedReader(cast(Any, _Rest(start, stream)), _BLOCK)
    return start


def read_text(path: Path | None, *, strict: bool = False) -> Iterator[str]:
    """Yield the lines of a file without its byte order mark.

    Invalid UTF-8 becomes U+FFFD with a warning, which names the likely encoding, or is an NmtError when `strict`.
    """
    name, evidence, encoding, invalid, reported = name_of(path), b"", "", 0, 0
    with open_input(path) as stream:
        for number, line in enumerate(read_lines(stream, name), start=1):
            if number == 1:
                line, encoding = _first_line(line, name)
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                invalid += 1
                if strict or (not encoding and invalid <= MOST_WARNINGS):
                    evidence, reported = line + b"\n" + (evidence or _read_file_start(path)), invalid
                    encoding = encoding or likely_encoding(evidence)
                    _report_invalid(f"{name}, line {number}", error, encoding, strict=strict)
                text = line.decode("utf-8", errors="replace")
            yield text
    if invalid > reported:
        logger.warning("%s: invalid UTF-8 in %s in all", name, counted(invalid, "line"))


def _read_file_start(path: Path | None) -> bytes:
    return read_start(path) if path and path != STDIN and path.is_file() else b""


def _first_line(line: bytes, name: str) -> tuple[bytes, str]:
    """Remove a byte order mark, and warn of UTF-16, the encoding to return; NmtError for an archive."""
    if line[257:262] == b"ustar":
        raise NmtError(f"{name}: is a tar archive", _UNPACK)
    if encoding := likely_encoding(line) if b"\0" in line else "":
        logger.warning("%s: %s", name, conversion(encoding))
    return line.removeprefix(codecs.BOM_UTF8), encoding


def _report_invalid(where: str, error: UnicodeDecodeError, encoding: str, *, strict: bool) -> None:
    """Warn of a line that is not UTF-8, or raise NmtError when `strict`."""
    problem = f"{where}: invalid UTF-8 at byte {error.start + 1} (0x{error.object[error.start]:02x})"
    if strict:
        raise NmtError(problem, f"{conversion(encoding)}, or leave out --strict")
    logger.warning("%s; replaced by U+FFFD%s", problem, f"; {conversion(encoding)}" if encoding else "")


def conversion(encoding: str) -> str:
    """How to convert text of an encoding, which may be unknown, to UTF-8."""
    if not encoding:
        return "convert the file to UTF-8, for example with iconv"
    return f"probably {encoding}; convert it: iconv -f {encoding} -t UTF-8"


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield consecutive items, such as lines, in lists of `size`; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
