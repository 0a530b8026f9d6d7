"""The one place where an error becomes a message on stderr and an exit code.

0: done; 1: the input or the environment is at fault; 2: usage; 128 + n: stopped by signal n, SIGINT, SIGTERM or SIGHUP,
after saving.
"""

import io
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from nmt.errors import NmtError, ProcessLost, StoppedBySignal, UsageError, leave_lost_terminal, stopping_signals
from nmt.text.control_characters import visible

_IMPORT = "<frozen importlib._bootstrap>"


@contextmanager
def reported(*, debug: bool) -> Iterator[None]:
    """Run a command's body: report its error and exit with the code that belongs to it."""
    _replace_closed_streams()
    unignored = [number for number in stopping_signals() if signal.getsignal(number) != signal.SIG_IGN]
    handlers = {number: signal.signal(number, _stop) for number in unignored}
    try:
        yield
        sys.stdout.flush()
    except StoppedBySignal as stop:
        raise typer.Exit(128 + stop.number) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader of our output has seen enough, as `head` does
        _discard_output()
    except typer.Exit:
        raise
    except Exception as error:
        if debug:
            traceback.print_exception(error)
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(visible(_message(error), "\n\t"), err=True)
        if isinstance(error, OSError):
            _discard_output()
        if isinstance(error, ProcessLost):
            sys.stderr.flush()
            os._exit(1)
        raise typer.Exit(2 if isinstance(error, UsageError) else 1) from None
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _replace_closed_streams() -> None:
    """Give closed standard streams a file, whose number no other gets; reading or writing it there is an error."""
    for name, mode in (("stdin", "w"), ("stdout", "r"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))


def _discard_output() -> None:
    """Discard what stdout still buffers, so that Python's flush at exit succeeds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, frame: FrameType | None) -> None:
    """Leave as an exception, so that half-written files are removed on the way out.

    Not within an import, where libraries take any exception to mean that another one is missing: when it is complete,
    by a trace function of the frame that imports.
    """
    importing = None
    while frame:
        if frame.f_code.co_filename == _IMPORT:
            importing = frame.f_back
        frame = frame.f_back
    if importing:
        importing.f_trace = lambda frame, *_: _stop(number, frame)
        sys.settrace(lambda *_: None)
        return
    sys.settrace(None)
    leave_lost_terminal()
    raise KeyboardInterrupt if number == signal.SIGINT else StoppedBySignal(number)


def _message(error: Exception) -> str:
    match error:
        case NmtError():
            return f"{error.problem}\n  {error.hint}" if error.hint else error.problem
        case io.UnsupportedOperation():
            return "standard output is closed\n  send it to a file, or to /dev/null"
        case OSError():
            return f"{error.filename or 'standard output'}: {error.strerror or error}"
        case MemoryError():
            return "out of memory\n  use smaller batches: --batch-tokens"
    first = (str(error).splitlines() or [""])[0]
    return f"internal error: {type(error).__name__}: {first}\n  run again with --debug for the traceback"
