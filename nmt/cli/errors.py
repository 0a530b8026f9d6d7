"""The one place where what went wrong becomes a message on stderr and an exit code.

0: done; 1: the input or the environment is at fault; 2: usage; 128 + n: stopped by signal n, SIGINT or
SIGTERM, after saving what there was to save.
"""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

import typer

from nmt.errors import NmtError, ProcessLost, StoppedBySignal, UsageError


def run_command(command: Callable[[], None], *, debug: bool) -> int:
    """Run a command; its exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        command()
        sys.stdout.flush()
        return 0
    except StoppedBySignal as stop:
        return 128 + stop.number
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has seen enough, as `head` does
        _discard_output()
        return 0
    except typer.Exit:
        raise
    except Exception as error:
        if debug:
            traceback.print_exception(error)
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(_message(error), err=True)
        if isinstance(error, OSError):
            _discard_output()
        if isinstance(error, ProcessLost):
            sys.stderr.flush()
            os._exit(1)
        return 2 if isinstance(error, UsageError) else 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # on the way out nothing is left to be saved


def _discard_output() -> None:
    """Let what stdout still holds go nowhere, so that Python's flush at exit succeeds."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _stop(number: int, _frame: FrameType | None) -> None:
    """Leave as an exception, so that half-written files are removed on the way out."""
    raise StoppedBySignal(number)


def _message(error: Exception) -> str:
    match error:
        case NmtError():
            return f"{error.problem}\n  {error.hint}" if error.hint else error.problem
        case OSError():
            return f"{error.filename or 'standard output'}: {error.strerror or error}"
        case MemoryError():
            return "out of memory\n  use smaller batches: --batch-tokens"
    first = (str(error).splitlines() or [""])[0]
    return f"internal error: {type(error).__name__}: {first}\n  run again with --debug for the traceback"
