"""Text in, text out: cut lines into tokens, decode them in batches of like length, put them back in order.

The line contract: one translation for each line, in order, whatever the batch; a blank line gives a blank line; a
line longer than the model reads is translated in parts and joined; memory does not grow with the input.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from nmt.config import SearchConfig
from nmt.decoding.beam import Hypothesis, SearchOptions, beam_search
from nmt.errors import UsageError
from nmt.files import chunks
from nmt.model.attention import padding_bias
from nmt.model.device import choose_device, choose_dtype
from nmt.model.transformer import Transformer
from nmt.model.weights import load_model
from nmt.settings import Value, build
from nmt.text.sentences import fit
from nmt.text.tokenizer import END, PAD, Tokenizers

BUFFER_LINES = 1000
"""Lines that are sorted by length together; the first translation comes out when that many are done."""


class Alternative(NamedTuple):
    """One of a line's n best translations."""

    text: str
    score: float  # the mean log-probability that search ranks by, see `Hypothesis`; 0 for a blank line
    truncated: bool  # whether the longest length allowed cut it off


@dataclass(frozen=True, slots=True)
class Translation:
    """The translations of one line, best first; never empty."""

    alternatives: list[Alternative]

    @property
    def text(self) -> str:
        """The best translation."""
        return self.alternatives[0].text

    @property
    def score(self) -> float:
        """The score of the best translation."""
        return self.alternatives[0].score

    def padded(self, count: int) -> list[Alternative]:
        """Exactly `count` alternatives, empty ones at the end where search found fewer."""
        return (self.alternatives + [Alternative("", 0.0, False)] * count)[:count]


class ModelStep:
    """A Transformer as search sees it: the caches of the hypotheses that go on, and one step for all of them."""

    def __init__(self, model: Transformer, source: Tensor, source_mask: Tensor) -> None:
        self.model = model
        memory = model.encode(source, source_mask)
        self.padding = padding_bias(source_mask, memory.dtype)
        self.caches = model.start(memory)

    def __call__(self, tokens: Tensor, position: int) -> Tensor:
        """Log-probabilities [batch, beam, vocab] of what follows the newest tokens [batch, beam]."""
        return self.model.log_probs(self.model.step(tokens, position, self.caches, self.padding))

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Keep these hypotheses and these sentences."""
        if sentences is not None:
            self.padding = self.padding.index_select(0, sentences)
        for cache in self.caches:
            cache.select(rows, sentences)


class Translator:
    """A trained model that translates lines.

    >>> translator = Translator.load(Path("run/model"))  # doctest: +SKIP
    >>> [translation.text for translation in translator.translate(["Guten Morgen!"], beam_size=5)]  # doctest: +SKIP
    ['Good morning!']
    """

    def __init__(self, model: Transformer, tokenizers: Tokenizers, device: torch.device) -> None:
        self.model = model
        self.tokenizers = tokenizers
        self.device = device

    @classmethod
    def load(cls, directory: str | Path, precision: str = "float32", device: str = "auto") -> "Translator":
        """Read a model directory; raises NmtError when it is not one, or the device is not there."""
        chosen = choose_device(device)
        loaded = load_model(Path(directory), chosen, choose_dtype(precision, chosen, exact=True))
        return cls(loaded.model, loaded.tokenizers, chosen)

    def translate(
        self,
        lines: Iterable[str],
        *,
        beam_size: int = 5,
        length_penalty: float = 1.0,
        max_length: int | None = None,
        n_best: int = 1,
        batch_tokens: int = 2048,
    ) -> list[Translation]:
        """Translate lines of text; the result has one translation for each, in order.

        Raises UsageError for a setting out of bounds, which it calls by the name that the command line gives it.
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
        return list(self.stream(map(_checked, lines), build(SearchConfig, settings)))

    def stream(
        self, lines: Iterable[str], config: SearchConfig, buffer_lines: int = BUFFER_LINES
    ) -> Iterator[Translation]:
        """Translate lines as they come, `buffer_lines` at a time."""
        for chunk in chunks(lines, buffer_lines):
            yield from self._translate_chunk(chunk, config)

    def _translate_chunk(self, lines: Sequence[str], config: SearchConfig) -> list[Translation]:
        parts = [self._parts(line) for line in lines]
        flat = [part for line in parts for part in line]
        results: list[list[Hypothesis]] = [[] for _ in flat]
        for batch in length_batches([len(part) for part in flat], config.batch_tokens):
            for index, hypotheses in zip(batch, self.search([flat[i] for i in batch], config), strict=True):
                results[index] = hypotheses
        found = iter(results)
        return [self._join([next(found) for _ in line]) for line in parts]

    def _parts(self, line: str) -> list[list[int]]:
        """The tokens of a line with the end of sentence, in as many parts as the model's length asks for."""
        if not line.strip():
            return []
        limit = self.model.config.max_length - 1
        encode = self.tokenizers.source.encode
        tokens = encode([line])[0]
        fits = len(tokens) <= limit
        rows = [tokens] if fits else encode(fit(line, lambda part: len(encode([part])[0]) <= limit))
        return [[*row[:limit], END] for row in rows if row]

    @torch.inference_mode()
    def search(self, rows: Sequence[Sequence[int]], config: SearchConfig) -> list[list[Hypothesis]]:
        """The best hypotheses of each row of source tokens, which are one batch."""
        longest = max(map(len, rows))
        source = torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows], device=self.device)
        mask = source != PAD
        limits = [self._max_length(len(row), config.max_length) for row in rows]
        options = SearchOptions(beam_size=config.beam, length_penalty=config.length_penalty, n_best=config.n_best)
        return beam_search(ModelStep(self.model, source, mask), limits, options, self.device)

    def _max_length(self, source_length: int, asked: int | None) -> int:
        """The longest translation, end of sentence included: as asked, else twice the source and some more."""
        return min(self.model.config.max_length, asked or 2 * source_length + 20)

    def _join(self, parts: list[list[Hypothesis]]) -> Translation:
        """The alternatives of a line from those of its parts: best with best, second best with second best."""
        if not parts:
            return Translation([Alternative("", 0.0, False)])
        alternatives = []
        for ranked in zip(*parts, strict=False):
            text = " ".join(self.tokenizers.target.decode([one.tokens for one in ranked]))
            score = sum(one.score for one in ranked) / len(ranked)
            alternatives.append(Alternative(text, score, any(one.truncated for one in ranked)))
        return Translation(alternatives)


def _checked(line: object) -> str:
    if not isinstance(line, str):
        raise UsageError(f"translate takes lines of text, not {type(line).__name__}", "decode them as UTF-8")
    return line


def length_batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices in batches of like length, longest first, of at most `budget` tokens each, padding included.

    >>> list(length_batches([1, 5, 4], budget=10))
    [[1, 2], [0]]
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    while order:
        size = max(1, budget // lengths[order[0]])
        yield order[:size]
        order = order[size:]
