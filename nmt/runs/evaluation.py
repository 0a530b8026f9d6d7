"""RUN/eval: the translation of the test set by the run's model, and its scores."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nmt.config.search import SearchConfig
from nmt.decoding.translator import Translator
from nmt.evaluation.evaluation_set import held_out_test
from nmt.files.atomic import write_text
from nmt.files.checksum import sha256
from nmt.files.json import read_json, write_json
from nmt.files.lines import read_text
from nmt.files.run_directory import MODEL_CONFIG, WEIGHTS, RunDirectory

logger = logging.getLogger("nmt")


def translate_test_set(
    run: RunDirectory, model: Path, translator: Translator, config: SearchConfig, precision: str
) -> tuple[list[str], dict[str, Any]]:
    """Translate the run's test set into RUN/eval; returns the translations and their provenance."""
    lines = [translation.text for translation in translator.stream(read_text(held_out_test(run, "source")), config)]
    with _unless_read_only():
        write_text(run.translation, "".join(line + "\n" for line in lines))
        logger.info("translated the test set with beam size %d into %s", config.beam, run.translation)
    provenance = {
        "model": str(model),
        "sha256": sha256(model / WEIGHTS),
        "made": read_json(model / MODEL_CONFIG).get("made", {}),
        "search": asdict(config),
        "precision": precision,
    }
    return lines, provenance


def save_scores(run: RunDirectory, provenance: Mapping[str, Any], scores: Mapping[str, Any]) -> None:
    """Save the scores of that translation and its provenance."""
    with _unless_read_only():
        write_json(run.scores, {**provenance, **scores})


@contextmanager
def _unless_read_only() -> Iterator[None]:
    """Warn of a file that cannot be written: its content is shown, and took long to compute."""
    try:
        yield
    except OSError as error:
        logger.warning("%s: %s; not saved", error.filename, error.strerror)
