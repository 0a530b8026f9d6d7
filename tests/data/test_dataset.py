"""Opening prepared sets for training: what cannot be trained on is refused, what is too long is left out."""

import logging
from pathlib import Path

import numpy as np
import pytest

from nmt.data.batches import Position
from nmt.data.cleaning import flat
from nmt.data.dataset import Dataset, TrainingData
from nmt.data.shuffle import CorpusRows
from nmt.data.token_store import TokenRowWriter
from nmt.errors import NmtError


def write_set(directory: Path, lengths: list[tuple[int, int]]) -> Path:
    """A set of rows of these lengths; all tokens of row i are 10 + i."""
    directory.mkdir(parents=True)
    for side, name in enumerate(("source", "target")):
        with TokenRowWriter(directory, name, 100) as writer:
            writer.add(*flat([[10 + i] * pair[side] for i, pair in enumerate(lengths)]))
    return directory


def write_valid(data: Path, source: str, target: str) -> None:
    write_set(data / "valid", [(2, 2), (3, 3)])
    (data / "valid.source").write_text(source, encoding="utf-8")
    (data / "valid.target").write_text(target, encoding="utf-8")


def test_pairs_that_are_too_long_are_left_out_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = write_set(tmp_path / "train", [(3, 4), (5, 2), (2, 5), (4, 4), (1, 1)])
    with caplog.at_level(logging.WARNING, logger="nmt"):
        dataset = Dataset.open(directory, 4)
    assert caplog.messages == [f"{directory}: left out 2 pairs longer than --max-length"]
    assert sorted(np.concatenate(list(dataset.plan(100, 1).epoch(0)))) == [0, 3, 4]
    assert [row.tolist() for row in dataset.source.read([0, 4])] == [[10] * 3, [14]]


def test_nothing_is_said_where_all_pairs_fit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Dataset.open(write_set(tmp_path / "train", [(3, 4), (4, 3)]), 4)
    assert not caplog.messages


@pytest.mark.parametrize("longest", [1, 2])
def test_a_set_without_a_pair_that_fits_is_refused(tmp_path: Path, longest: int) -> None:
    directory = write_set(tmp_path / "train", [(3, 4), (3, 1)])
    with pytest.raises(NmtError, match=f"no pair is short enough for --max-length {longest}"):
        Dataset.open(directory, longest)


def test_sides_with_different_numbers_of_rows_are_refused(tmp_path: Path) -> None:
    """The rows of two data directories, mixed by a copy that was interrupted."""
    directory = write_set(tmp_path / "train", [(3, 4), (4, 3)])
    with TokenRowWriter(directory, "target", 100) as writer:
        writer.add(*flat([[7], [8], [9]]))
    with pytest.raises(NmtError, match="2 source but 3 target rows"):
        Dataset.open(directory, 10)


def test_corpora_decide_what_an_epoch_reads(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_set(data / "train", [(2, 2)] * 6)
    training = TrainingData.open(data, 10, (CorpusRows(0, 2, 4), CorpusRows(2, 4, 0)))
    assert sorted(np.concatenate(list(training.train.plan(100, 1).epoch(0)))) == [0, 0, 1, 1]
    assert training[1:] == (None, [], [])


def test_the_validation_set_is_rows_and_text(tmp_path: Path) -> None:
    """A pair that is too long for the loss is still translated."""
    data = tmp_path / "data"
    write_set(data / "train", [(2, 2)])
    write_valid(data, "eins\nzwei\ndrei\n", "one\ntwo\nthree\n")
    training = TrainingData.open(data, 10)
    assert (training.valid_lines, training.valid_references) == (["eins", "zwei", "drei"], ["one", "two", "three"])
    assert training.valid is not None
    position, rows = next(training.valid.plan(100, 1).stream(Position(0, 0)))
    assert (position, sorted(rows.tolist())) == (Position(1, 0), [0, 1])


def test_validation_text_with_different_numbers_of_lines_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_set(data / "train", [(2, 2)])
    write_valid(data, "eins\nzwei\n", "one\n")
    with pytest.raises(NmtError, match=r"valid\.source has 2 lines but .*valid\.target has 1"):
        TrainingData.open(data, 10)
