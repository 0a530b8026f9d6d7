"""The choice of an engine: CTranslate2 on a CPU for what it can do, else torch, which is loaded when it is needed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.config.search import SearchConfig
from nmt.decoding.ctranslate2_engine import BATCHES, PRECISIONS, CTranslate2Engine, unsupported_by_ctranslate2
from nmt.decoding.engine import Array, Engine, Hypothesis, Request
from nmt.decoding.text_rules import NO_TEXT, TextRules
from nmt.errors import UsageError
from nmt.files.run_directory import EXPORTED_MODEL
from nmt.model.model_files import ModelFiles, languages_of, open_model
from nmt.text.tokenizer import Tokenizers

if TYPE_CHECKING:
    from nmt.decoding.torch_engine import TorchEngine

logger = logging.getLogger("nmt")

_GPUS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/dri")
"""Files that a machine with a GPU has: of NVIDIA, of any on WSL, of AMD, of any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How to load models."""

    engine: str = "auto"  # or torch or ctranslate2
    precision: str = "auto"
    device: str = "auto"
    threads: int = 1
    average: str = "probabilities"  # what an ensemble averages


class OpenEngine(NamedTuple):
    """An engine with the tokenizers of its model, and the source language, if it is known."""

    engine: Engine
    tokenizers: Tokenizers
    language: str | None


def open_engine(directories: Sequence[Path], options: EngineOptions) -> OpenEngine:
    """Open a model directory, or several as an ensemble, or an export.

    Raises NmtError for invalid directories, ensemble members with different tokenizers, and missing devices.
    """
    if options.engine == "ctranslate2":
        logger.debug("inference engine: CTranslate2")
        return _open_ctranslate2(directories, options)
    if reason := _why_torch(directories, options):
        logger.debug("inference engine: torch, because of %s", reason)
        return _load_torch(directories, options)
    files = open_model(directories[0])
    engine = AutoEngine(directories[0], files, options)
    return OpenEngine(engine, files.tokenizers, files.language)


class AutoEngine:
    """CTranslate2 for what it can do, and torch for the rest; each is loaded when it is first needed."""

    gpu, processes = False, 1

    def __init__(self, directory: Path, files: ModelFiles, options: EngineOptions) -> None:
        self.directory, self.files, self.options = directory, files, options
        self.max_length, self.batches = files.config.max_length, BATCHES * options.threads

    @cached_property
    def ctranslate2(self) -> CTranslate2Engine:
        """The model as CTranslate2 runs it."""
        return CTranslate2Engine.of_model(self.files, self.options.precision, self.options.threads)

    @cached_property
    def torch(self) -> "TorchEngine":
        """The model as torch runs it."""
        engine = _load_torch([self.directory], self.options).engine
        return engine.on_torch()

    def choose(self, config: SearchConfig) -> Engine:
        """Return the engine for a search."""
        if unsupported := unsupported_by_ctranslate2(config):
            logger.debug("inference engine: torch, because of %s", ", ".join(unsupported))
            return self.torch
        logger.debug("inference engine: CTranslate2")
        return self

    def on_torch(self) -> "TorchEngine":
        """Return nmt's own engine with the same model."""
        return self.torch

    def search(
        self,
        requests: Sequence[Request],
        config: SearchConfig,
        text: TextRules = NO_TEXT,
        *,
        token_scores: bool = True,
    ) -> list[list[Hypothesis]]:
        """The n-best list of each request; those with required terms are searched for by torch."""
        n_best_lists: dict[int, list[Hypothesis]] = {}
        for constrained in (False, True):
            rows = [row for row, request in enumerate(requests) if bool(request.required) == constrained]
            if rows:
                engine: Engine = self.torch if constrained else self.ctranslate2
                results = engine.search([requests[row] for row in rows], config, text, token_scores=token_scores)
                n_best_lists.update(zip(rows, results, strict=True))
        return [n_best_lists[row] for row in range(len(requests))]

    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Array]:
        """The attention of target tokens to source tokens: [target, source] of each pair."""
        return self.ctranslate2.attention(sources, targets)


def _open_ctranslate2(directories: Sequence[Path], options: EngineOptions) -> OpenEngine:
    if len(directories) != 1:
        raise UsageError("--engine ctranslate2 takes one model", "give it with --model")
    directory = directories[0]
    if (directory / EXPORTED_MODEL).exists():
        engine = CTranslate2Engine.of_export(directory, options.precision, options.device, options.threads)
        return OpenEngine(engine, engine.tokenizers, None)
    files = open_model(directory)
    if options.device not in ("auto", "cpu") or options.precision not in PRECISIONS:
        problem = "--engine ctranslate2 computes in float32 or int8 on a CPU"
        raise UsageError(problem, "for other devices and precisions, use nmt export ctranslate2, or leave out --engine")
    engine = CTranslate2Engine.of_model(files, options.precision, options.threads)
    return OpenEngine(engine, files.tokenizers, files.language)


def _load_torch(directories: Sequence[Path], options: EngineOptions) -> OpenEngine:
    from nmt.decoding.torch_engine import load_torch_engine

    engine, first = load_torch_engine(directories, options.precision, options.device, options.threads, options.average)
    return OpenEngine(engine, first.tokenizers, languages_of(first.provenance)[0])


def _why_torch(directories: Sequence[Path], options: EngineOptions) -> str:
    """Why a model is loaded on torch from the start; empty if it is not."""
    if find_spec("ctranslate2") is None:
        return "CTranslate2 is not installed"
    reasons = {
        "--engine": options.engine == "torch",
        "an ensemble": len(directories) > 1,
        "--precision": options.precision not in PRECISIONS,
        "--device": options.device not in ("auto", "cpu"),
        "a GPU": options.device == "auto" and _has_gpu(),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _has_gpu() -> bool:
    """Whether torch would choose a GPU; it is asked only where there may be one."""
    if version("torch").endswith("+cpu") or not any(Path(path).exists() for path in _GPUS):
        return False
    from nmt.runtime import choose_device, on_gpu

    return on_gpu(choose_device("auto"))
