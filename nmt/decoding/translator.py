"""The Translator: lines of text in, translations out, decoded in batches of similar length.

The line contract: one translation for each line, in order, whatever the batch; a blank line gives a blank line; a line
that is too long for the model is translated sentence by sentence and joined; memory does not grow with the input.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path

import torch

from nmt.config.search import SearchConfig
from nmt.config.setting import Value, build
from nmt.decoding.engine import Engine, TorchEngine
from nmt.decoding.line_parts import LineSplitter
from nmt.decoding.search import SentenceSearch, to_json
from nmt.decoding.translation import Alternative, Glossary, Line, Translation, without_surrogates
from nmt.errors import NmtError, UsageError
from nmt.files.lines import batched
from nmt.model.kernels.linear import can_pack, pack_linear_layers
from nmt.model.model_directory import load_model
from nmt.model.transformer import Transformer
from nmt.runtime import choose_device, choose_dtype, on_gpu, one_thread, use_device
from nmt.text.tokenizer import Tokenizers
from nmt.workers import Workers, processes

logger = logging.getLogger("nmt")

BUFFER_LINES = 1000  # sorted by length and translated together, before the first translation appears


class Translator:
    """A trained model that translates lines.

    >>> translator = Translator.load(Path("run/model"))  # doctest: +SKIP
    >>> [translation.text for translation in translator.translate(["Guten Morgen!"], beam_size=5)]  # doctest: +SKIP
    ['Good morning!']
    """

    def __init__(self, engine: Engine, tokenizers: Tokenizers, threads: int = 1, language: str | None = None) -> None:
        """`threads` is the number of batches decoded at a time, `language` that of the source, if it is known."""
        self.engine, self.tokenizers, self.threads, self.language = engine, tokenizers, threads, language

    @classmethod
    def load(
        cls,
        *directories: str | Path,
        precision: str = "float32",
        device: str = "auto",
        threads: int | None = None,
        average: str = "probabilities",
    ) -> "Translator":
        """Load a model directory, or several as an ensemble, to decode on `threads` processor cores (None: torch's).

        Raises NmtError for invalid directories, ensemble members with different tokenizers, and missing devices.
        """
        chosen = choose_device(device)
        use_device(chosen)
        threads = torch.get_num_threads() if threads is None else threads
        dtype, int8 = choose_dtype(precision, chosen, exact=True), precision == "int8"
        members = [load_model(Path(directory), chosen, dtype) for directory in directories]
        if not on_gpu(chosen) and can_pack(dtype, int8=int8):
            for member in members:
                pack_linear_layers(member.model, int8=int8)
        elif int8:
            logger.warning("--precision int8: torch has no int8 kernels for this machine; computing in float32")
        for directory, member in zip(directories, members, strict=True):
            if member.tokenizers != members[0].tokenizers:
                problem = f"{directory}: its tokenizers are not those of {directories[0]}"
                raise NmtError(problem, "ensemble members must share their tokenizers")
        engine = TorchEngine([member.model for member in members], chosen, average)
        language = members[0].provenance.get("languages", {}).get("source")
        return cls(engine, members[0].tokenizers, 1 if on_gpu(chosen) else threads, language)

    @property
    def model(self) -> Transformer:
        """The model, or the first one of an ensemble; UsageError for an engine that is not nmt's."""
        if not isinstance(self.engine, TorchEngine):
            raise UsageError("this requires nmt's own engine", "leave out --engine")
        return self.engine.models[0]

    @property
    def device(self) -> torch.device:
        """The device that the model computes on."""
        return self.engine.device

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
    ) -> list[Translation]:
        """Translate each line, in order; `search` replaces the other settings. UsageError for one out of bounds."""
        if isinstance(lines, str):
            raise UsageError("translate takes a list of lines, not a string", "use translate([line])")
        settings: dict[str, Value] = dict(beam=beam_size, length_penalty=length_penalty, max_length=max_length)
        settings |= dict(n_best=n_best, batch_tokens=batch_tokens)
        return list(self.stream(lines, build(SearchConfig, asdict(search) if search else settings)))

    def stream(
        self,
        lines: Iterable[str | Line],
        config: SearchConfig,
        buffer_lines: int = BUFFER_LINES,
        *,
        alignments: bool = False,
        glossary: Glossary | None = None,
    ) -> Iterator[Translation]:
        """Translate lines as they are read, `buffer_lines` at a time."""
        splitter = LineSplitter(
            self.tokenizers, config, self.engine.max_length, self.language, glossary, alignments=alignments
        )
        search = SentenceSearch(self.engine, self.tokenizers, config, alignments=alignments)
        work = one_thread()(search.on_json) if processes(self.threads) > 1 else search.on_json
        with Workers(work, self.threads) as workers:
            first = 1
            for buffer in batched(map(_as_line, lines), buffer_lines):
                yield from self._translate(buffer, first, splitter, workers)
                first += len(buffer)

    def _translate(self, lines: list[Line], first: int, splitter: LineSplitter, workers: Workers) -> list[Translation]:
        """Translate lines, of which the first has this number in the input."""
        parts_of_lines = list(map(splitter.split, lines, count(first)))
        flat = [
            (number, part.request)
            for number, parts in enumerate(parts_of_lines, start=first)
            for part in parts
            if part.request
        ]
        lengths = [len(request.source) for _, request in flat]
        budget = splitter.config.source_tokens(gpu=on_gpu(self.engine.device)) * self.engine.batches
        budget = max(1, min(budget, -(-sum(lengths) // self.threads)))
        batches = list(length_batches(lengths, budget))
        items = [[to_json(flat[index][1]) for index in batch] for batch in batches]
        results: list[list[Alternative]] = [[] for _ in flat]
        for batch, answers in zip(batches, workers.map(items), strict=True):
            for index, answer in zip(batch, answers, strict=True):
                if isinstance(answer, str):
                    logger.error("line %d could not be translated and is left blank: %s", flat[index][0], answer)
                else:
                    results[index] = [Alternative(**record) for record in answer]
        n_best_lists = iter(results)
        return [
            splitter.join(parts, [next(n_best_lists) for part in parts if part.request]) for parts in parts_of_lines
        ]


def _as_line(line: object) -> Line:
    line = Line(line) if isinstance(line, str) else line
    if not isinstance(line, Line):
        raise UsageError(f"translate takes lines of text, not {type(line).__name__}", "decode them as UTF-8")
    terms = tuple(map(without_surrogates, line.terms))
    text, prefix, tag = map(without_surrogates, (line.text, line.prefix, line.tag))
    return Line(text, prefix, terms, tag)


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
