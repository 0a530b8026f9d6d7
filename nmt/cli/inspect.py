"""`nmt info`: what a run, a model or a data directory is, and how it was made."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nmt.cli.options import Common, Json
from nmt.cli.output import write_line
from nmt.errors import NmtError

Place = Annotated[
    Path | None,
    typer.Argument(help="A run, model or data directory.", show_default="the run"),
]


def info(common: Common, directory: Place = None, json_output: Json = False) -> None:
    """Show what a run, a model or a data directory holds, and how it was made."""
    place = directory or common.run
    found = describe(place)
    if not found:
        raise NmtError(f"{place}: neither a run nor a model nor prepared data", "check the path")
    if json_output:
        write_line(json.dumps(found, ensure_ascii=False))
        return
    for section, content in found.items():
        write_line(f"{section}:")
        for line in _lines(content, 1):
            write_line(line)


def describe(place: Path) -> dict[str, Any]:
    """What is in a directory, as nested values."""
    found: dict[str, Any] = {}
    model = place if (place / "config.json").exists() else place / "model"
    if (model / "config.json").exists():
        found["model"] = _model(model)
    data = place if (place / "data.json").exists() else place / "data"
    if (data / "data.json").exists():
        found["data"] = _data(data)
    if (place / "checkpoints").is_dir():
        found["training"] = _training(place / "checkpoints")
    return found


def _model(directory: Path) -> dict[str, Any]:
    from nmt.files import directory_size
    from nmt.model.weights import WEIGHTS, parameter_count, read_model_config

    content = read_model_config(directory)
    return {
        "directory": str(directory),
        "parameters": parameter_count(directory / WEIGHTS),
        "bytes": directory_size(directory.iterdir()),
        **content["model"],
        "made": {key: value for key, value in content["made"].items() if key not in ("data", "settings")},
        "nmt": content["nmt"],
    }


def _data(directory: Path) -> dict[str, Any]:
    from nmt.data.prepare import read_description
    from nmt.files import directory_size

    content = read_description(directory)
    shown = {key: content[key] for key in ("languages", "files", "sets", "vocabulary", "settings", "nmt")}
    return {"directory": str(directory), "bytes": directory_size(directory.rglob("*")), **shown}


def _training(checkpoints: Path) -> dict[str, Any]:
    from nmt.files import read_json
    from nmt.training.state import STATE, list_checkpoints

    paths = list_checkpoints(checkpoints)
    state = read_json(paths[-1] / STATE) if paths else {}
    shown = {key: state[key] for key in ("step", "epoch", "seconds", "skipped", "finished") if key in state}
    best = [{"step": int(step), "score": score} for score, _, step in state.get("ranking", ())]
    return {"checkpoints": [path.name for path in paths], "newest": shown, "best": best}


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
