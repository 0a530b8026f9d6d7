"""The Translator: lines of text in, translations out, decoded in batches of similar length.

The line contract: one translation for each line, in order, whatever the batch; a blank line gives a blank line; a line
that is too long for the model is translated sentence by sentence and joined; memory does not grow with the input.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nmt.config.search import SearchConfig
from nmt.config.setting import Value, build
from nmt.decoding.engine import Engine
from nmt.decoding.engines import EngineOptions, open_engine
from nmt.decoding.line_parts import LinePart, LineSplitter
from nmt.decoding.search import SentenceSearch, to_json
from nmt.decoding.translation import Alternative, Glossary, Line, Translation, without_surrogates
from nmt.errors import UsageError
from nmt.files.lines import batched
from nmt.text.inline_codes import find_codes
from nmt.text.letter_case import is_upper
from nmt.text.tokenizer import Tokenizers
from nmt.workers import Workers, available_threads

if TYPE_CHECKING:
    import torch

    from nmt.model.transformer import Transformer

logger = logging.getLogger("nmt")

_NumberedPart = tuple[int, LinePart]  # with the number of its line
_NBest = list[Alternative] | None  # None: search failed

BUFFER_LINES = 1000  # sorted by length and translated together, before the first translation appears


class Translator:
    """A trained model that translates lines.

    >>> translator = Translator.load(Path("run/model"))  # doctest: +SKIP
    >>> [translation.text for translation in translator.translate(["Guten Morgen!"], beam_size=5)]  # doctest: +SKIP
    ['Good morning!']
    """

    def __init__(self, engine: Engine, tokenizers: Tokenizers, language: str | None = None) -> None:
        """`language` is that of the source, if it is known."""
        self.engine, self.tokenizers, self.language = engine, tokenizers, language

    @classmethod
    def load(
        cls,
        *directories: str | Path,
        engine: str = "auto",
        precision: str = "auto",
        device: str = "auto",
        threads: int | None = None,
        average: str = "probabilities",
    ) -> "Translator":
        """Load a model directory, or several as an ensemble, to decode on `threads` processor cores (None: all).

        Raises NmtError for invalid directories, ensemble members with different tokenizers, and missing devices.
        """
        threads = available_threads() if threads is None else threads
        options = EngineOptions(engine=engine, precision=precision, device=device, threads=threads, average=average)
        return cls(*open_engine([Path(directory) for directory in directories], options))

    @property
    def model(self) -> "Transformer":
        """The model on torch, or the first one of an ensemble; UsageError for an export."""
        return self.engine.on_torch().models[0]

    @property
    def device(self) -> "torch.device":
        """The device that `model` is on."""
        return self.engine.on_torch().device

    def translate(
        self,
        lines: Iterable[str | Line],
        *,
        beam_size: int = 5,
        length_penalty: float = 1.0,
        max_length: int | None = None,
        n_best: int = 1,
        batch_tokens: int | None = None,
        search: SearchConfig | None = None,
        token_scores: bool = False,
    ) -> list[Translation]:
        """Translate each line, in order; `search` replaces the other settings. UsageError for one out of bounds.

        Tokens may lack scores, which take time on some engines, unless `token_scores`.
        """
        if isinstance(lines, str):
            raise UsageError("translate takes a list of lines, not a string", "use translate([line])")
        settings: dict[str, Value] = dict(beam=beam_size, length_penalty=length_penalty, max_length=max_length)
        settings |= dict(n_best=n_best, batch_tokens=batch_tokens)
        config = build(SearchConfig, asdict(search) if search else settings)
        return list(self.stream(lines, config, token_scores=token_scores))

    def stream(
        self,
        lines: Iterable[str | Line],
        config: SearchConfig,
        buffer_lines: int = BUFFER_LINES,
        *,
        alignments: bool = False,
        glossary: Glossary | None = None,
        token_scores: bool = True,
    ) -> Iterator[Translation]:
        """Translate lines as they are read, `buffer_lines` at a time; tokens may lack scores unless `token_scores`."""
        splitter = LineSplitter(
            self.tokenizers, config, self.engine.max_length, self.language, glossary, alignments=alignments
        )
        engine = self.engine.choose(config)
        search = SentenceSearch(engine, self.tokenizers, config, token_scores=token_scores)
        with Workers(search.on_json, engine.processes) as workers:
            translate, first = _BufferTranslation(splitter, engine, workers), 1
            for buffer in batched(map(_as_line, lines), buffer_lines):
                yield from translate(buffer, first)
                first += len(buffer)


class _BufferTranslation:
    """Translates the lines of a buffer: their parts in batches, and again those parts that lost inline codes."""

    def __init__(self, splitter: LineSplitter, engine: Engine, workers: Workers) -> None:
        self.splitter, self.engine, self.workers, self.config = splitter, engine, workers, splitter.config

    def __call__(self, lines: Sequence[Line], first: int) -> list[Translation]:
        """Translate lines, of which the first has this number in the input."""
        numbers = [line.number or number for number, line in enumerate(lines, start=first)]
        folded = list(map(self.splitter.fold, lines))
        parts_of_lines = list(map(self.splitter.split, folded, numbers))
        numbered = zip(numbers, parts_of_lines, strict=True)
        parts = [(number, part) for number, parts in numbered for part in parts if part.request]
        n_best_lists = iter([n_best or [] for n_best in self._n_best(parts)])
        translations = [
            self.splitter.join(parts, [next(n_best_lists) for part in parts if part.request])
            for parts in parts_of_lines
        ]
        return [
            translation.in_capitals() if line.text != original.text and is_upper(original.text) else translation
            for translation, line, original in zip(translations, folded, lines, strict=True)
        ]

    def _n_best(self, parts: Sequence[_NumberedPart]) -> list[_NBest]:
        """The n-best list of each part; where inline codes are lost, of more hypotheses, then piece by piece."""
        config = self.config
        n_best_lists = self._search(parts, config.n_best)
        if config.n_best < config.hypotheses and not config.sample:
            _replace_lost(parts, n_best_lists, lambda lost: self._search(lost, config.hypotheses))
        _replace_lost(parts, n_best_lists, self._piecewise)
        return [n_best and n_best[: config.n_best] for n_best in n_best_lists]

    def _search(self, parts: Sequence[_NumberedPart], n_best: int) -> list[_NBest]:
        """The alternatives that have the inline codes of each part; None where search failed."""
        requests = [part.request for _, part in parts if part.request]
        lengths = [len(request.source) for request in requests]
        budget = self.config.source_tokens(gpu=self.engine.gpu) * self.engine.batches
        budget = max(1, min(budget, -(-sum(lengths) // self.engine.processes)))
        batches = list(length_batches(lengths, budget))
        items = [[n_best, [to_json(requests[index]) for index in batch]] for batch in batches]
        results: list[_NBest] = [None for _ in parts]
        for batch, answers in zip(batches, self.workers.map(items), strict=True):
            for index, answer in zip(batch, answers, strict=True):
                number, part = parts[index]
                if isinstance(answer, str):
                    logger.error("line %d could not be translated and is left blank: %s", number, answer)
                else:
                    results[index] = self.splitter.restore(part, [Alternative(**record) for record in answer])
        return results

    def _piecewise(self, parts: Sequence[_NumberedPart]) -> list[_NBest]:
        """The translation of each part piece by piece, between its inline codes; strictly, the source if that fails."""
        pieces_of_parts = [self.splitter.split_at_codes(part.line) for _, part in parts]
        numbered = [
            (number, piece)
            for (number, _), pieces in zip(parts, pieces_of_parts, strict=True)
            for piece in pieces
            if piece.request
        ]
        count = 1 if self.config.sample else self.config.hypotheses
        n_best_lists = iter([_first_without_codes(n_best or []) for n_best in self._search(numbered, count)])
        results: list[_NBest] = []
        for (_, part), pieces in zip(parts, pieces_of_parts, strict=True):
            translation = self.splitter.join(pieces, [next(n_best_lists) for piece in pieces if piece.request])
            is_kept = self.config.protect != "on" or part.has_codes_of(translation.text)
            best = translation.best if is_kept else Alternative(text=part.text, untranslated=True)
            results.append(None if translation.failed else [best])
        return results


def _first_without_codes(alternatives: list[Alternative]) -> list[Alternative]:
    """The best alternative that invents no inline code, or the best."""
    return [item for item in alternatives if not find_codes(item.text)][:1] or alternatives[:1]


def _replace_lost(
    parts: Sequence[_NumberedPart], results: list[_NBest], again: Callable[[list[_NumberedPart]], list[_NBest]]
) -> None:
    """Replace the n-best lists in which nothing is left."""
    lost = [index for index, n_best in enumerate(results) if n_best == []]
    for index, n_best in zip(lost, again([parts[index] for index in lost]) if lost else [], strict=True):
        results[index] = n_best


def _as_line(line: object) -> Line:
    line = Line(line) if isinstance(line, str) else line
    if not isinstance(line, Line):
        raise UsageError(f"translate takes lines of text, not {type(line).__name__}", "decode them as UTF-8")
    terms = tuple(map(without_surrogates, line.terms))
    text, prefix, tag = map(without_surrogates, (line.text, line.prefix, line.tag))
    return Line(text, prefix, terms, tag, line.number)


def length_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield indices in batches of similar length, longest first, of at most `budget` tokens with padding.

    >>> list(length_batches([1, 5, 4], budget=10))
    [[1, 2], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        size = max(1, budget // lengths[order[0]])
        size -= size % 8 if size > 8 else 0  # a batch size that kernels have seen before
        yield order[:size]
        order = order[size:]
