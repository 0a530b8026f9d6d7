"""Files as nmt reads and writes them: byte lines, transparent compression, atomic writes, hashes.

A line ends at `\\n` and nowhere else. A lone `\\r`, U+2028, form feed or NUL is text: Python's own line iteration over
text would turn a four-line file that holds them into five lines or more, and shift every translation after it.
"""

import bz2
import gzip
import hashlib
import io
import json
import logging
import lzma
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeVar, cast

from nmt.errors import NmtError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

logger = logging.getLogger("nmt")

T = TypeVar("T")

_MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b"),
    "bzip2": re.compile(rb"BZh[1-9](?:1|\x17)"),  # a block, or the end at once; "BZh" alone may begin a text
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd"),
}
_LONGEST_MAGIC = 7

COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}
"""What stands behind the names of compressed files; they are recognised by their content."""

_BLOCK = 1 << 16


# ---------------------------------------------------------------------------------------------------------- reading


def open_input(path: Path | None) -> BinaryIO:
    """Open `path` for reading bytes, decompressing gzip, bzip2, xz and zstd; None or `-` is standard input."""
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
    start = raw.peek(_LONGEST_MAGIC)[:_LONGEST_MAGIC]
    match next((name for name, magic in _MAGIC.items() if magic.match(start)), None):
        case "gzip":
            return cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        case "bzip2":
            return cast(BinaryIO, bz2.BZ2File(raw))
        case "xz":
            return cast(BinaryIO, lzma.LZMAFile(raw))
        case "zstd":
            return _zstd_reader(raw, path)
    return raw


def _zstd_reader(raw: BinaryIO, path: Path) -> BinaryIO:
    try:
        from backports.zstd import ZstdFile  # compression.zstd from Python 3.14 on
    except ImportError:
        raise NmtError(f"{path}: reading .zst needs a package more", "pip install 'nmt[zstd]'") from None
    return cast(BinaryIO, ZstdFile(raw))


def read_lines(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Yield the lines of a byte stream without their `\\n`; a missing final newline is fine.

    Raises NmtError where compressed data is broken, naming the line that was reached.
    """
    number = 0
    try:
        for line in stream:
            number += 1
            yield line.removesuffix(b"\n")
    except Exception as error:  # each decompressor has errors of its own
        raise NmtError(f"{name}: cannot read past line {number}: {error}", "is the file complete?") from None


def read_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of a file in blocks; NmtError where compressed data is broken."""
    with open_input(path) as stream:
        while True:
            try:
                block = stream.read(_BLOCK)
            except Exception as error:  # each decompressor has errors of its own
                raise NmtError(f"{path}: cannot be read to its end: {error}", "is the file complete?") from None
            if not block:
                return
            yield block


MOST_WARNINGS = 20
"""Lines of a file whose invalid UTF-8 is told one by one."""


def read_text(path: Path | None, *, strict: bool = False) -> Iterator[str]:
    """The lines of a file (None: standard input) as text, each without its newline.

    Invalid UTF-8 becomes U+FFFD with a warning that names line and byte, or an NmtError when `strict`.
    """
    name = "standard input" if path is None or str(path) == "-" else str(path)
    number = broken = 0
    with open_input(path) as stream:
        for line in read_lines(stream, name):
            number += 1
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                where = f"{name}, line {number}: invalid UTF-8 at byte {error.start + 1} (0x{line[error.start]:02x})"
                if strict:
                    hint = "convert the file to UTF-8, for example with iconv, or leave out --strict"
                    raise NmtError(where, hint) from None
                broken += 1
                if broken <= MOST_WARNINGS:
                    logger.warning("%s; replaced by U+FFFD", where)
                text = line.decode("utf-8", errors="replace")
            yield text
    if broken > MOST_WARNINGS:
        logger.warning("%s: invalid UTF-8 in %d lines in all", name, broken)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive items in lists of `size`, the last one shorter.

    >>> list(chunks("abc", 2))
    [['a', 'b'], ['c']]
    """
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def parse_json(text: str) -> Any:
    """A JSON value that can be written again; ValueError for what is none, also for NaN and half a character.

    >>> parse_json('["\\\\u00e9"]')
    ['é']
    """
    value = json.loads(text, parse_constant=_no_number)
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; NmtError when it is missing, no JSON, or no object."""
    try:
        value = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file", "was it copied whole?") from None
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror}", "may this user read it?") from None
    except (ValueError, RecursionError) as error:
        raise NmtError(f"{path}: not readable as JSON: {error}", "the file is damaged or is something else") from None
    if not isinstance(value, dict):
        raise NmtError(f"{path}: expected a JSON object", "the file is damaged or is something else")
    return value


Shape = type | tuple[type, ...] | Mapping[str, "Shape"]
"""What a JSON value must be: of a type, of one of several, or an object with these keys and perhaps others."""


def check_shape(value: object, shape: Shape, where: str, hint: str) -> None:
    """NmtError, naming the key, where a JSON value lacks one of `shape` or has something else there.

    >>> check_shape({"pairs": 3, "more": []}, {"pairs": int}, "data.json", "")
    """
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            raise NmtError(f"{where} is no JSON object", hint)
        for key, inner in shape.items():
            if key not in value:
                raise NmtError(f"{where}: {key} is missing", hint)
            check_shape(value[key], inner, f"{where}: {key}", hint)
    elif not isinstance(value, shape) or isinstance(value, bool):
        raise NmtError(f"{where} is {str(value)[:40]!r}, which makes no sense there", hint)


# ---------------------------------------------------------------------------------------------------------- writing


def sync_directory(path: Path) -> None:
    """Make renames inside a directory durable (a no-op where directories cannot be opened)."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A binary file that appears under its name only when it is complete: temporary name, flush, fsync, rename.

    What is no file, such as a pipe or a device, is written to as it is. NmtError for a directory.
    """
    if path.is_dir():
        raise NmtError(f"{path}: is a directory", "name a file")
    if path.exists() and not path.is_file():
        try:
            with open(path, "wb") as stream:
                yield stream
        except OSError as error:
            raise _named(error, path) from None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise _named(error, path) from None
    finally:
        temporary.unlink(missing_ok=True)


def _named(error: OSError, path: Path) -> OSError:
    """The error of a write, which does not say by itself where the disk was full."""
    if error.filename is None:
        error.filename = str(path)
    return error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically."""
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8"))


def append_text(path: Path, text: str) -> None:
    """Add to a UTF-8 file."""
    try:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise _named(error, path) from None


def write_json(path: Path, value: object) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextmanager
def atomic_directory(path: Path, marker: str = "") -> Iterator[Path]:
    """A directory that appears under its name only when it is complete, in place of an older one.

    With a `marker`, only a directory that holds this file, or nothing, is replaced: whoever names the wrong place must
    not lose what is there. Else NmtError.

    Between removing the old name and giving the new one there is an instant without either; the content of both is
    then on disk under hidden names, and `recover_directory` puts one of them back.
    """
    if marker and path.exists() and not _may_be_replaced(path, marker):
        raise NmtError(f"{path}: something else is there, so it is not replaced", "name another place, or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _unfinished(path), path.with_name(f".{path.name}.old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        _sync_tree(temporary)
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            path.replace(old)
        temporary.replace(path)
        sync_directory(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise _named(error, path) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def was_interrupted(path: Path) -> bool:
    """Whether `atomic_directory` was killed in the middle of making this directory."""
    return _unfinished(path).exists()


def _may_be_replaced(path: Path, marker: str) -> bool:
    return path.is_dir() and ((path / marker).exists() or not any(path.iterdir()))


def recover_directory(path: Path) -> None:
    """Undo a replacement by `atomic_directory` that was cut between its two renames."""
    old = path.with_name(f".{path.name}.old")
    if old.is_dir() and not path.exists():
        old.replace(path)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a directory for this process alone; NmtError when another one holds it.

    The lock is the system's, on the file `.lock`, and is gone with the process that holds it, however that ends. Where
    there is no directory there is nothing to hold.
    """
    if not directory.is_dir():
        yield
        return
    with open(directory / ".lock", "wb") as stream:
        if not _lock(stream):
            raise NmtError(f"{directory}: another nmt is at work there", "wait for its end, or use another --run")
        _held.append(stream)
        try:
            yield
        finally:
            _held.remove(stream)


_held: list[IO[bytes]] = []
"""The locks of this process."""


def _let_go() -> None:
    """Leave the locks to the parent alone: a worker that outlives it for a moment must not keep them."""
    while _held:
        _held.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


def _lock(stream: IO[bytes]) -> bool:
    """Lock a file for as long as it is open; False when another process holds it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        logger.debug("no locks on this file system: %s", error)
    return True


def _sync_tree(root: Path) -> None:
    for path in root.rglob("*"):
        if path.is_file():
            with open(path, "rb") as stream:
                os.fsync(stream.fileno())
    sync_directory(root)


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def directory_size(paths: Iterable[Path]) -> int:
    """Bytes in all of these files together."""
    return sum(path.stat().st_size for path in paths if path.is_file())


def available_threads() -> int:
    """One for each core that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
