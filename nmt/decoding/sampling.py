"""Drawing the next token (Holtzman et al. 2020 for top-p): a pure function of log-probabilities and uniform numbers.

The numbers are derived from the seed, the text of the line and the number of the sample, so that a draw depends on
nothing else: not on the batch, not on the order of the lines.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nmt.config import SearchConfig
from nmt.runtime import to_device, widest_float


class Seeded(Protocol):
    """A sentence whose samples are to be drawn."""

    @property
    def seed(self) -> int:
        """What its draws are derived from."""

    @property
    def max_length(self) -> int:
        """The most tokens of a sample."""


def uniform_numbers(requests: Sequence[Seeded], config: SearchConfig, device: torch.device) -> Tensor:
    """Numbers in [0, 1) for each sentence, sample and position: [batch, samples, time]."""
    longest = max(request.max_length for request in requests)
    drawn = [
        [np.random.default_rng([request.seed, sample]).random(longest) for sample in range(config.hypotheses)]
        for request in requests
    ]
    return to_device(torch.from_numpy(np.array(drawn)).to(widest_float(device)), device)


def draw(scores: Tensor, uniform: Tensor, config: SearchConfig) -> Tensor:
    """A token for each of the log-probabilities [..., vocab] by the inverse of their cumulative sum: [...].

    They are divided by the temperature first; then only the `top_k` best tokens can be drawn, and of these only the
    best that together have the probability `top_p`.
    """
    logits, tokens = scores.to(uniform) / config.temperature, None
    if config.top_k or config.top_p < 1:
        logits, tokens = logits.topk(min(config.top_k or scores.size(-1), scores.size(-1)), dim=-1)
    probabilities = logits.softmax(dim=-1)
    if config.top_p < 1:
        before = probabilities.cumsum(dim=-1) - probabilities
        probabilities = probabilities.masked_fill(before >= config.top_p, 0.0)
    cumulative = probabilities.cumsum(dim=-1)
    wanted = uniform[..., None] * cumulative[..., -1:]
    index = torch.searchsorted(cumulative, wanted, right=True).clamp_max_(scores.size(-1) - 1)
    return (index if tokens is None else tokens.gather(-1, index.clamp_max(tokens.size(-1) - 1))).squeeze(-1)
