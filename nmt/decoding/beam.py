"""Beam search over a step function; it knows tokens and log-probabilities, but no model.

The device proposes candidates (selection.py), the host decides which finish and which continue (hypotheses.py): one
transfer in each direction per position. Greedy search is a beam of size 1; samples are hypotheses that do not compete.
All sentences of a batch advance together. A sentence that is done leaves the batch without effect on the others.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.decoding.constraints import ConstrainedSelection
from nmt.decoding.engine import Hypothesis, Request
from nmt.decoding.hypotheses import Beam
from nmt.decoding.rules import Rules
from nmt.decoding.selection import CandidateSelection, Distribution
from nmt.decoding.text_rules import NO_TEXT, TextRules
from nmt.text.tokenizer import BEGIN


class Step(Protocol):
    """A model as search sees it. The beam holds one hypothesis at the first position, then its full size."""

    @property
    def attention(self) -> Tensor | None:
        """Attention of the newest tokens to the source [batch, beam, source], if computed for coverage."""

    def __call__(self, tokens: Tensor) -> Distribution:
        """Compute the distribution of the next token, given the newest tokens [batch, beam]."""

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Keep these hypotheses (flat indices into batch * beam) of these sentences (None: all)."""


def beam_search(
    step: Step,
    requests: Sequence[Request],
    config: SearchConfig,
    device: torch.device,
    text: TextRules = NO_TEXT,
) -> list[list[Hypothesis]]:
    """The n-best list of each sentence: at least one hypothesis, at most `config.returned`."""
    beam, rules = Beam(requests, config, text.text_of), Rules(requests, config, text)
    constrained = any(request.required for request in requests)
    selection = ConstrainedSelection(rules, device) if constrained else CandidateSelection(rules, device)
    newest = torch.full((len(requests), 1), BEGIN, device=device)
    while True:
        distribution = step(newest)
        choices = selection.choose(distribution, beam, step.attention if config.coverage_penalty else None)
        beam.finish(choices)
        if not beam.open.any():
            return beam.finished.n_best()
        newest, rows, sentences = selection.upload(*beam.extend(choices))
        step.select(rows, sentences)
