"""The search for a batch of sentences: hypotheses, re-decoding of repetition loops, MBR decoding, alignment."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from nmt.config.search import SearchConfig
from nmt.decoding.alignment import align, words_at
from nmt.decoding.characters import characters_of
from nmt.decoding.engine import Engine, Hypothesis, Request
from nmt.decoding.mbr import expected_utilities
from nmt.decoding.repetition import is_loop
from nmt.decoding.tag_placement import Words
from nmt.decoding.terms import WordTerms
from nmt.decoding.text_rules import ForbiddenWords, TextRules
from nmt.decoding.translation import Alternative
from nmt.text.tokenizer import END, UNKNOWN, Tokenizers

_BLOCKED_NGRAM = 3  # tokens of the n-grams that are blocked when a repetition loop is re-decoded


class SentenceSearch:
    """An engine with the settings of search."""

    def __init__(
        self,
        engine: Engine,
        tokenizers: Tokenizers,
        config: SearchConfig,
        *,
        token_scores: bool = True,
    ) -> None:
        self.engine, self.tokenizers, self.config, self.token_scores = engine, tokenizers, config, token_scores
        forbidden = ForbiddenWords(config.forbid, tokenizers.target.vocabulary()) if config.forbid else None
        self.characters = characters_of(tokenizers.target, empty=config.min_length == 1)
        terms = WordTerms(tokenizers.target)
        self.text = TextRules(self.characters, forbidden, terms, lambda tokens: self._decode([tokens])[0])

    def on_json(self, item: tuple[int, list[dict[str, Any]]]) -> list[Any]:
        """Search for an n-best list of a size for each request, all as JSON; returns these lists, or error messages."""
        n_best, requests = item
        results = self([Request(**request) for request in requests], n_best)
        return [result if isinstance(result, str) else list(map(to_json, result)) for result in results]

    def __call__(self, requests: Sequence[Request], n_best: int) -> list[list[Alternative] | str]:
        """The n-best list of each request, or an error message; where search fails, it is repeated with fewer."""
        try:
            return list(self._search(requests, replace(self.config, n_best=n_best)))
        except (RuntimeError, MemoryError, ValueError, IndexError) as error:
            half = len(requests) // 2
            if not half:
                return [str(error) or type(error).__name__]
            return self(requests[:half], n_best) + self(requests[half:], n_best)

    def _search(self, requests: Sequence[Request], config: SearchConfig) -> list[list[Alternative]]:
        hypotheses = self._hypotheses(requests, config)
        loops: list[int] = []
        if config.loop_guard:
            loops = [row for row, n_best in enumerate(hypotheses) if is_loop(n_best[0].tokens, requests[row].source)]
        if loops:
            blocking = replace(config, no_repeat_ngram=_BLOCKED_NGRAM)
            again = self._hypotheses([requests[row] for row in loops], blocking)
            for row, n_best in zip(loops, again, strict=True):
                hypotheses[row] = n_best
        texts = iter(self._decode([hypothesis.tokens for n_best in hypotheses for hypothesis in n_best]))
        n_best_lists = [
            [self._alternative(next(texts), hypothesis, requests[row], loop=row in loops) for hypothesis in n_best]
            for row, n_best in enumerate(hypotheses)
        ]
        if config.mbr != "off":
            n_best_lists = [self._least_risk(candidates, config) for candidates in n_best_lists]
        return self._aligned(requests, n_best_lists)

    def _hypotheses(self, requests: Sequence[Request], config: SearchConfig) -> list[list[Hypothesis]]:
        return self.engine.search(requests, config, self.text, token_scores=self.token_scores)

    def _decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        texts = self.tokenizers.target.decode(rows)
        return list(map(self.characters.clean, texts, rows))

    def _alternative(self, text: str, hypothesis: Hypothesis, request: Request, *, loop: bool) -> Alternative:
        tokens, token_scores, log_prob, score, truncated = hypothesis
        return Alternative(
            text=text,
            score=score,
            log_prob=log_prob,
            tokens=self.tokenizers.target.pieces(tokens if truncated else [*tokens, END]),
            token_scores=token_scores,
            truncated=truncated,
            loop=loop,
            unknown=UNKNOWN in request.source or UNKNOWN in tokens,
        )

    def _least_risk(self, candidates: Sequence[Alternative], config: SearchConfig) -> list[Alternative]:
        """The candidates of minimum Bayes risk."""
        utilities = expected_utilities([candidate.text for candidate in candidates], config.mbr)
        order = sorted(range(len(candidates)), key=lambda index: -utilities[index])
        best = {candidates[index].text: candidates[index] for index in reversed(order)}  # each text once
        return list(best.values())[::-1][: config.n_best]

    def _aligned(self, requests: Sequence[Request], n_best_lists: list[list[Alternative]]) -> list[list[Alternative]]:
        """Add word alignments where requested; a batch holds the best alternatives, another the second best, and on."""
        target = self.tokenizers.target
        wanted = [row for row, request in enumerate(requests) if request.words]
        aligned: list[list[Alternative]] = [
            [] if request.words else n_best for request, n_best in zip(requests, n_best_lists, strict=True)
        ]
        for place in range(max((len(n_best_lists[row]) for row in wanted), default=0)):
            rows = [row for row in wanted if place < len(n_best_lists[row])]
            sources = [requests[row].source for row in rows]
            targets = [target.ids(n_best_lists[row][place].tokens) for row in rows]
            for row, tokens, weights in zip(rows, targets, self.engine.attention(sources, targets), strict=True):
                alternative = n_best_lists[row][place]
                offsets = target.decoded_offsets([token for token in tokens if token != END])
                fine = requests[row].fine
                words = Words.of(alternative.text, offsets).of_tokens if fine else words_at(alternative.text, offsets)
                alignment = align(weights, requests[row].words, words)
                aligned[row].append(replace(alternative, alignment=alignment))
        return aligned


def to_json(record: Request | Alternative) -> dict[str, Any]:
    """A request or an alternative as a JSON object."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
