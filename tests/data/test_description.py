"""data.json: what is not as it should be is named, and older data is read as ever."""

import copy
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nmt.data.description import corpora_of, fingerprint, languages_in, read_description, warn_of_other_data
from nmt.errors import NmtError

VALID: dict[str, Any] = {
    "format": 1,
    "nmt": "0.1",
    "languages": {"source": "de", "target": None},
    "files": {"train": ["a/b.de", "a/b.en"]},
    "sets": {"train": {"pairs": 3, "read": 4, "dropped": {"empty": 1}, "tokens": {"source": 9, "target": 8}}},
    "settings": {},
    "vocabulary": {"source": 10, "target": 10},
    "sha256": {"train/source.ids.npy": "aa", "train/target.ids.npy": "bb"},
}


def write(directory: Path, content: Any) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "data.json").write_text(json.dumps(content), encoding="utf-8")
    return directory


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    content = copy.deepcopy(VALID)
    change(content)
    return content


def test_a_description_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_description(write(tmp_path, VALID)) == VALID


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.pop("sets"),
        lambda content: content["sets"]["train"].pop("tokens"),
        lambda content: content["sets"]["train"].update(pairs="3"),
        lambda content: content["languages"].update(source=5),
        lambda content: content["vocabulary"].pop("target"),
        lambda content: content["sets"]["train"].update(corpora={}),
        lambda content: content["sets"]["train"].update(corpora=[{"name": "a", "files": []}]),
        lambda content: content.update(format=2),
        lambda content: content.clear(),
    ],
)
def test_a_damaged_description_is_one_message(tmp_path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """A KeyError deep inside of training says nothing about the file."""
    with pytest.raises(NmtError) as caught:
        read_description(write(tmp_path, changed(change)))
    assert str(tmp_path) in caught.value.problem
    assert caught.value.hint == "run nmt prepare again"


def test_a_replacement_that_was_cut_short_is_undone(tmp_path: Path) -> None:
    """Killed between two renames, the old data is under a hidden name."""
    write(tmp_path / ".data.old", VALID)
    assert read_description(tmp_path / "data") == VALID


def test_corpora_are_those_of_the_set_or_the_set_itself() -> None:
    assert corpora_of(VALID) == [{"name": "b.de", "files": ["a/b.de", "a/b.en"], **VALID["sets"]["train"]}]
    corpora = [{"name": "x", "files": [], "pairs": 1}, {"name": "y", "files": [], "pairs": 2}]
    assert corpora_of(changed(lambda content: content["sets"]["train"].update(corpora=corpora))) == corpora
    assert corpora_of(changed(lambda content: content["files"].update(train=[])))[0]["name"] == ""


def test_the_fingerprint_depends_on_the_arrays_alone() -> None:
    same = changed(lambda content: content.update(nmt="9", sha256=dict(reversed(content["sha256"].items()))))
    assert fingerprint(same) == fingerprint(VALID)
    other = changed(lambda content: content["sha256"].update({"train/source.ids.npy": "ab"}))
    assert fingerprint(other) != fingerprint(VALID)


@pytest.mark.parametrize(
    ("made", "warned"),
    [({"data": VALID["sha256"]}, False), ({"data": {"train/source.ids.npy": "xx"}}, True), ({}, False), (None, False)],
)
def test_a_model_of_other_data_is_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, made: dict[str, Any] | None, warned: bool
) -> None:
    """A new split of the corpus puts sentences that the old model has learned into the test set."""
    data, model = write(tmp_path / "data", VALID), tmp_path / "model"
    model.mkdir()
    if made is not None:
        (model / "config.json").write_text(json.dumps({"made": made}), encoding="utf-8")
    with caplog.at_level(logging.WARNING, logger="nmt"):
        warn_of_other_data(model, data)
    assert bool(caplog.messages) == warned
    assert all("was trained on other data than" in message for message in caplog.messages)


@pytest.mark.parametrize("made", ["x", [], {"languages": "de"}, {"languages": [1]}, None])
def test_a_damaged_origin_of_a_model_is_one_message(tmp_path: Path, made: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"made": made}), encoding="utf-8")
    with pytest.raises(NmtError, match=r"config\.json: (made|languages)"):
        languages_in(tmp_path)


@pytest.mark.parametrize("made", [{}, {"languages": None}, {"languages": {}}])
def test_languages_of_a_model_may_be_unknown(tmp_path: Path, made: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"made": made}), encoding="utf-8")
    assert languages_in(tmp_path) == (None, None)
