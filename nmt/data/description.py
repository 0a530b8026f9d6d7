"""data.json: the description of prepared data."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.files.atomic import recover_directory
from nmt.files.json import Shape, check_shape, read_json
from nmt.files.run_directory import DATA_DESCRIPTION, MODEL_CONFIG, SIDES, TRAIN, RunDirectory, is_data, is_model
from nmt.text.pair import Languages
from nmt.text.tokenizer import Tokenizers

logger = logging.getLogger("nmt")

_HINT = "run nmt prepare again"

FORMAT = 1

_COUNTS: Shape = dict.fromkeys(SIDES, int)
_LANGUAGES: Shape = dict.fromkeys(SIDES, (str, type(None)))
_SHAPE: Shape = {
    "nmt": str,
    "languages": _LANGUAGES,
    "files": {TRAIN: list},
    "sets": {TRAIN: {"pairs": int, "read": int, "dropped": dict, "tokens": _COUNTS}},
    "settings": dict,
    "vocabulary": _COUNTS,
    "sha256": dict,
}


def read_description(directory: Path, tokenizers: Tokenizers | None = None) -> dict[str, Any]:
    """Read data.json; NmtError if it is missing or invalid, or if the data has other tokenizers than those given."""
    recover_directory(directory)
    if not is_data(directory):
        raise NmtError(f"{directory}: no prepared data", "run nmt prepare SOURCE TARGET --valid SOURCE TARGET")
    content = read_json(directory / DATA_DESCRIPTION)
    if content.get("format") != FORMAT:
        raise NmtError(f"{directory}: data of format {content.get('format', 'unknown')}, not {FORMAT}", _HINT)
    if tokenizers is not None and content.get("tokenizer") != tokenizers.fingerprint():
        raise NmtError(f"{directory}: prepared with another tokenizer than the run's", _HINT)
    where = str(directory / DATA_DESCRIPTION)
    check_shape(content, _SHAPE, where, _HINT)
    corpora = content["sets"][TRAIN].get("corpora", [])
    check_shape(corpora, list, f"{where}: corpora", _HINT)
    for corpus in corpora:
        check_shape(corpus, {"name": str, "files": list, "pairs": int}, f"{where}: corpora", _HINT)
    return content


def corpora_of(description: dict[str, Any]) -> list[dict[str, Any]]:
    """The description of each corpus of the training set."""
    train, files = description["sets"][TRAIN], description["files"][TRAIN]
    return train.get("corpora") or [{"name": Path(str(files[0])).name if files else "", "files": files, **train}]


def fingerprint(description: dict[str, Any]) -> str:
    """The SHA-256 of the hashes of all arrays."""
    return hashlib.sha256(json.dumps(description["sha256"], sort_keys=True).encode()).hexdigest()


def save_tokenizers(run: RunDirectory, tokenizers: Tokenizers, *, force: bool = False) -> None:
    """Make these a run's tokenizers; unless `force`, NmtError where others would be lost, not nmt's or of its model."""
    if run.has_tokenizer() and not force:
        try:
            changed = Tokenizers.load(run.path) != tokenizers
        except NmtError as error:
            raise NmtError(f"{error.problem}; it is not replaced", "use another --run, or add --force") from None
        if changed:
            run.check_untrained("tokenizer")
    tokenizers.save(run.path)


def languages_in(directory: Path | None) -> Languages:
    """The languages of a model, or of a run's model or prepared data; None: unknown."""
    run = RunDirectory(directory or Path())
    paths = (run.path / MODEL_CONFIG, run.model / MODEL_CONFIG, run.data / DATA_DESCRIPTION)
    path = next((path for path in paths if directory and path.exists()), None)
    if not path:
        return None, None
    content = read_json(path) if path.name == DATA_DESCRIPTION else _read_origin(path.parent)
    languages = content.get("languages") or {}
    check_shape(languages, {}, f"{path}: languages", "the file is damaged")
    return languages.get("source"), languages.get("target")


def warn_of_other_data(model: Path, data: Path) -> None:
    """Warn if a model was trained on other data than that of a data directory."""
    if not is_model(model) or not is_data(data):
        return
    trained_on = _read_origin(model).get("data")
    if trained_on not in (None, read_description(data)["sha256"]):
        logger.warning("%s was trained on other data than %s: it may have seen sentences of its test set", model, data)


def _read_origin(model: Path) -> dict[str, Any]:
    """What the config.json of a model says about its origin."""
    content = read_json(model / MODEL_CONFIG)
    check_shape(content, {"made": dict}, str(model / MODEL_CONFIG), "the file is damaged")
    made: dict[str, Any] = content["made"]
    return made
