"""Errors that a user can cause; the command line turns them into a message and an exit code."""


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


class StoppedBySignal(Exception):
    """SIGINT or SIGTERM ended the work, after what was under way was finished and saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
