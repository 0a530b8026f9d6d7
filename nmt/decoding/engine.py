"""The models that do the work: batches of tokens in, hypotheses out. It knows nothing of text.

Each batch is searched by one thread: of several threads each takes a batch of its own, so that all the work is shared
and not only the matrix products, and a translation does not depend on how many there are.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nmt.config import SearchConfig
from nmt.decoding.beam import beam_search
from nmt.decoding.hypotheses import Hypothesis, Request
from nmt.decoding.rules import ForbiddenWords
from nmt.decoding.step import EnsembleStep, ModelStep
from nmt.model.transformer import Transformer
from nmt.runtime import aligned, alignment, to_device
from nmt.text.tokenizer import BEGIN, PAD


class Engine(Protocol):
    """What can search: our own models, or an export of them that something else runs."""

    max_length: int
    """Tokens of the longest sentence it reads or writes."""

    device: torch.device
    """Where it computes."""

    batches: int
    """How many batches it takes at a time, to share them out by itself."""

    def search(
        self,
        sources: Sequence[list[int]],
        requests: Sequence[Request],
        config: SearchConfig,
        forbidden: ForbiddenWords | None,
    ) -> list[list[Hypothesis]]:
        """The best hypotheses of each source, whose tokens end with `</s>`."""

    def attention(self, sources: Sequence[list[int]], targets: Sequence[list[int]]) -> list[Tensor]:
        """How much each target token looks at each source token, for alignments: [target, source] of each pair."""


class TorchEngine:
    """A Transformer, or several as an ensemble, on one device."""

    def __init__(self, models: Sequence[Transformer], device: torch.device, average: str = "probabilities") -> None:
        self.models, self.device, self.average, self.batches = models, device, average, 1
        self.max_length = min(model.config.max_length for model in models)

    @torch.inference_mode()
    def search(
        self,
        sources: Sequence[list[int]],
        requests: Sequence[Request],
        config: SearchConfig,
        forbidden: ForbiddenWords | None = None,
    ) -> list[list[Hypothesis]]:
        """The best hypotheses of each source, whose tokens end with `</s>`."""
        source = padded(sources, self.device)
        mask = source != PAD
        for model in self.models:
            model.reach(max(source.size(1), *(request.max_length for request in requests)))
        observe = config.coverage_penalty > 0
        steps = [ModelStep(model, source, mask, observe=observe) for model in self.models]
        step = steps[0] if len(steps) == 1 else EnsembleStep(steps, self.average)
        return beam_search(step, requests, config, self.device, forbidden)

    @torch.inference_mode()
    def attention(self, sources: Sequence[list[int]], targets: Sequence[list[int]]) -> list[Tensor]:
        """The mean over heads and models of attention in `alignment_layer`: [target, source] for each pair."""
        source, target = padded(sources, self.device), padded([[BEGIN, *row] for row in targets], self.device)
        mask = source != PAD
        total = torch.zeros(())
        for model in self.models:
            model.reach(max(source.size(1), target.size(1)))
            weights = model.attention(source, mask, target).cross[model.alignment_layer]
            total = total + weights.mean(dim=1).float().cpu()
        return [
            one[: len(written), : len(read)]
            for one, read, written in zip(total / len(self.models), sources, targets, strict=True)
        ]


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Rows of tokens as one tensor [batch, time], padded at their ends."""
    longest = aligned(max(map(len, rows)), alignment(device))
    return to_device(np.array([[*row, *[PAD] * (longest - len(row))] for row in rows]), device)
