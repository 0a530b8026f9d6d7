"""Prepared sets for training: token rows up to the model's maximum length, and the text of the validation set."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.data.batches import BatchPlan
from nmt.data.shuffle import CorpusRows
from nmt.data.token_store import TokenRows
from nmt.errors import NmtError, counted
from nmt.files.lines import read_text
from nmt.files.run_directory import SIDES, TRAIN, VALID, held_out_text

logger = logging.getLogger("nmt")


class Dataset(NamedTuple):
    """The token rows of a set, their maximum length, and the corpora that they belong to."""

    source: TokenRows
    target: TokenRows
    max_length: int
    corpora: tuple[CorpusRows, ...]

    @classmethod
    def open(cls, directory: Path, max_length: int, corpora: tuple[CorpusRows, ...] = ()) -> "Dataset":
        """Open a set; warn of pairs that are too long, NmtError if all are or the sides differ."""
        source, target = (TokenRows(directory, side) for side in SIDES)
        if len(source) != len(target):
            raise NmtError(f"{directory}: {len(source)} source but {len(target)} target rows", "run nmt prepare again")
        blocks = zip(source.length_blocks(), target.length_blocks(), strict=True)
        too_long = sum(int((np.maximum(*lengths) > max_length).sum()) for lengths in blocks)
        if too_long == len(source):
            raise NmtError(f"{directory}: no pair is short enough for --max-length {max_length}", "raise it")
        if too_long:
            logger.warning("%s: left out %s longer than --max-length", directory, counted(too_long, "pair"))
        return cls(source, target, max_length, corpora)

    def plan(self, budget: int, seed: int) -> BatchPlan:
        """The batches of epochs over these pairs, of at most `budget` tokens."""
        return BatchPlan(self.source.lengths, self.target.lengths, budget, seed, self.max_length, self.corpora)


class TrainingData(NamedTuple):
    """The training set, and the validation set, if any, as rows and as text."""

    train: Dataset
    valid: Dataset | None
    valid_lines: list[str]
    valid_references: list[str]

    @classmethod
    def open(cls, directory: Path, max_length: int, corpora: tuple[CorpusRows, ...] = ()) -> "TrainingData":
        """Open a data directory; an epoch reads `corpora` of it, or everything once."""
        train = Dataset.open(directory / TRAIN, max_length, corpora)
        if not (directory / VALID).is_dir():
            return cls(train, None, [], [])
        files = [held_out_text(directory, VALID, side) for side in SIDES]
        lines, references = (list(read_text(file)) for file in files)
        if len(lines) != len(references):
            counts = f"{files[0]} has {counted(len(lines), 'line')} but {files[1]} has {len(references):,}"
            raise NmtError(counts, "run nmt prepare again")
        return cls(train, Dataset.open(directory / VALID, max_length), lines, references)
