"""Everything that is done for a batch of sentences, from their tokens to the text of their translations.

Search; again without repetitions, where it ran in circles; the choice among many by minimum Bayes risk; alignments.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from nmt.config import SearchConfig
from nmt.decoding.align import align
from nmt.decoding.engine import Engine
from nmt.decoding.hypotheses import Hypothesis, Request
from nmt.decoding.lines import Alternative
from nmt.decoding.loops import is_loop
from nmt.decoding.mbr import expected_utilities
from nmt.decoding.rules import ForbiddenWords
from nmt.text.tokenizer import END, UNKNOWN, Tokenizers

_GUARD_NGRAM = 3  # what runs in circles is decoded again without writing so many tokens in a row twice


class SentenceSearch:
    """An engine with all that it is asked for."""

    def __init__(self, engine: Engine, tokenizers: Tokenizers, config: SearchConfig, *, alignments: bool) -> None:
        self.engine, self.tokenizers, self.config, self.alignments = engine, tokenizers, config, alignments
        self.forbidden: ForbiddenWords | None = None
        if config.forbid:
            self.forbidden = ForbiddenWords(config.forbid, tokenizers.target.vocabulary())

    def on_item(self, item: list[tuple[list[int], dict[str, Any]]]) -> list[Any]:
        """The same for sources and requests as JSON has them: alternatives as JSON, or what stood in the way."""
        sources, requests = [source for source, _ in item], [Request(**request) for _, request in item]
        found = self(sources, requests)
        return [one if isinstance(one, str) else [asdict(alternative) for alternative in one] for one in found]

    def __call__(self, sources: Sequence[list[int]], requests: Sequence[Request]) -> list[list[Alternative] | str]:
        """The alternatives of each sentence, best first.

        Where search fails, it is done for fewer sentences at a time; one that fails alone gets the error for a result.
        """
        try:
            return list(self._alternatives(sources, requests))
        except (RuntimeError, MemoryError, ValueError, IndexError) as error:
            half = len(sources) // 2
            if half:
                return self(sources[:half], requests[:half]) + self(sources[half:], requests[half:])
            return [str(error) or type(error).__name__]

    def _alternatives(self, sources: Sequence[list[int]], requests: Sequence[Request]) -> list[list[Alternative]]:
        found = self.engine.search(sources, requests, self.config, self.forbidden)
        loops: list[int] = []
        if self.config.loop_guard:
            loops = [index for index, one in enumerate(found) if is_loop(one[0].tokens, sources[index])]
        if loops:
            stricter = replace(self.config, no_repeat_ngram=_GUARD_NGRAM)
            again = [sources[index] for index in loops], [requests[index] for index in loops]
            for index, one in zip(loops, self.engine.search(*again, stricter, self.forbidden), strict=True):
                found[index] = one
        made = [self._described(one, sources[index], index in loops) for index, one in enumerate(found)]
        if self.config.mbr != "off":
            made = [self._least_risk(one) for one in made]
        return self._aligned(sources, made) if self.alignments else made

    def _described(self, found: Sequence[Hypothesis], source: Sequence[int], loop: bool) -> list[Alternative]:
        target, made = self.tokenizers.target, []
        for text, one in zip(target.decode([one.tokens for one in found]), found, strict=True):
            tokens = one.tokens if one.truncated else [*one.tokens, END]
            described = Alternative(
                text=text,
                score=one.score,
                log_prob=one.log_prob,
                tokens=target.pieces(tokens),
                token_scores=one.token_log_probs,
                truncated=one.truncated,
                loop=loop,
                unknown=UNKNOWN in source or UNKNOWN in tokens,
            )
            made.append(described)
        return made

    def _least_risk(self, alternatives: Sequence[Alternative]) -> list[Alternative]:
        utilities = expected_utilities([one.text for one in alternatives], self.config.mbr)
        order = sorted(range(len(alternatives)), key=lambda index: -utilities[index])
        return [alternatives[index] for index in order][: self.config.n_best]

    def _aligned(
        self, sources: Sequence[list[int]], alternatives: Sequence[Sequence[Alternative]]
    ) -> list[list[Alternative]]:
        """The same with word alignments."""
        source, target = self.tokenizers.source, self.tokenizers.target
        made: list[list[Alternative]] = [[] for _ in sources]
        for rank in range(max(map(len, alternatives))):
            rows = [index for index, one in enumerate(alternatives) if rank < len(one)]
            tokens = [target.ids(alternatives[row][rank].tokens) for row in rows]
            weights = self.engine.attention([sources[row] for row in rows], tokens)
            for row, one in zip(rows, weights, strict=True):
                links = align(one, source.pieces(sources[row]), alternatives[row][rank].tokens)
                made[row].append(replace(alternatives[row][rank], alignment=links))
        return made
