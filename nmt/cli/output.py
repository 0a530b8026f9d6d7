"""Output of commands: data on stdout; messages, and progress on a terminal, on stderr."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import NmtError
from nmt.text.control_characters import visible

logger = logging.getLogger("nmt")

_BREAKS = "\n\t"


class _Stderr(logging.Handler):
    """Print messages above a progress bar, if there is one; warnings and errors with their level."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record to the present stderr, which a live display replaces."""
        level = "" if record.levelno < logging.WARNING else f"{record.levelname.lower()}: "
        try:
            sys.stderr.write(f"{level}{visible(record.getMessage(), keep=_BREAKS)}\n")
            sys.stderr.flush()
        except BrokenPipeError:  # a closed stderr must not end a training
            sys.stderr = open(os.devnull, "w", encoding="utf-8")


def set_up_logging(*, quiet: bool, debug: bool = False) -> None:
    """Send the library's messages to stderr; with --debug all of them, with --quiet only warnings and errors."""
    logger.handlers[:] = [_Stderr()]
    logger.setLevel(logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO)
    logger.propagate = False


log, warn = logger.info, logger.warning


def write_line(text: str) -> None:
    """Write a line of data to stdout, in UTF-8 in every locale; on a terminal with its control characters visible."""
    text = visible(text, "\t") if sys.stdout.isatty() else text
    sys.stdout.buffer.write(text.encode("utf-8", errors="replace") + b"\n")


@contextmanager
def written_lines(output: Path | None) -> Iterator[Callable[[str], object]]:
    """A function that writes a line: to stdout, or to a file, which appears when it is complete."""
    if output is None:
        yield write_line
        return
    from nmt.files.atomic import compressed_write

    with compressed_write(output) as stream:
        yield lambda text: stream.write(text.encode("utf-8", errors="replace") + b"\n")


def writable_page(path: Path, *, force: bool = False) -> Callable[[str], None]:
    """A function that writes a page to a file; NmtError at once where it cannot, or would replace anything else."""
    from nmt.cli.pages import is_page
    from nmt.files.atomic import write_text
    from nmt.files.run_directory import check_output

    if not path.parent.is_dir():
        raise NmtError(f"{path.parent}: no such directory", "check the path, or make it")
    check_output(path, is_page, force=force)

    def write(content: str) -> None:
        write_text(path, content)
        log(f"wrote {path}")

    return write


@contextmanager
def counting(noun: str, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Show a count on a terminal; yields a function that takes it."""
    with working(quiet=quiet) as show:
        yield lambda count: show(f"{count:,} {noun}")


@contextmanager
def working(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being done on a terminal; yields a function that takes it."""
    if quiet or not sys.stderr.isatty():
        yield lambda status: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("", spinner="line") as status:  # which every encoding has
        yield lambda done: status.update(Text(visible(done)))
