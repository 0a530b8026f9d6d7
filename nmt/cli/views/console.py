"""The console and the tables of all views."""

import io
import sys

from rich.console import Console
from rich.table import Table


class Page(Console):
    """Standard output: characters that a terminal lacks are replaced, and readers may close the pipe early."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        super().__init__(highlight=False)

    def on_broken_pipe(self) -> None:
        """Leave a closed pipe to the command, where rich would exit with 1."""
        raise BrokenPipeError


def table(title: str = "", *columns: str) -> Table:
    """A table with a column of names and columns of right-aligned numbers."""
    empty = Table(box=None, padding=(0, 1), header_style="bold")
    empty.add_column(title, overflow="fold")
    for column in columns:
        empty.add_column(column, justify="right", no_wrap=True)
    return empty
