"""nmt's own engine: a Transformer, or several as an ensemble, on torch.

A batch is decoded by one thread, several batches at a time, so that the number of threads changes no translation.
"""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nmt.config.search import SearchConfig
from nmt.decoding.beam import beam_search
from nmt.decoding.engine import Array, Hypothesis, Request
from nmt.decoding.step import EnsembleStep, ModelStep
from nmt.decoding.text_rules import NO_TEXT, TextRules
from nmt.errors import NmtError
from nmt.model.kernels.linear import can_pack, pack_linear_layers
from nmt.model.model_directory import LoadedModel, load_model
from nmt.model.model_files import languages_of
from nmt.model.transformer import Transformer
from nmt.runtime import (
    aligned,
    alignment,
    choose_device,
    choose_dtype,
    keep_freed_memory,
    on_gpu,
    one_thread,
    to_device,
    use_device,
)
from nmt.text.tokenizer import BEGIN, PAD
from nmt.workers import processes

logger = logging.getLogger("nmt")


class TorchEngine:
    """A Transformer, or several as an ensemble, on one device."""

    def __init__(
        self, models: Sequence[Transformer], device: torch.device, average: str = "probabilities", threads: int = 1
    ) -> None:
        self.models, self.device, self.average, self.batches = models, device, average, 1
        self.gpu = on_gpu(device)
        self.processes = 1 if self.gpu else threads
        self.max_length = min(model.config.max_length for model in models)

    def choose(self, config: SearchConfig) -> "TorchEngine":  # noqa: ARG002
        """Return this engine, for every search."""
        return self

    def on_torch(self) -> "TorchEngine":
        """Return this engine."""
        return self

    @torch.inference_mode()
    def search(
        self,
        requests: Sequence[Request],
        config: SearchConfig,
        text: TextRules = NO_TEXT,
        *,
        token_scores: bool = True,  # noqa: ARG002
    ) -> list[list[Hypothesis]]:
        """The n-best list of each request."""
        with self._threads():
            return self._search(requests, config, text)

    def _threads(self) -> AbstractContextManager[None]:
        """One thread in each of several processes; those of a fork would wait for ever for those of its parent."""
        return one_thread() if processes(self.processes) > 1 else nullcontext()

    def _search(self, requests: Sequence[Request], config: SearchConfig, text: TextRules) -> list[list[Hypothesis]]:
        source = padded([request.source for request in requests], self.device)
        mask = source != PAD
        for model in self.models:
            model.extend_positions(max(source.size(1), *(request.max_length for request in requests)))
        coverage = config.coverage_penalty > 0
        steps = [ModelStep(model, source, mask, attention=coverage) for model in self.models]
        step = steps[0] if len(steps) == 1 else EnsembleStep(steps, self.average)
        return beam_search(step, requests, config, self.device, text)

    @torch.inference_mode()
    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Array]:
        """Attention in `alignment_layer`, the mean over heads and models: [target, source] of each pair."""
        with self._threads():
            return self._attention(sources, targets)

    def _attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Array]:
        source, target = padded(sources, self.device), padded([[BEGIN, *row] for row in targets], self.device)
        mask = source != PAD
        total = torch.zeros(())
        for model in self.models:
            model.extend_positions(max(source.size(1), target.size(1)))
            weights = model.attention(source, mask, target).cross[model.config.alignment_layer]
            total = total + weights.mean(dim=1).float().cpu()
        pairs = zip((total / len(self.models)).numpy(), sources, targets, strict=True)
        return [weights[: len(target_row), : len(source_row)] for weights, source_row, target_row in pairs]


def load_torch_engine(
    directories: Sequence[Path], precision: str, device: str, threads: int, average: str
) -> tuple[TorchEngine, LoadedModel]:
    """Load a model directory, or several as an ensemble, and return the first of them, too.

    Raises NmtError for invalid directories, ensemble members with different tokenizers, and missing devices.
    """
    chosen = choose_device(device)
    use_device(chosen)
    keep_freed_memory()
    torch.set_num_threads(threads)
    dtype, int8 = choose_dtype(precision, chosen, exact=True), precision == "int8"
    members = [load_model(directory, chosen, dtype) for directory in directories]
    if not on_gpu(chosen) and can_pack(dtype, int8=int8):
        for member in members:
            pack_linear_layers(member.model, int8=int8)
    elif int8:
        logger.warning("--precision int8: torch has no int8 kernels for this machine; computing in float32")
    for directory, member in zip(directories, members, strict=True):
        if member.tokenizers != members[0].tokenizers:
            problem = f"{directory}: its tokenizers are not those of {directories[0]}"
            raise NmtError(problem, "ensemble members must share their tokenizers")
        source, target = languages_of(members[0].provenance)
        if source != target and languages_of(member.provenance) == (target, source):
            problem = f"{directory}: translates {target} into {source}, and {directories[0]} {source} into {target}"
            raise NmtError(problem, "ensemble members must translate in the same direction")
    return TorchEngine([member.model for member in members], chosen, average, threads), members[0]


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """Rows of tokens as a tensor [batch, time], padded at the end."""
    longest = aligned(max(map(len, rows)), alignment(device))
    return to_device(np.array([[*row, *[PAD] * (longest - len(row))] for row in rows]), device)
