"""What all views draw on."""

import io
import sys

from rich.console import Console


class Page(Console):
    """Standard output, for people: letters that a terminal lacks are replaced, and a reader who leaves early may."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        super().__init__(highlight=False)

    def on_broken_pipe(self) -> None:
        """Leave it to the command, which ends as `nmt translate | head` does; rich would exit with 1."""
        raise BrokenPipeError
