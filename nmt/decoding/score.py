"""The log-probability that a model gives to translations that are there already.

log p(y | x) is the sum over the target's tokens, the end of the sentence included, of log p(y_t | y_<t, x): what search
adds up while it writes, here with all positions computed at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from nmt.config import ScoreConfig
from nmt.data.batches import make_batch
from nmt.decoding.hypotheses import length_penalty
from nmt.decoding.translate import BUFFER_LINES, Translator, length_batches
from nmt.files import chunks
from nmt.runtime import alignment
from nmt.text.tokenizer import END


class PairScore(NamedTuple):
    """What a model thinks of a target sentence, given its source."""

    log_prob: float  # the sum of token_scores
    score: float  # log_prob divided by the length penalty, as search ranks
    tokens: list[str]  # the target's pieces and the end of the sentence
    token_scores: list[float]


def score_pairs(
    translator: Translator, pairs: Iterable[tuple[str, str]], config: ScoreConfig | None = None
) -> Iterator[PairScore]:
    """The score of each pair of source and target line, in order."""
    config = config or ScoreConfig()
    tokenizers = translator.tokenizers
    for chunk in chunks(pairs, BUFFER_LINES):
        sources = [[*row, END] for row in tokenizers.source.encode([source for source, _ in chunk])]
        targets = [[*row, END] for row in tokenizers.target.encode([target for _, target in chunk])]
        found: list[list[float]] = [[] for _ in chunk]
        longest = [max(len(source), len(target)) for source, target in zip(sources, targets, strict=True)]
        for batch in length_batches(longest, config.batch_tokens):
            scored = token_log_probs(translator, [sources[i] for i in batch], [targets[i] for i in batch])
            for index, row in zip(batch, scored, strict=True):
                found[index] = row
        for target, log_probs in zip(targets, found, strict=True):
            total = sum(log_probs)
            pieces = tokenizers.target.pieces(target)
            penalty = length_penalty(len(target), config.length_penalty, config.length_normalization)
            yield PairScore(total, total / penalty, pieces, log_probs)


@torch.inference_mode()
def token_log_probs(
    translator: Translator, sources: Sequence[list[int]], targets: Sequence[list[int]]
) -> list[list[float]]:
    """The log p(y_t | y_<t, x) of each target token of a batch; rows of tokens, ends of sentences included."""
    model = translator.model
    model.reach(max(map(len, [*sources, *targets])))
    source, target = ([np.array(row) for row in side] for side in (sources, targets))
    sizes = model.config.source_vocabulary, model.config.target_vocabulary
    batch = make_batch(source, target, *sizes, alignment(translator.device)).to(translator.device)
    log_probs = model.log_probs(model(batch.source, batch.source_mask, batch.target_input))
    found = log_probs.gather(2, batch.target_output[:, :, None]).squeeze(2).cpu().double()
    return [row[: len(target)].tolist() for row, target in zip(found, targets, strict=True)]
