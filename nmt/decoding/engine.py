"""Engines: models that turn batches of source tokens into hypotheses, without knowledge of text.

A batch is decoded by one thread, several batches at a time, so that the number of threads changes no translation.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.decoding.beam import beam_search
from nmt.decoding.hypotheses import Hypothesis, Request
from nmt.decoding.rules import NO_TEXT, TextRules
from nmt.decoding.step import EnsembleStep, ModelStep
from nmt.model.transformer import Transformer
from nmt.runtime import aligned, alignment, to_device
from nmt.text.tokenizer import BEGIN, PAD


class Engine(Protocol):
    """A model that can search: nmt's own, or one that other software runs."""

    max_length: int  # tokens of source and translation, END included
    device: torch.device
    batches: int  # that it takes at a time, to decode them in parallel by itself

    def search(
        self, requests: Sequence[Request], config: SearchConfig, text: TextRules = NO_TEXT
    ) -> list[list[Hypothesis]]:
        """The n-best list of each request."""

    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Tensor]:
        """The attention of target tokens to source tokens, for alignments: [target, source] of each pair."""


class TorchEngine:
    """A Transformer, or several as an ensemble, on one device."""

    def __init__(self, models: Sequence[Transformer], device: torch.device, average: str = "probabilities") -> None:
        self.models, self.device, self.average, self.batches = models, device, average, 1
        self.max_length = min(model.config.max_length for model in models)

    @torch.inference_mode()
    def search(
        self, requests: Sequence[Request], config: SearchConfig, text: TextRules = NO_TEXT
    ) -> list[list[Hypothesis]]:
        """The n-best list of each request."""
        source = padded([request.source for request in requests], self.device)
        mask = source != PAD
        for model in self.models:
            model.extend_positions(max(source.size(1), *(request.max_length for request in requests)))
        coverage = config.coverage_penalty > 0
        steps = [ModelStep(model, source, mask, attention=coverage) for model in self.models]
        step = steps[0] if len(steps) == 1 else EnsembleStep(steps, self.average)
        return beam_search(step, requests, config, self.device, text)

    @torch.inference_mode()
    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Tensor]:
        """Attention in `alignment_layer`, the mean over heads and models: [target, source] of each pair."""
        source, target = padded(sources, self.device), padded([[BEGIN, *row] for row in targets], self.device)
        mask = source != PAD
        total = torch.zeros(())
        for model in self.models:
            model.extend_positions(max(source.size(1), target.size(1)))
            weights = model.attention(source, mask, target).cross[model.config.alignment_layer]
            total = total + weights.mean(dim=1).float().cpu()
        pairs = zip(total / len(self.models), sources, targets, strict=True)
        return [weights[: len(target_row), : len(source_row)] for weights, source_row, target_row in pairs]


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Rows of tokens as a tensor [batch, time], padded at the end."""
    longest = aligned(max(map(len, rows)), alignment(device))
    return to_device(np.array([[*row, *[PAD] * (longest - len(row))] for row in rows]), device)
