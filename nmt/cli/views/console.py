"""The console and the tables of all views."""

import codecs
import io
import sys
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table

from nmt.text.control_characters import visible

_ASCII = str.maketrans("▁▂▃▄▅▆▇█▏▎▍▌▋▊▉░▒▓…→±", "_.,-=+*#|######.:%~>~")

_NARROWEST = 12  # cells for the names of a table


def _look_alikes(error: UnicodeError) -> tuple[str, int]:
    """Replace what an encoding lacks: bars, shades and signs by the nearest of ASCII, letters by question marks."""
    assert isinstance(error, UnicodeEncodeError)
    lacking = error.object[error.start : error.end].translate(_ASCII)
    return "".join(char if char.isascii() else "?" for char in lacking), error.end


codecs.register_error("look-alikes", _look_alikes)


class Page(Console):
    """Standard output: no text can control the terminal, whatever its encoding; readers may close the pipe early."""

    def __init__(self) -> None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="look-alikes")
        super().__init__(highlight=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render with control characters made visible."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=visible(segment.text, "\n\t"))

    def print_table(self, table: Table) -> None:
        """Print a table; rows wider than the terminal wrap, so that no column vanishes and no number is cut."""
        names = table.columns[0]
        names.max_width = _NARROWEST
        needed, width = self.measure(table, options=self.options.update(max_width=10_000)).maximum, self.width
        names.max_width, self.width = None, max(width, needed)
        self.print(table)
        self.width = width

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
