"""Prepared sets as training reads them: the pairs that the model is long enough for, as rows and as text."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nmt.config import ModelConfig
from nmt.data.batches import Batch, Plan, make_batch
from nmt.data.binary import Ids, Rows
from nmt.data.order import Corpus, Indices
from nmt.errors import NmtError
from nmt.files import read_text

logger = logging.getLogger("nmt")


class Pairs(NamedTuple):
    """Token rows of both sides of a set, how long a row may be for the model, and which corpora the rows are of."""

    source: Rows
    target: Rows
    limit: int
    corpora: tuple[Corpus, ...]

    @classmethod
    def open(cls, directory: Path, max_length: int, corpora: tuple[Corpus, ...] = ()) -> "Pairs":
        """Open one set of a data directory; what is longer than the model reads will be left out, and is told."""
        source, target = Rows(directory, "source"), Rows(directory, "target")
        if len(source) != len(target):
            raise NmtError(f"{directory}: {len(source)} source but {len(target)} target rows", "run nmt prepare again")
        both = zip(source.stretches(), target.stretches(), strict=True)
        too_long = sum(int((np.maximum(*lengths) > max_length).sum()) for lengths in both)
        if too_long == len(source):
            raise NmtError(f"{directory}: no pair is short enough for --max-length {max_length}", "raise it")
        if too_long:
            logger.warning("%s: %d pairs are longer than --max-length and left out", directory, too_long)
        return cls(source, target, max_length, corpora)

    def plan(self, budget: int, seed: int) -> Plan:
        """How epochs over these pairs are cut into batches."""
        return Plan(self.source.lengths, self.target.lengths, budget, seed, self.limit, self.corpora)

    def rows(self, chosen: Indices) -> tuple[list[Ids], list[Ids]]:
        """The source and target rows of pairs."""
        return [self.source[row] for row in chosen], [self.target[row] for row in chosen]

    def batch(self, chosen: Indices, model: ModelConfig, multiple: int = 1) -> Batch:
        """A batch of pairs, padded to a multiple of `multiple` tokens."""
        return make_batch(*self.rows(chosen), model.source_vocabulary, model.target_vocabulary, multiple)


class TrainingData(NamedTuple):
    """What training reads: the pairs of both sets, and the validation set as text; that set may be absent."""

    train: Pairs
    valid: Pairs | None
    valid_lines: list[str]
    valid_references: list[str]

    @classmethod
    def open(cls, directory: Path, max_length: int, corpora: tuple[Corpus, ...] = ()) -> "TrainingData":
        """Open a prepared data directory for a model of this length; `corpora` say what an epoch reads of it."""
        train = Pairs.open(directory / "train", max_length, corpora)
        if not (directory / "valid").is_dir():
            return cls(train, None, [], [])
        files = directory / "valid.source", directory / "valid.target"
        lines, references = (list(read_text(file)) for file in files)
        if len(lines) != len(references):
            counts = f"{files[0]} has {len(lines):,} lines but {files[1]} has {len(references):,}"
            raise NmtError(counts, "run nmt prepare again")
        return cls(train, Pairs.open(directory / "valid", max_length), lines, references)
