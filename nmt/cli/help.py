"""The help of commands: panels of options whose names are never cut, and examples, whatever the terminal's width."""

from collections import defaultdict
from textwrap import wrap
from typing import Any

from typer.core import TyperCommand


class CommandWithHelp(TyperCommand):
    """A command; indented lines of its docstring are examples, printed as they are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the usage, the docstring, and arguments and options in panels."""
        from rich.panel import Panel
        from rich.text import Text

        from nmt.cli.views.console import Page

        console = Page()
        with console.capture() as captured:
            console.print(Text.assemble("\n ", self.get_usage(ctx), "\n"), style="bold")
            for paragraph in (self.help or "").split("\n\n"):
                example = paragraph.startswith(" ")
                for line in paragraph.splitlines() if example else wrap(paragraph, console.width - 2):
                    console.print(Text(f" {line}", "cyan" if example else ""), soft_wrap=True)
                console.print()
            for title, records in self._panels(ctx).items():
                described = Text("\n").join(map(Text, _described(records, console.width - 4)))
                described.highlight_regex(r"(?m)^--?[a-z].*?(?=  |$)", "bold cyan")
                described.highlight_regex(r"\[default: [^]]*\]", "dim")
                console.print(Panel(described, title=title, title_align="left", border_style="dim"))
        formatter.write(captured.get().encode(console.encoding, "look-alikes").decode(console.encoding))

    def _panels(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """Names and help of arguments and options, by panel."""
        panels = defaultdict[str, list[tuple[str, str]]](list)
        for item in self.get_params(ctx):
            if record := item.get_help_record(ctx):  # None for a hidden option
                default = "Arguments" if item.param_type_name == "argument" else "Options"
                panels[getattr(item, "rich_help_panel", None) or default].append(record)
        return panels


def _described(records: list[tuple[str, str]], width: int) -> list[str]:
    """Names with their help beside them; below them where the names are long, or all of it is narrow."""
    beside = min(max(len(names) for names, _ in records) + 2, width * 2 // 5)
    lines = []
    for names, text in records:
        fits = len(names) + 2 <= beside
        lines += [] if fits else wrap(names, width, break_on_hyphens=False)
        first = names.ljust(beside) if fits else " " * beside
        lines += wrap(text, width, initial_indent=first, subsequent_indent=" " * beside, break_on_hyphens=False)
    return lines
