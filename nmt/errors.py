"""What the library raises for what a user can cause; the command line turns it into a message and an exit code."""


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
    """A command, or a function of the library, was asked for what it does not do."""


class ProcessLost(NmtError):
    """Another process of a distributed training is gone, and an operation with it may never end.

    The threads of that operation keep this process from exiting in the usual way.
    """


class StoppedBySignal(Exception):
    """SIGINT or SIGTERM asked for the end, and what was under way was finished and saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
