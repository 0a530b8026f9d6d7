"""The engine for CPUs: CTranslate2, which decodes a model of nmt or an export; it needs no torch.

Lines do not depend on each other: all sentences of a call to CTranslate2 have the same bounds of length. A shortlist is
the exception, because a batch shares the likely targets of all its sentences: it is used with int8 alone, which is not
exact anyway. It also changes the probabilities of all tokens, so that float32 would not give the translations of torch.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from safetensors.numpy import load_file

from nmt.config.search import SearchConfig
from nmt.decoding.engine import Array, Hypothesis, Request, length_penalty
from nmt.decoding.text_rules import NO_TEXT, TextRules
from nmt.errors import NmtError, UsageError
from nmt.exchange.ctranslate2 import MAX_LENGTH, import_ctranslate2, model_files
from nmt.files.run_directory import EXPORTED_MODEL, SHORTLIST, VOCABULARY_MAP
from nmt.model.model_files import ModelFiles, readable
from nmt.text.tokenizer import END, Tokenizers

_HINT = "leave out --engine ctranslate2"

BATCHES = 32  # for each thread at a time, so that none waits for another

_ROWS = 80  # hypotheses in a batch on a CPU: of more, the states leave its cache, and the shortlist gets long

PRECISIONS = {"auto": "float32", "float32": "float32", "int8": "int8"}
"""Those of a model of nmt, with CTranslate2's names; an export has its own unless another is given."""


class CTranslate2Engine:
    """A model that CTranslate2 runs."""

    def __init__(
        self, model: Any, tokenizers: Tokenizers, max_length: int = MAX_LENGTH, *, has_shortlist: bool = False
    ) -> None:
        """`model` is a ctranslate2.Translator, which may have a vocabulary map."""
        self.model, self.tokenizers, self.max_length, self.has_shortlist = model, tokenizers, max_length, has_shortlist
        self.gpu, self.processes, self.batches = model.device != "cpu", 1, BATCHES * model.num_translators
        (self.end,) = tokenizers.target.pieces([END])

    @classmethod
    def of_model(cls, files: ModelFiles, precision: str, threads: int) -> "CTranslate2Engine":
        """Load a model directory, converted in memory."""
        with readable(files.weights):
            weights = load_file(files.weights)
        contents, shortlist = model_files(files.config, weights, files.tokenizers), files.weights.with_name(SHORTLIST)
        if precision == "int8" and shortlist.exists():
            contents[VOCABULARY_MAP] = shortlist.read_bytes()
        model = _load(files.weights.parent, PRECISIONS[precision], "cpu", threads, files=contents)
        return cls(model, files.tokenizers, files.config.max_length, has_shortlist=VOCABULARY_MAP in contents)

    @classmethod
    def of_export(cls, directory: Path, precision: str, device: str, threads: int) -> "CTranslate2Engine":
        """Load an export; NmtError for an invalid one, or a precision or device that CTranslate2 does not support."""
        if not (directory / EXPORTED_MODEL).exists():
            raise NmtError(f"{directory}: no CTranslate2 model", "nmt export ctranslate2 --output DIR")
        model = _load(directory, {"auto": "default"}.get(precision, precision), device, threads)
        has_shortlist = (directory / VOCABULARY_MAP).exists() and model.compute_type.startswith("int8")
        return cls(model, Tokenizers.load(directory), has_shortlist=has_shortlist)

    def choose(self, config: SearchConfig) -> "CTranslate2Engine":
        """Return this engine; UsageError for a search that it cannot do."""
        if unsupported := unsupported_by_ctranslate2(config):
            raise UsageError(f"CTranslate2 does not support {', '.join(unsupported)}", _HINT)
        return self

    def on_torch(self) -> NoReturn:
        """Raise UsageError: an export has no weights for torch."""
        raise UsageError("this requires nmt's own engine", "leave out --engine, and give a model of nmt train")

    def search(
        self,
        requests: Sequence[Request],
        config: SearchConfig,
        text: TextRules = NO_TEXT,
        *,
        token_scores: bool = True,
    ) -> list[list[Hypothesis]]:
        """All hypotheses of each request, best first."""
        if any(request.required for request in requests):
            raise UsageError("CTranslate2 does not support constraints and --glossary", _HINT)
        source, _ = self.tokenizers
        sources = [source.pieces(request.source[:-1]) for request in requests]
        bounds = [(request.min_length, request.max_length) for request in requests]
        loosest = dict(sorted(bounds))  # maximum length, by minimum length
        results = self._translate(requests, sources, [(low, loosest[low]) for low, _ in bounds], config)
        long = [row for row, result in enumerate(results) if max(map(len, result.hypotheses)) > bounds[row][1]]
        again = [requests[row] for row in long], [sources[row] for row in long], [bounds[row] for row in long]
        for row, result in zip(long, self._translate(*again, config), strict=True):
            results[row] = result
        n_best_lists = [self._n_best(result, config, text) for result in results]
        return self._with_token_scores(sources, n_best_lists) if token_scores else n_best_lists

    def _translate(
        self,
        requests: Sequence[Request],
        sources: Sequence[list[str]],
        bounds: Sequence[tuple[int, int]],
        config: SearchConfig,
    ) -> list[Any]:
        """The results of CTranslate2, which has one minimum and maximum length for all sentences of a call."""
        rows_of, pending = defaultdict[tuple[int, int], list[int]](list), dict[int, Any]()
        for row, limits in enumerate(bounds):
            rows_of[limits].append(row)
        batch = {"max_batch_size": config.source_tokens(gpu=self.gpu), "batch_type": "tokens"}
        if not (self.gpu or config.batch_tokens):
            batch = {"max_batch_size": max(8, _ROWS // config.beam), "batch_type": "examples"}
        for (min_length, max_length), rows in rows_of.items():
            futures = self.model.translate_batch(
                [sources[row] for row in rows],
                target_prefix=[self.tokenizers.target.pieces(requests[row].prefix) or None for row in rows],
                beam_size=config.beam,
                num_hypotheses=config.beam,
                length_penalty=config.length_penalty,
                no_repeat_ngram_size=config.no_repeat_ngram,
                max_decoding_length=max_length,
                min_decoding_length=min_length - 1,  # without END
                max_input_length=0,
                use_vmap=config.shortlist and self.has_shortlist,
                **batch,
                return_end_token=True,
                return_scores=True,
                asynchronous=True,
            )
            pending.update(zip(rows, futures, strict=True))
        return [pending[row].result() for row in range(len(requests))]

    def _n_best(self, result: Any, config: SearchConfig, text: TextRules) -> list[Hypothesis]:
        """The hypotheses of a result, best first, without log-probabilities of tokens; of equal texts the best."""
        hypotheses = []
        for pieces, average in zip(result.hypotheses, result.scores, strict=True):
            log_prob = average * length_penalty(len(pieces), config.length_penalty, "average")
            score = log_prob / length_penalty(len(pieces), config.length_penalty, config.length_normalization)
            truncated = pieces[-1] != self.end
            hypotheses.append((truncated, -score, log_prob, pieces if truncated else pieces[:-1]))
        n_best = dict[Hashable, Hypothesis]()
        for truncated, negative, log_prob, pieces in sorted(hypotheses):
            tokens = self.tokenizers.target.ids(pieces)
            if config.min_length == 1 or not (text.characters and text.characters.is_blank(tokens)):
                key = text.text_of(tokens) if config.returned > 1 else None
                n_best.setdefault(key, Hypothesis(tokens, [], log_prob, -negative, truncated))
            if len(n_best) == config.returned:
                break
        return list(n_best.values()) or [Hypothesis([], [], -math.inf, -math.inf, truncated=True)]

    def _with_token_scores(
        self, sources: Sequence[list[str]], n_best_lists: list[list[Hypothesis]]
    ) -> list[list[Hypothesis]]:
        """The same hypotheses with the log-probability of each token, and of END unless truncated."""
        repeated = [source for source, n_best in zip(sources, n_best_lists, strict=True) for _ in n_best]
        targets = [self.tokenizers.target.pieces(row.tokens) for n_best in n_best_lists for row in n_best]
        scores: Iterator[list[float]] = (row.log_probs for row in self.model.score_batch(repeated, targets))
        return [[self._scored(row, next(scores)) for row in n_best] for n_best in n_best_lists]

    def _scored(self, hypothesis: Hypothesis, log_probs: list[float]) -> Hypothesis:
        log_probs = log_probs[: len(hypothesis.tokens) + (not hypothesis.truncated)]
        total = math.fsum(log_probs)
        score = hypothesis.score * (total / hypothesis.log_prob if hypothesis.log_prob else 1)
        return hypothesis._replace(token_log_probs=log_probs, log_prob=total, score=score)

    def attention(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> list[Array]:
        """The attention of target tokens to source tokens: [target, source] of each pair; targets are forced."""
        source, target = self.tokenizers
        results = self.model.translate_batch(
            [source.pieces(row[:-1]) for row in sources],
            target_prefix=[target.pieces(token for token in row if token != END) or None for row in targets],
            beam_size=1,
            max_decoding_length=max(map(len, targets)) + 1,
            max_input_length=0,
            return_end_token=True,
            return_attention=True,
        )
        pairs = zip((np.array(result.attention[0]) for result in results), targets, strict=True)
        without_end = [weights[: len(row)] for weights, row in pairs]
        return [np.hstack([weights, 1 - weights.sum(1, keepdims=True)]) for weights in without_end]


def unsupported_by_ctranslate2(config: SearchConfig) -> list[str]:
    """The options of a search that CTranslate2 does not have, or means otherwise."""
    options = {
        "--forbid": bool(config.forbid),
        "--beam-groups": config.beam_groups > 1,
        "--sample with nmt's --seed": config.sample,
        "--coverage-penalty": config.coverage_penalty > 0,
        "--repetition-penalty": config.repetition_penalty > 1,
    }
    return [name for name, used in options.items() if used]


def _load(directory: Path, compute_type: str, device: str, threads: int, **options: Any) -> Any:
    kind, _, index = device.partition(":")
    package = import_ctranslate2()
    try:
        return package.Translator(
            str(directory),
            device=kind,
            device_index=int(index or 0),
            compute_type=compute_type,
            inter_threads=threads,
            intra_threads=1,
            **options,
        )
    except (RuntimeError, ValueError) as error:
        raise NmtError(f"{directory}: CTranslate2: {error}") from None
