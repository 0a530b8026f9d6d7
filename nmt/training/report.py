"""What became of a run: log, data, settings, machine and scores, gathered as plain values for a page or a program."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nmt.data.prepare import read_description
from nmt.errors import NmtError, UsageError
from nmt.evaluation.metrics import Score, compare, score, tokenizer_for
from nmt.files import check_shape, read_json, read_text, sha256
from nmt.model.weights import WEIGHTS, parameter_count, read_model_config
from nmt.training.log import read_log
from nmt.training.state import STATE, list_checkpoints

logger = logging.getLogger("nmt")

_MACHINE = {"device": str, "threads": int, "processes": int, "precision": str}

METRICS = ("bleu", "chrf")
"""What the translations of test sets are scored by, with intervals: TER would take minutes for these."""


def describe_runs(runs: Sequence[Path], progress: Callable[[str], None] = lambda what: None) -> list[dict[str, Any]]:
    """Runs side by side, each with a name that tells it from the others; scores are tested against the first run's.

    Raises NmtError for a directory that is no run.
    """
    places = [run.resolve() for run in runs]
    if len(set(places)) < len(places):
        raise UsageError("a run is named twice", "name each once")
    found = []
    for run, name in zip(runs, _names(runs), strict=True):
        progress(f"reading {run}")
        found.append({"name": name, **_describe(run)})
    progress("scoring the translations of test sets")
    for one, scores in zip(found, _score(runs, found), strict=True):
        one["scores"] = [each._asdict() for each in scores]
    return found


def _names(runs: Sequence[Path]) -> list[str]:
    """The names of the directories, or their whole paths where names are the same."""
    names = [run.resolve().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run) for run in runs]


def _describe(run: Path) -> dict[str, Any]:
    lines = read_log(run / "metrics.jsonl")
    model = run / "model"
    if not lines and not (model / "config.json").exists():
        raise NmtError(f"{run}: no run that was trained: it has neither metrics.jsonl nor a model", "check the path")
    kinds = {kind: [line for line in lines if line.get("kind") == kind] for kind in ("start", "train", "valid")}
    kinds["start"] = [line for line in kinds["start"] if all(type(line.get(key)) is of for key, of in _MACHINE.items())]
    found: dict[str, Any] = {"directory": str(run), **kinds, "data": None, "model": None, "evaluation": None}
    found["state"] = _state(run / "checkpoints")
    for key, file, describe in (
        ("data", run / "data" / "data.json", _data),
        ("model", model / "config.json", _model),
        ("evaluation", run / "eval" / "test.json", _evaluation),
    ):
        if file.exists():
            try:
                found[key] = describe(file)
            except NmtError as error:
                logger.warning("%s; it is left out", error.problem)
    found["settings"] = found["model"].pop("settings") if found["model"] else {}
    return found


def _model(config: Path) -> dict[str, Any]:
    content = read_model_config(config.parent)
    made = content["made"]
    check_shape(made.get("settings", {}), dict, f"{config}: settings", "copy the directory again")
    return {
        "parameters": parameter_count(config.parent / WEIGHTS),
        "step": made.get("step"),
        "averaged": made.get("averaged"),
        "shape": content["model"],
        "settings": made.get("settings", {}),
    }


def _evaluation(file: Path) -> dict[str, Any]:
    """How the test set was translated, and whether by the model that the run has now."""
    recipe = read_json(file)
    check_shape(recipe.get("search", {}), dict, f"{file}: search", "run nmt eval again")
    weights = file.parents[1] / "model" / WEIGHTS
    current = weights.exists() and recipe.get("sha256") == sha256(weights)
    return {"search": recipe.get("search", {}), "of_this_model": current}


def _state(checkpoints: Path) -> dict[str, Any]:
    """Where training stands, by its newest checkpoint."""
    paths = list_checkpoints(checkpoints) if checkpoints.is_dir() else []
    state = read_json(paths[-1] / STATE) if paths else {}
    return {key: state[key] for key in ("step", "epoch", "seconds", "skipped", "finished") if key in state}


def _data(file: Path) -> dict[str, Any]:
    description = read_description(file.parent)
    return {key: description[key] for key in ("languages", "files", "sets", "vocabulary")}


def _score(runs: Sequence[Path], found: Sequence[Mapping[str, Any]]) -> list[list[Score]]:
    """The scores of each run's translation of its test set, if there is one, with intervals of confidence.

    Runs with the same test set are tested against the first of them by paired bootstrap resampling.
    """
    same: dict[tuple[str, ...], dict[int, list[str]]] = {}
    for place, run in enumerate(runs):
        files = run / "eval" / "test.translation", run / "data" / "test.target"
        if not all(file.exists() for file in files):
            continue
        lines, right = (list(read_text(file)) for file in files)
        if len(lines) != len(right):
            logger.warning("%s has %d lines for %d references: run nmt eval again", files[0], len(lines), len(right))
        else:
            same.setdefault(tuple(right), {})[place] = lines
    scores: list[list[Score]] = [[] for _ in runs]
    for references, systems in same.items():
        tokenizer = tokenizer_for(_target_language(found[next(iter(systems))]))
        if len(systems) > 1:
            named = {str(place): lines for place, lines in systems.items()}
            for name, one in compare(named, [references], "bootstrap", METRICS, tokenizer).items():
                scores[int(name)] = one
        else:
            for place, lines in systems.items():
                scores[place] = score(lines, [references], METRICS, tokenizer, confidence=True, quiet=True)
    return scores


def _target_language(run: Mapping[str, Any]) -> str | None:
    return run["data"]["languages"]["target"] if run["data"] else None
