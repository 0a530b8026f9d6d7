"""What commands say: data on stdout, messages on stderr, and a count that is drawn there on a terminal."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from nmt.errors import NmtError

logger = logging.getLogger("nmt")


class _Stderr(logging.Handler):
    """Messages as they are, warnings and errors with their level in front, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record to what is stderr now: a live display puts itself in its place."""
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        try:
            typer.echo(f"{level}{record.getMessage()}", err=True)
        except BrokenPipeError:  # nobody reads on: no reason to end a training
            sys.stderr = open(os.devnull, "w", encoding="utf-8")


def set_up_logging(*, quiet: bool) -> None:
    """Send the library's messages to stderr."""
    logger.handlers[:] = [_Stderr()]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False


def write_line(text: str) -> None:
    """Write a line of data to stdout as UTF-8, whatever the terminal's locale says."""
    sys.stdout.buffer.write(text.encode("utf-8", errors="surrogateescape") + b"\n")


def writable_page(path: Path) -> Callable[[str], None]:
    """A function that writes a page there; NmtError at once where there is no such directory."""
    from nmt.files import write_text

    if not path.parent.is_dir():
        raise NmtError(f"{path.parent}: no such directory", "check the path, or make it")

    def write(content: str) -> None:
        write_text(path, content)
        log(f"wrote {path}")

    return write


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "pair"), counted(2000, "pair")
    ('1 pair', '2,000 pairs')
    """
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def log(message: str) -> None:
    """Tell the user on stderr, unless --quiet."""
    logger.info(message)


def warn(message: str) -> None:
    """Tell the user on stderr, with --quiet too."""
    logger.warning(message)


@contextmanager
def counting(what: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A function to be called with the count so far."""
    with working(quiet=quiet) as tell:
        yield lambda count: tell(f"{count:,} {what}")


@contextmanager
def working(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """A function to be called with what is being done, which is shown on a terminal only."""
    if quiet or not sys.stderr.isatty():
        yield lambda what: None
        return
    from rich.console import Console

    with Console(stderr=True).status("") as status:
        yield status.update
