"""Which pairs are fit to train on: each rule has a name, and what it dropped is counted."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import InitVar, dataclass, field

from nmt.config import PrepareConfig
from nmt.text.corpus import SentencePair


@dataclass(slots=True)
class Cleaner:
    """Drops pairs by rule, in this order: empty, held out, ratio, duplicate; `too_long` is known after tokenizing.

    A pair is held out when its source or its target is a sentence of the sets that will be scored.

    >>> cleaner = Cleaner(PrepareConfig())
    >>> pairs = [SentencePair("a", "b", 1), SentencePair(" ", "b", 2), SentencePair("a", "b", 3)]
    >>> [pair.line for pair in cleaner.keep(pairs)], dict(cleaner.dropped)
    ([1], {'empty': 1, 'duplicate': 1})
    """

    config: PrepareConfig
    held_out: InitVar[Iterable[SentencePair]] = ()
    cut_lines: frozenset[int] = frozenset()  # lines that became part of those sets, whatever else is asked for
    dropped: Counter[str] = field(default_factory=Counter)
    seen: set[bytes] = field(default_factory=set)
    scored: set[str] = field(init=False)

    def __post_init__(self, held_out: Iterable[SentencePair]) -> None:
        self.scored = {side.strip() for pair in held_out for side in (pair.source, pair.target)} - {""}

    def keep(self, pairs: Iterable[SentencePair]) -> Iterator[SentencePair]:
        """The pairs that no rule drops, in order."""
        for pair in pairs:
            rule = self.rule_against(pair)
            if rule is None:
                yield pair
            else:
                self.dropped[rule] += 1

    def rule_against(self, pair: SentencePair) -> str | None:
        """The name of the first rule that drops this pair, if any does."""
        source, target = pair.source.strip(), pair.target.strip()
        if not source or not target:
            return "empty"
        if pair.line in self.cut_lines:
            return "held out"
        if not self.config.clean:
            return None
        if source in self.scored or target in self.scored:
            return "held out"
        shorter, longer = sorted((len(source), len(target)))
        if longer > self.config.max_ratio * (shorter + 10):  # a few characters more say nothing of short lines
            return "ratio"
        if not self.config.keep_duplicates:
            digest = hashlib.blake2b(f"{source}\n{target}".encode(errors="surrogatepass"), digest_size=12).digest()
            if digest in self.seen:
                return "duplicate"
            self.seen.add(digest)
        return None

    def too_long(self, source: list[int], target: list[int]) -> bool:
        """Whether the tokens of a pair, end of sentence included, are too many; counts it if so."""
        if max(len(source), len(target)) <= self.config.max_length:
            return False
        self.dropped["too long"] += 1
        return True
