"""Text in, text out: cut lines into tokens, decode them in batches of like length, put them back in order.

The line contract: one translation for each line, in order, whatever the batch; a blank line gives a blank line; a
line longer than the model reads is translated sentence by sentence and joined; memory does not grow with the input.
"""

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch

from nmt.config import SearchConfig
from nmt.decoding.align import Alignment, words
from nmt.decoding.engine import Engine, TorchEngine
from nmt.decoding.hypotheses import Request
from nmt.decoding.lines import Alternative, Line, Translation, without_surrogates
from nmt.decoding.search import SentenceSearch
from nmt.errors import NmtError, UsageError
from nmt.files import chunks
from nmt.model.linear import can_pack
from nmt.model.transformer import Transformer
from nmt.model.weights import load_model
from nmt.runtime import choose_device, choose_dtype, in_one_thread, on_gpu, use_device
from nmt.settings import Value, build
from nmt.text.sentences import fit, folded, join
from nmt.text.tokenizer import END, Tokenizers
from nmt.workers import Workers, processes

logger = logging.getLogger("nmt")

BUFFER_LINES = 1000
"""Lines that are sorted by length together; the first translation comes out when that many are done."""


class _Sentence(NamedTuple):
    """A part of a line, ready for search."""

    gap: str  # the white space before it
    source: list[int]  # with the end of the sentence
    request: Request


class Translator:
    """A trained model that translates lines.

    >>> translator = Translator.load(Path("run/model"))  # doctest: +SKIP
    >>> [translation.text for translation in translator.translate(["Guten Morgen!"], beam_size=5)]  # doctest: +SKIP
    ['Good morning!']
    """

    def __init__(self, engine: Engine, tokenizers: Tokenizers, threads: int = 1) -> None:
        """`threads` is how many batches are searched at a time."""
        self.engine, self.tokenizers, self.threads = engine, tokenizers, threads

    @classmethod
    def load(
        cls,
        *directories: str | Path,
        precision: str = "float32",
        device: str = "auto",
        threads: int | None = None,
        average: str = "probabilities",
    ) -> "Translator":
        """Read a model directory, or several to be averaged as an ensemble.

        `threads` is how many processor cores to use (None: as many as torch does). Raises NmtError when a directory is
        no model, when the models have other vocabularies, or when the device is not there.
        """
        chosen = choose_device(device)
        use_device(chosen)
        threads = torch.get_num_threads() if threads is None else threads
        dtype = choose_dtype(precision, chosen, exact=True)
        loaded = [load_model(Path(one), chosen, dtype) for one in directories]
        if not on_gpu(chosen) and can_pack(dtype):
            for one in loaded:
                one.model.pack(int8=precision == "int8")
        for path, one in zip(directories, loaded, strict=True):
            if one.tokenizers != loaded[0].tokenizers:
                raise NmtError(f"{path}: other tokenizers than those of {directories[0]}", "average like with like")
        engine = TorchEngine([one.model for one in loaded], chosen, average)
        return cls(engine, loaded[0].tokenizers, 1 if on_gpu(chosen) else threads)

    @property
    def model(self) -> Transformer:
        """The model, of an ensemble the first."""
        if not isinstance(self.engine, TorchEngine):
            raise UsageError("this needs a model of nmt's own", "leave out --engine")
        return self.engine.models[0]

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
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
        """Translate lines of text; the result has one translation for each, in order.

        `search` is a whole SearchConfig, in place of the settings before it. Raises UsageError for a setting out of
        bounds, which it calls by the name that the command line gives it.
        """
        if isinstance(lines, str):
            raise UsageError("translate takes lines, not one string", "put it in a list: translate([line])")
        settings: dict[str, Value] = dict(
            beam=beam_size,
            length_penalty=length_penalty,
            max_length=max_length,
            n_best=n_best,
            batch_tokens=batch_tokens,
        )
        return list(self.stream(lines, build(SearchConfig, asdict(search) if search else settings)))

    def stream(
        self,
        lines: Iterable[str | Line],
        config: SearchConfig,
        buffer_lines: int = BUFFER_LINES,
        *,
        alignments: bool = False,
    ) -> Iterator[Translation]:
        """Translate lines as they come, `buffer_lines` at a time."""
        search = SentenceSearch(self.engine, self.tokenizers, config, alignments=alignments)
        work = in_one_thread(search.on_item) if processes(self.threads) > 1 else search.on_item
        with Workers(work, self.threads) as workers:
            first = 1
            for chunk in chunks(map(_as_line, lines), buffer_lines):
                yield from self._translate_chunk(chunk, first, config, workers)
                first += len(chunk)

    def _translate_chunk(
        self, lines: Sequence[Line], first: int, config: SearchConfig, workers: Workers
    ) -> list[Translation]:
        """The translations of lines, of which the first has this number."""
        parts = [self.sentences(line, config) for line in lines]
        flat = [(number, part) for number, line in enumerate(parts, start=first) for part in line]
        lengths = [len(part.source) for _, part in flat]
        budget = config.source_tokens(gpu=on_gpu(self.engine.device)) * self.engine.batches
        budget = max(1, min(budget, -(-sum(lengths) // self.threads)))
        batches = list(length_batches(lengths, budget))
        items = [[[flat[index][1].source, asdict(flat[index][1].request)] for index in batch] for batch in batches]
        results: list[list[Alternative]] = [[] for _ in flat]
        for batch, answers in zip(batches, workers.map(items), strict=True):
            for index, answer in zip(batch, answers, strict=True):
                if isinstance(answer, str):
                    logger.error("line %d could not be translated and is left blank: %s", flat[index][0], answer)
                else:
                    results[index] = [_alternative(one) for one in answer]
        found = iter(results)
        return [self._join(line, [next(found) for _ in line]) for line in parts]

    def sentences(self, line: Line, config: SearchConfig) -> list[_Sentence]:
        """The sentences of a line as search takes them: one, or as many as the model's length asks for."""
        found = list[_Sentence]()
        for gap, text, tokens in self._parts(line.text, split=config.split_sentences):
            first = not found  # what is asked of a line is asked of its first sentence
            found.append(_Sentence(gap, [*tokens, END], self._request(line, text, tokens, config, first)))
        return found

    def _parts(self, line: str, *, split: bool) -> Iterator[tuple[str, str, list[int]]]:
        """The sentences of a line, if it is to be split or longer than the model reads: gap before it, text, tokens."""
        limit, encode = self.engine.max_length - 1, self.tokenizers.source.encode

        def fits(part: str) -> bool:
            return len(encode([part])[0]) <= limit

        tokens = encode([line])[0] if line.strip() else []
        if len(tokens) <= limit and not split:
            parts = [("", line, tokens)]
        else:
            parts = [(gap, text, encode([text])[0][:limit]) for gap, text in fit(line, fits, split=split)]
        yield from (part for part in parts if part[2])

    def _request(self, line: Line, text: str, tokens: list[int], config: SearchConfig, first: bool) -> Request:
        encode, length = self.tokenizers.target.encode, len(tokens) + 1
        prefix = encode([line.prefix])[0] if first and line.prefix else []
        terms = [term for term in encode(list(line.terms)) if term] if first and line.terms else []
        if terms:
            _check_terms(line.terms, config)
        longest = 2 * length + 20
        if config.max_length is not None or config.max_ratio is not None:
            longest = min(config.max_length or 1 << 16, math.ceil((config.max_ratio or 1 << 16) * length))
        longest = min(longest, self.engine.max_length)
        longest = max(longest, len(prefix) + sum(map(len, terms)) + 1)
        return Request(
            max_length=longest,
            min_length=min(max(config.min_length, math.ceil(config.min_ratio * length)), longest),
            prefix=prefix,
            required=terms,
            seed=_seed(text, config.seed) if config.sample else 0,
        )

    def _join(self, sentences: Sequence[_Sentence], parts: Sequence[list[Alternative]]) -> Translation:
        """The alternatives of a line from those of its parts: best with best, second best with second best."""
        if not parts:
            return Translation([Alternative()])
        failed = not all(parts)
        parts = [alternatives or [Alternative()] for alternatives in parts]
        if len(parts) == 1:
            return Translation(parts[0], failed)
        ranked = [self._join_ranked(sentences, one) for one in zip(*parts, strict=False)]
        return Translation(ranked, failed)

    def _join_ranked(self, sentences: Sequence[_Sentence], parts: Sequence[Alternative]) -> Alternative:
        alignment: Alignment | None = None
        if all(one.alignment is not None for one in parts):
            alignment, source_words, target_words = [], 0, 0
            for sentence, one in zip(sentences, parts, strict=True):
                alignment += [(source_words + i, target_words + j) for i, j in one.alignment or ()]
                source_words += len(words(self.tokenizers.source.pieces(sentence.source[:-1])))
                target_words += len(words([piece for piece in one.tokens if piece != "</s>"]))
        return Alternative(
            text=join((sentence.gap, one.text) for sentence, one in zip(sentences, parts, strict=True)),
            score=sum(one.score for one in parts) / len(parts),
            log_prob=math.fsum(one.log_prob for one in parts),
            tokens=[piece for one in parts for piece in one.tokens],
            token_scores=[score for one in parts for score in one.token_scores],
            truncated=any(one.truncated for one in parts),
            loop=any(one.loop for one in parts),
            unknown=any(one.unknown for one in parts),
            alignment=alignment,
        )


def _alternative(fields: dict[str, Any]) -> Alternative:
    """An alternative as a worker sent it."""
    links = fields["alignment"]
    return Alternative(**{**fields, "alignment": links and [(source, target) for source, target in links]})


def _as_line(line: object) -> Line:
    if isinstance(line, str):
        return Line(without_surrogates(line))
    if not isinstance(line, Line):
        raise UsageError(f"translate takes lines of text, not {type(line).__name__}", "decode them as UTF-8")
    terms = tuple(map(without_surrogates, line.terms))
    return Line(without_surrogates(line.text), without_surrogates(line.prefix), terms)


def _check_terms(terms: Sequence[str], config: SearchConfig) -> None:
    """UsageError for required terms that cannot stand in a translation."""
    if config.sample:
        raise UsageError("--sample draws at random, and cannot have terms written", "leave out --glossary, constraints")
    for term in terms:
        for word in config.forbid or []:
            if f" {folded(word)} " in f" {folded(term)} ":
                raise UsageError(f"{term!r} is required, and {word!r} forbidden", "leave out one of them")


def _seed(text: str, seed: int) -> int:
    """What the samples of a sentence are derived from: its text and the seed that was given."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) ^ seed


def length_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in batches of like length, longest first, of at most `budget` tokens each, padding included.

    >>> list(length_batches([1, 5, 4], budget=10))
    [[1, 2], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        size = max(1, budget // lengths[order[0]])
        size -= size % 8 if size > 8 else 0  # kernels are made for each new size
        yield order[:size]
        order = order[size:]
