"""The contents and provenance of a run, model or data directory, as nested values."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nmt.data.description import read_description
from nmt.files.json import read_json
from nmt.files.run_directory import (
    EXPORTED_MODEL,
    MODEL_CONFIG,
    STATE,
    WEIGHTS,
    RunDirectory,
    is_data,
    is_model,
    list_checkpoints,
)
from nmt.model.model_files import parameter_count, read_model_config


def describe(directory: Path) -> dict[str, Any]:
    """Describe a directory; empty where it is not a run, a model, an export or prepared data."""
    if (directory / EXPORTED_MODEL).exists():
        return {"export": _export(directory)}
    run, description = RunDirectory(directory), dict[str, Any]()
    model, data = (directory if is_model(directory) else run.model), (directory if is_data(directory) else run.data)
    if is_model(model):
        description["model"] = _model(model)
    if is_data(data):
        description["data"] = _data(data)
    if run.checkpoints.is_dir():
        description["training"] = _training(run.checkpoints)
    return description


def _model(directory: Path) -> dict[str, Any]:
    content = read_model_config(directory)
    return {
        "directory": str(directory),
        "parameters": parameter_count(directory / WEIGHTS),
        "bytes": _size(directory.iterdir()),
        **content["model"],
        "made": {key: value for key, value in content["made"].items() if key not in ("data", "settings")},
        "nmt": content["nmt"],
    }


def _export(directory: Path) -> dict[str, Any]:
    config = directory / MODEL_CONFIG  # which older releases of CTranslate2 did not write
    content = read_json(config) if config.exists() else {}
    return {"directory": str(directory), "engine": "ctranslate2", "bytes": _size(directory.iterdir()), **content}


def _data(directory: Path) -> dict[str, Any]:
    content = read_description(directory)
    shown = {key: content[key] for key in ("languages", "files", "sets", "vocabulary", "settings", "nmt")}
    return {"directory": str(directory), "bytes": _size(directory.rglob("*")), **shown}


def _size(paths: Iterable[Path]) -> int:
    return sum(path.stat().st_size for path in paths if path.is_file())


def _training(checkpoints: Path) -> dict[str, Any]:
    names = [path.name for path in list_checkpoints(checkpoints)]
    ranking = _newest_state(checkpoints).get("ranking", ())
    best = [{"step": int(step), "score": score} for score, _, step in ranking]
    return {"checkpoints": names, "newest": training_state(checkpoints), "best": best}


def training_state(checkpoints: Path) -> dict[str, Any]:
    """The progress of training as of its newest checkpoint; empty where there is none."""
    state = _newest_state(checkpoints)
    return {key: state[key] for key in ("step", "epoch", "seconds", "skipped", "finished") if key in state}


def _newest_state(checkpoints: Path) -> dict[str, Any]:
    paths = list_checkpoints(checkpoints)
    return read_json(paths[-1] / STATE) if paths else {}
