"""Prepared sets as training reads them: the pairs that the model is long enough for, as rows and as text."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.config import ModelConfig
from nmt.data.batches import Batch, Indices, make_batch
from nmt.data.binary import Ids, Rows
from nmt.errors import NmtError
from nmt.files import read_text

logger = logging.getLogger("nmt")


class Pairs(NamedTuple):
    """Token rows of both sides of a set, and which of them are short enough for the model."""

    source: Rows
    target: Rows
    fitting: Indices

    @classmethod
    def open(cls, directory: Path, max_length: int) -> "Pairs":
        """Open one set of a data directory; what is longer than the model reads is left out, and told."""
        source, target = Rows(directory, "source"), Rows(directory, "target")
        if len(source) != len(target):
            raise NmtError(f"{directory}: {len(source)} source but {len(target)} target rows", "run nmt prepare again")
        fitting = np.flatnonzero(np.maximum(source.lengths, target.lengths) <= max_length)
        if len(fitting) < len(source):
            logger.warning(
                "%s: %d pairs are longer than --max-length and left out", directory, len(source) - len(fitting)
            )
        if not len(fitting):
            raise NmtError(f"{directory}: no pair is short enough for --max-length {max_length}", "raise it")
        return cls(source, target, fitting)

    def lengths(self) -> tuple[Indices, Indices]:
        """Lengths of source and target of the pairs that fit."""
        return self.source.lengths[self.fitting], self.target.lengths[self.fitting]

    def rows(self, chosen: Indices) -> tuple[list[Ids], list[Ids]]:
        """The source and target rows of pairs, by their places among those that fit."""
        rows = self.fitting[chosen]
        return [self.source[row] for row in rows], [self.target[row] for row in rows]

    def batch(self, chosen: Indices, model: ModelConfig) -> Batch:
        """A batch of pairs, by their places among those that fit."""
        return make_batch(*self.rows(chosen), model.source_vocabulary, model.target_vocabulary)


class TrainingData(NamedTuple):
    """What training reads: the pairs of both sets, and the validation set as text; that set may be absent."""

    train: Pairs
    valid: Pairs | None
    valid_lines: list[str]
    valid_references: list[str]

    @classmethod
    def open(cls, directory: Path, max_length: int) -> "TrainingData":
        """Open a prepared data directory for a model of this length."""
        train = Pairs.open(directory / "train", max_length)
        if not (directory / "valid").is_dir():
            return cls(train, None, [], [])
        files = directory / "valid.source", directory / "valid.target"
        lines, references = (list(read_text(file)) for file in files)
        if len(lines) != len(references):
            counts = f"{files[0]} has {len(lines):,} lines but {files[1]} has {len(references):,}"
            raise NmtError(counts, "run nmt prepare again")
        return cls(train, Pairs.open(directory / "valid", max_length), lines, references)
