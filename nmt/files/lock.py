"""Locks that keep a directory or a file to one process at a time."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nmt.errors import NmtError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

logger = logging.getLogger("nmt")

_held: list[IO[bytes]] = []  # the lock files of this process


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock a directory, if it exists, for this process; NmtError when another process holds the lock.

    The system releases the lock, which is on the file `.lock`, when the process ends, even if killed.
    """
    if not directory.is_dir():
        yield
        return
    with locked_file(directory / ".lock", f"{directory}: in use", "use another --run"):
        yield


@contextmanager
def locked_file(path: Path, in_use: str, remedy: str) -> Iterator[None]:
    """Lock a file, which is made where it is missing; NmtError when another process holds the lock."""
    with open(path, "ab") as stream:
        if not _lock(stream):
            raise NmtError(f"{in_use} by another nmt process", f"wait until it ends, or {remedy}")
        _held.append(stream)
        try:
            yield
        finally:
            _held.remove(stream)


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


def _release() -> None:
    """Release the locks in a forked child: a worker that outlives its parent must not keep them."""
    while _held:
        _held.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release)
