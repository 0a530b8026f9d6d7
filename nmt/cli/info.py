"""`nmt info`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nmt.cli.options import Common, Json
from nmt.cli.output import write_line
from nmt.errors import NmtError

Directory = Annotated[Path | None, typer.Argument(help="Run, model, export or data directory.", show_default="the run")]


def info(common: Common, directory: Directory = None, json_output: Json = False) -> None:
    """Show what a run, model, export or data directory holds, and how it was made."""
    from nmt.runs.info import describe

    directory = directory or common.run.path
    description = describe(directory)
    if not description:
        raise NmtError(f"{directory}: not a run, a model or prepared data, nor an export", "check the path")
    if json_output:
        write_line(json.dumps(description, ensure_ascii=False))
        return
    for section, content in description.items():
        write_line(f"{section}:")
        for line in _lines(content, 1):
            write_line(line)


def _lines(value: Any, depth: int) -> list[str]:
    """Nested values as indented lines."""
    indent = "  " * depth
    if not isinstance(value, dict):
        return [f"{indent}{_shown(value)}"]
    lines = []
    for key, inner in value.items():
        if isinstance(inner, dict) and inner:
            lines += [f"{indent}{key}:", *_lines(inner, depth + 1)]
        else:
            lines.append(f"{indent}{key}: {_shown(inner)}")
    return lines


def _shown(value: Any) -> str:
    """A value in words."""
    match value:
        case None | [] | "":
            return "none"
        case dict() if not value:
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.5g}"
        case dict():
            return " ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
        case list():
            return ", ".join(map(_shown, value))
    return str(value)
