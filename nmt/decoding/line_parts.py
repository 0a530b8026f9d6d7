"""Parts of lines: each line split into what the model can read, and the translations of its parts joined."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from nmt.config.search import SearchConfig
from nmt.decoding.alignment import Alignment, pieces_to_words
from nmt.decoding.hypotheses import Request
from nmt.decoding.translation import Alternative, Line, Translation
from nmt.errors import UsageError
from nmt.text.sentences import casefold_words, join_parts, split_to_fit
from nmt.text.tokenizer import END, Tokenizers


class LinePart(NamedTuple):
    """A part of a line, ready for search."""

    gap: str  # the white space before it
    request: Request


class LineSplitter:
    """Splits lines into parts of at most `max_length` tokens, END included, and joins their translations."""

    def __init__(self, tokenizers: Tokenizers, config: SearchConfig, max_length: int) -> None:
        self.tokenizers, self.config, self.max_length = tokenizers, config, max_length

    def split(self, line: Line) -> list[LinePart]:
        """The parts of a line: the whole line, or its sentences if it is too long or `split_sentences` is set.

        Prefix and terms belong to the first part. A blank line has no parts. Raises UsageError for impossible terms.
        """
        parts = list[LinePart]()
        for gap, text, tokens in self._texts(line.text):
            part = Line(text) if parts else replace(line, text=text)
            parts.append(LinePart(gap, self._request(part, [*tokens, END])))
        return parts

    def _texts(self, line: str) -> list[tuple[str, str, list[int]]]:
        """Split a line: gap, text and tokens of each part."""
        limit, encode = self.max_length - 1, self.tokenizers.source.encode
        tokens = encode([line])[0] if line.strip() else []
        if len(tokens) <= limit and not self.config.split_sentences:
            parts = [("", line, tokens)]
        else:
            texts = split_to_fit(line, lambda text: len(encode([text])[0]) <= limit, split=self.config.split_sentences)
            parts = [(gap, text, encode([text])[0][:limit]) for gap, text in texts]
        return [part for part in parts if part[2]]

    def _request(self, part: Line, source: list[int]) -> Request:
        config, encode, length = self.config, self.tokenizers.target.encode, len(source)
        prefix = encode([part.prefix])[0] if part.prefix else []
        terms = [term for term in encode(list(part.terms)) if term] if part.terms else []
        if terms:
            _check_terms(part.terms, config)
        longest = 2 * length + 20
        if config.max_length is not None or config.max_ratio is not None:
            longest = min(config.max_length or 1 << 16, math.ceil((config.max_ratio or 1 << 16) * length))
        longest = max(min(longest, self.max_length), len(prefix) + sum(map(len, terms)) + 1)
        return Request(
            source=source,
            max_length=longest,
            min_length=min(max(config.min_length, math.ceil(config.min_ratio * length)), max(2, longest)),
            prefix=prefix,
            required=terms,
            seed=_sample_seed(part.text, config.seed) if config.sample else 0,
        )

    def join(self, parts: Sequence[LinePart], n_best_lists: Sequence[list[Alternative]]) -> Translation:
        """Join the best translations of a line's parts, the second best, and so on; failed parts are left blank."""
        if not parts:
            return Translation([Alternative()])
        filled = [n_best or [Alternative()] for n_best in n_best_lists]
        return Translation([self._join(parts, row) for row in zip(*filled, strict=False)], not all(n_best_lists))

    def _join(self, parts: Sequence[LinePart], alternatives: Sequence[Alternative]) -> Alternative:
        texts = [(part.gap, alternative.text) for part, alternative in zip(parts, alternatives, strict=True)]
        return Alternative(
            text=join_parts(texts),
            score=sum(alternative.score for alternative in alternatives) / len(alternatives),
            log_prob=math.fsum(alternative.log_prob for alternative in alternatives),
            tokens=[piece for alternative in alternatives for piece in alternative.tokens],
            token_scores=[score for alternative in alternatives for score in alternative.token_scores],
            truncated=any(alternative.truncated for alternative in alternatives),
            loop=any(alternative.loop for alternative in alternatives),
            unknown=any(alternative.unknown for alternative in alternatives),
            alignment=self._join_alignments(parts, alternatives),
        )

    def _join_alignments(self, parts: Sequence[LinePart], alternatives: Sequence[Alternative]) -> Alignment | None:
        """The alignment of the joined line; None if that of a part is missing."""
        joined, source_words, target_words = Alignment(), 0, 0
        for part, alternative in zip(parts, alternatives, strict=True):
            if alternative.alignment is None:
                return None
            joined += [(source_words + source, target_words + target) for source, target in alternative.alignment]
            source_words += len(pieces_to_words(self.tokenizers.source.pieces(part.request.source[:-1])))
            target_words += len(pieces_to_words([piece for piece in alternative.tokens if piece != "</s>"]))
        return joined


def _check_terms(terms: Sequence[str], config: SearchConfig) -> None:
    """Raise UsageError for required terms that search cannot write."""
    if config.sample:
        raise UsageError("--sample cannot be combined with required terms", "leave out --glossary and constraints")
    for term in terms:
        for word in config.forbid or []:
            if f" {casefold_words(word)} " in f" {casefold_words(term)} ":
                raise UsageError(f"{term!r} is required, but {word!r} is forbidden", "leave out one of them")


def _sample_seed(text: str, seed: int) -> int:
    """The seed of a sentence's samples: a hash of its text, combined with the user's seed."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) ^ seed
