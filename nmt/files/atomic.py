"""Atomic writes: a file or directory appears under its name only when it is complete."""

import gzip
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from nmt.errors import NmtError

_OPEN_FILE = re.compile("/dev/(std(out|err)$|fd/)|/proc/")


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that appears only when complete; pipes, devices and /dev/stdout are written directly."""
    if path.is_dir():
        raise NmtError(f"{path}: is a directory", "name a file")
    if is_stream(path):
        with named_errors(path), open(path, "ab") as stream:  # what `>>` appends to is not truncated
            yield stream
        return
    path = path.resolve() if path.is_symlink() else path
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _hidden(path, f"{os.getpid()}.tmp")
    try:
        with named_errors(path):
            with open(temporary, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def compressed_write(path: Path) -> Iterator[IO[bytes]]:
    """The same, compressed by gzip where the name ends with .gz."""
    with atomic_write(path) as stream:
        if path.suffix != ".gz":
            yield stream
            return
        with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) as compressed:
            yield cast(IO[bytes], compressed)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically; `?` stands for what UTF-8 lacks, such as bytes of file names in Latin-1."""
    with atomic_write(path) as stream:
        stream.write(text.encode("utf-8", errors="replace"))


def append_text(path: Path, text: str) -> None:
    """Append to a UTF-8 file."""
    with named_errors(path), open(path, "a", encoding="utf-8", errors="replace") as stream:
        stream.write(text)


def is_stream(path: Path) -> bool:
    """Whether a path is a pipe or a device, or names an open file of this process, as /dev/stdout does."""
    if not path.exists() or path.is_dir():
        return False
    return not path.is_file() or bool(_OPEN_FILE.match(str(path.absolute())))


@contextmanager
def atomic_directory(path: Path) -> Iterator[Path]:
    """Make a directory that appears only when complete, and replaces an older one.

    `recover_directory` repairs an interruption between the two renames.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _hidden(path, "tmp"), _hidden(path, "old")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        with named_errors(path):
            yield temporary
            for file in filter(Path.is_file, temporary.rglob("*")):
                _sync(file)
            _sync(temporary)
            if path.is_dir():
                shutil.rmtree(old, ignore_errors=True)
                path.replace(old)
            path.unlink(missing_ok=True)  # a file
            temporary.replace(path)
            _sync(path.parent)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def was_interrupted(path: Path) -> bool:
    """Whether `atomic_directory` was killed while making this directory."""
    return _hidden(path, "tmp").exists()


def recover_directory(path: Path) -> None:
    """Restore the old directory if `atomic_directory` was killed between its two renames."""
    old = _hidden(path, "old")
    if old.is_dir() and not path.exists():
        old.replace(path)


def _hidden(path: Path, suffix: str) -> Path:
    path = path.resolve()
    return path.with_name(f".{path.name}.{suffix}")


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Name the file in errors that do not: those of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def _sync(path: Path) -> None:
    """Make a file, or the names inside a directory, durable; some systems cannot open directories."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
