"""RUN/eval: the translation of the test set is saved with all that is needed to check its scores."""

import hashlib
import json
from pathlib import Path

import pytest
from conftest import Program

from nmt.config.search import SearchConfig
from nmt.decoding.translator import Translator
from nmt.errors import NmtError
from nmt.files.run_directory import RunDirectory
from nmt.runs.evaluation import save_scores, translate_test_set

SEARCH = SearchConfig(beam=2, max_length=6)


def test_the_translation_is_the_translators_and_its_provenance_names_the_model(run_copy: Path) -> None:
    run, translator = RunDirectory(run_copy), Translator.load(run_copy / "model")
    lines, provenance = translate_test_set(run, run.model, translator, SEARCH, "float32")
    sources = (run_copy / "data" / "test.source").read_text("utf-8").splitlines()
    assert lines == [translation.text for translation in translator.stream(sources, SEARCH)]
    assert run.translation.read_text("utf-8") == "".join(f"{line}\n" for line in lines)
    weights = (run_copy / "model" / "model.safetensors").read_bytes()
    assert provenance["sha256"] == hashlib.sha256(weights).hexdigest()
    assert (provenance["model"], provenance["made"]) == (str(run.model), {"step": 0})
    assert (provenance["search"]["beam"], provenance["search"]["max_length"]) == (2, 6)
    assert provenance["precision"] == "float32"


def test_scores_are_saved_beside_the_translation(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    save_scores(run, {"model": "m", "search": {"beam": 2}}, {"lines": 8, "BLEU": {"score": 1.5}})
    content = json.loads((tmp_path / "eval" / "test.json").read_text("utf-8"))
    assert content == {"model": "m", "search": {"beam": 2}, "lines": 8, "BLEU": {"score": 1.5}}


def test_a_run_that_cannot_be_written_to_is_scored(command: Program, run_copy: Path) -> None:
    """A run of a colleague, or on a full disk: hours of translating would be lost with the scores."""
    (run_copy / "eval").write_bytes(b"")  # which no one can write into, root included
    done = command("eval", "--run", run_copy, "--beam", 1, "--max-length", 6, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["lines"] == 8
    assert done.stderr == 2 * f"warning: {run_copy / 'eval'}: File exists; not saved\n"


def test_without_a_test_set_nothing_is_written(run_copy: Path) -> None:
    (run_copy / "data" / "test.source").unlink()
    run, translator = RunDirectory(run_copy), Translator.load(run_copy / "model")
    with pytest.raises(NmtError, match="the run has no test set"):
        translate_test_set(run, run.model, translator, SEARCH, "float32")
    assert not run.translation.exists()


def test_eval_scores_the_run_and_report_shows_how_it_was_translated(command: Program, run_copy: Path) -> None:
    done = command("eval", "--run", run_copy, "--beam", 2, "--max-length", 6, "--json", "--quiet")
    saved = json.loads((run_copy / "eval" / "test.json").read_text("utf-8"))
    scores = json.loads(done.stdout)
    assert {key: saved[key] for key in scores} == scores
    report = json.loads(command("report", run_copy, "--json").stdout)[0]
    assert report["evaluation"]["of_this_model"] is True
    assert report["evaluation"]["search"] == saved["search"]
    values = {metric["name"]: metric["value"] for metric in report["scores"]}
    assert values == {name: pytest.approx(scores[name]["score"]) for name in ("BLEU", "chrF2")}
