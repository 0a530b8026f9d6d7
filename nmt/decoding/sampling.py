"""Sampling of the next token: a pure function of log-probabilities and uniform random numbers.

The numbers are derived from a sentence's seed and the index of its sample, so that the batch changes nothing.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.decoding.engine import Request
from nmt.runtime import to_device, widest_float


def uniform_numbers(requests: Sequence[Request], config: SearchConfig, device: torch.device) -> Tensor:
    """Random numbers in [0, 1) for each sentence, sample and position: [batch, samples, time]."""
    longest = max(request.max_length for request in requests)
    numbers = [
        [np.random.default_rng([request.seed, sample]).random(longest) for sample in range(config.hypotheses)]
        for request in requests
    ]
    return to_device(torch.from_numpy(np.array(numbers)).to(widest_float(device)), device)


def draw(scores: Tensor, uniform: Tensor, config: SearchConfig) -> Tensor:
    """Draw a token by the inverse cumulative distribution: scores [..., vocab] and numbers [...] -> tokens [...].

    Temperature comes first, then top-k (Fan et al. 2018), then nucleus sampling (Holtzman et al. 2020).
    """
    logits, tokens = scores.to(uniform) / config.temperature, None
    if config.top_k or config.top_p < 1:
        logits, tokens = logits.topk(min(config.top_k or scores.size(-1), scores.size(-1)), dim=-1)
    probabilities = logits.softmax(dim=-1)
    if config.top_p < 1:
        before = probabilities.cumsum(dim=-1) - probabilities
        probabilities = probabilities.masked_fill(before >= config.top_p, 0.0)
    cumulative = probabilities.cumsum(dim=-1)
    threshold = uniform[..., None] * cumulative[..., -1:]
    index = torch.searchsorted(cumulative, threshold, right=True).clamp_max_(scores.size(-1) - 1)
    return (index if tokens is None else tokens.gather(-1, index.clamp_max(tokens.size(-1) - 1))).squeeze(-1)
