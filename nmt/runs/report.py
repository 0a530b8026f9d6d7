"""Reports on runs: logs, data, settings, hardware and scores, as plain values for a page or a program."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nmt.config.setting import present_names
from nmt.config.training import TrainingConfig
from nmt.data.description import read_description
from nmt.errors import NmtError, UsageError, counted
from nmt.evaluation.metrics import Score, score, significance, tokenizer_for
from nmt.files.checksum import sha256
from nmt.files.json import check_shape, read_json
from nmt.files.lines import read_text
from nmt.files.run_directory import TEST, WEIGHTS, RunDirectory, is_data, is_model
from nmt.model.model_files import parameter_count, read_model_config
from nmt.runs.info import training_state
from nmt.training.metrics_log import read_log

logger = logging.getLogger("nmt")

METRICS = ("bleu", "chrf")  # resampling TER takes minutes
_MACHINE = {"device": str, "threads": int, "processes": int, "precision": str}


def describe_runs(runs: Sequence[Path], progress: Callable[[str], None] = lambda what: None) -> list[dict[str, Any]]:
    """Describe runs, each under a unique name; NmtError for a directory that is not a run, or is given twice."""
    if len({run.resolve() for run in runs}) < len(runs):
        raise UsageError("a run is given twice", "give each once")
    names = [run.resolve().name for run in runs]
    if len(set(names)) < len(names):
        names = [str(run) for run in runs]
    descriptions = []
    for run, name in zip(runs, names, strict=True):
        progress(f"reading {run}")
        descriptions.append({"name": name, **_describe(RunDirectory(run)), "test_set": 0})
    progress("scoring the translations of test sets")
    for description, scores in zip(descriptions, _score(list(map(RunDirectory, runs)), descriptions), strict=True):
        description["scores"] = [metric._asdict() for metric in scores]
    return descriptions


def _describe(run: RunDirectory) -> dict[str, Any]:
    """Describe a run; parts that cannot be read are left out with a warning."""
    lines = read_log(run.metrics)
    if not lines and not is_model(run.model):
        raise NmtError(f"{run.path}: not a trained run: it has neither metrics.jsonl nor a model", "check the path")
    kinds = {kind: [line for line in lines if line.get("kind") == kind] for kind in ("start", "train", "valid")}
    kinds["start"] = [line for line in kinds["start"] if all(type(line.get(key)) is of for key, of in _MACHINE.items())]
    description: dict[str, Any] = {"directory": str(run.path), **kinds, "state": training_state(run.checkpoints)}
    for key, exists, describe in (
        ("data", is_data(run.data), lambda run: read_description(run.data)),
        ("model", is_model(run.model), _model),
        ("evaluation", run.scores.exists(), _evaluation),
    ):
        description[key] = None
        try:
            description[key] = describe(run) if exists else None
        except NmtError as error:
            logger.warning("%s; it is left out", error.problem)
    if description["data"]:
        description["data"] = {key: description["data"][key] for key in ("languages", "files", "sets", "vocabulary")}
    description["settings"] = description["model"].pop("settings") if description["model"] else {}
    return description


def _model(run: RunDirectory) -> dict[str, Any]:
    content = read_model_config(run.model)
    made = content["made"]
    settings = made.get("settings", {})
    check_shape(settings, dict, f"{run.model}: settings", "copy the directory again")
    return {
        "parameters": parameter_count(run.model / WEIGHTS),
        "step": made.get("step"),
        "averaged": made.get("averaged"),
        "shape": content["model"],
        "settings": present_names(settings, [TrainingConfig]),
    }


def _evaluation(run: RunDirectory) -> dict[str, Any]:
    """The search settings of the test set's translation, and whether the run's present model made it."""
    content = read_json(run.scores)
    search = content.get("search", {})
    check_shape(search, dict, f"{run.scores}: search", "run nmt eval again")
    weights = run.model / WEIGHTS
    return {"search": search, "of_this_model": weights.exists() and content.get("sha256") == sha256(weights)}


def _score(runs: Sequence[RunDirectory], descriptions: Sequence[dict[str, Any]]) -> list[list[Score]]:
    """Score the test-set translation of each run, if any; runs with the same test set are tested against the first.

    Descriptions get the number of their test set, from 1: scores on different ones cannot be compared.
    """
    test_sets: dict[tuple[str, ...], dict[str, list[str]]] = {}  # translations by references and number of the run
    for number, run in enumerate(runs):
        files = run.translation, run.held_out(TEST, "target")
        if not all(file.exists() for file in files):
            continue
        lines, references = (list(read_text(file)) for file in files)
        if len(lines) == len(references):
            test_sets.setdefault(tuple(references), {})[str(number)] = lines
        else:
            counts = files[0], counted(len(lines), "line"), len(references)
            logger.warning("%s has %s, but the reference has %d: run nmt eval again", *counts)
    scores: list[list[Score]] = [[] for _ in runs]
    for number, (test_set, systems) in enumerate(test_sets.items(), start=1):
        first = next(iter(systems))
        data = descriptions[int(first)]["data"]
        tokenizer = tokenizer_for(data["languages"]["target"] if data else None)
        if len(systems) == 1:
            rows = {first: score(systems[first], [test_set], METRICS, tokenizer, confidence=True, quiet=True)}
        else:
            rows = significance(systems, [test_set], "bootstrap", METRICS, tokenizer)
        for name, row in rows.items():
            scores[int(name)], descriptions[int(name)]["test_set"] = row, number
    return scores
