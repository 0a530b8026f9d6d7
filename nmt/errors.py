"""Errors that a user can cause; the command line turns them into a message and an exit code."""

import os
import signal
import stat
from contextlib import suppress


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun in singular or plural, for messages.

    >>> counted(1, "corpus", "corpora"), counted(2, "corpus", "corpora"), counted(0, "step")
    ('1 corpus', '2 corpora', '0 steps')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


class NmtError(Exception):
    """The input or the environment is at fault.

    `problem` says what is wrong and where (file, line, flag and value); `hint` says what to do about it.

    >>> print(NmtError("data/train.ko: no such file", "check the path"))
    data/train.ko: no such file (check the path)
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.problem} ({self.hint})" if self.hint else self.problem


class UsageError(NmtError):
    """A command, or a function of the library, was called with arguments that it does not support."""


class ProcessLost(NmtError):
    """Another process of a distributed training died; threads that wait for it keep this process from exiting."""


class StoppedBySignal(BaseException):
    """A signal ended the work, the first one of a training after what was under way was finished and saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def stopping_signals() -> list[signal.Signals]:
    """SIGINT, SIGTERM and SIGHUP, which a lost connection sends; without the last under nohup and on Windows."""
    hangup = [
        number for number in signal.Signals if number.name == "SIGHUP" and signal.getsignal(number) != signal.SIG_IGN
    ]
    return [signal.SIGINT, signal.SIGTERM, *hangup]


def leave_lost_terminal() -> None:
    """Discard what is written to a terminal that is gone, where each message would be an error."""
    for descriptor in (1, 2):
        with suppress(OSError):  # it is closed
            if stat.S_ISCHR(os.fstat(descriptor).st_mode) and not os.isatty(descriptor):
                os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
