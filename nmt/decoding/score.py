"""Scoring: the log-probabilities that a model assigns to given translations, as in search."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from nmt.config.evaluation import ScoreConfig
from nmt.data.batches import Collator
from nmt.decoding.engine import length_penalty
from nmt.decoding.translator import BUFFER_LINES, Translator, length_batches
from nmt.files.lines import batched


class PairScore(NamedTuple):
    """The score of a target sentence, given its source."""

    log_prob: float  # the sum of token_scores
    score: float  # log_prob divided by the length penalty, as in search
    tokens: list[str]  # target pieces, </s> included
    token_scores: list[float]


def score_pairs(
    translator: Translator, pairs: Iterable[tuple[str, str]], config: ScoreConfig | None = None
) -> Iterator[PairScore]:
    """Yield the score of each pair of source and target line, in order."""
    config = config or ScoreConfig()
    tokenizers = translator.tokenizers
    for block in batched(pairs, BUFFER_LINES):
        sources = tokenizers.source.encode([source for source, _ in block], end=True)
        targets = tokenizers.target.encode([target for _, target in block], end=True)
        rows: list[list[float]] = [[] for _ in block]
        for batch in length_batches(list(map(max, map(len, sources), map(len, targets))), config.batch_tokens):
            batch_rows = token_log_probs(translator, [sources[i] for i in batch], [targets[i] for i in batch])
            for index, row in zip(batch, batch_rows, strict=True):
                rows[index] = row
        for target, log_probs in zip(targets, rows, strict=True):
            total = sum(log_probs)
            penalty = length_penalty(len(target), config.length_penalty, config.length_normalization)
            yield PairScore(total, total / penalty, tokenizers.target.pieces(target), log_probs)


@torch.inference_mode()
def token_log_probs(
    translator: Translator, sources: Sequence[list[int]], targets: Sequence[list[int]]
) -> list[list[float]]:
    """The log p(y_t | y_<t, x) of each target token, all at once; sources and targets end with END."""
    model = translator.model
    model.extend_positions(max(map(len, [*sources, *targets])))
    source, target = ([np.array(row) for row in side] for side in (sources, targets))
    batch = Collator.of(model.config, translator.device)(source, target).to(translator.device)
    log_probs = model.log_probs(model(batch.source, batch.source_mask, batch.target_input))
    chosen = log_probs.gather(2, batch.target_output[:, :, None]).squeeze(2).cpu().double()
    return [row[: len(target)].tolist() for row, target in zip(chosen, targets, strict=True)]
