"""What goes in and what comes out: a line with what is asked of its translation, and its translations."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nmt.decoding.align import Alignment
from nmt.errors import NmtError
from nmt.files import read_text
from nmt.text.sentences import folded

_SURROGATES = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """The text with U+FFFD for halves of surrogate pairs, which JSON can spell and UTF-8 cannot."""
    return _SURROGATES.sub("\ufffd", text)


@dataclass(frozen=True, slots=True)
class Line:
    """A line to translate, and what is asked of its translation."""

    text: str
    prefix: str = ""  # what it begins with
    terms: Sequence[str] = ()  # what must stand in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One of a line's n best translations."""

    text: str = ""
    score: float = 0.0  # what search ranks by, see beam.py; the mean over the parts of a line that was cut
    log_prob: float = 0.0  # of the model, the sum of token_scores
    tokens: list[str] = field(default_factory=list)  # target pieces, ends of sentences included
    token_scores: list[float] = field(default_factory=list)  # their log-probabilities
    truncated: bool = False  # whether the longest length allowed cut it off
    loop: bool = False  # whether it ran in circles and was decoded again
    unknown: bool = False  # whether the model has no pieces for some of the source or wrote one for unknown text
    alignment: Alignment | None = None  # pairs of source and target word, where asked for


@dataclass(frozen=True, slots=True)
class Translation:
    """The translations of one line, best first; never empty."""

    alternatives: list[Alternative]
    failed: bool = False  # whether an error stood in the way, which was told

    @property
    def best(self) -> Alternative:
        """The best translation."""
        return self.alternatives[0]

    @property
    def text(self) -> str:
        """The text of the best translation."""
        return self.best.text

    @property
    def score(self) -> float:
        """The score of the best translation."""
        return self.best.score

    def padded(self, count: int) -> list[Alternative]:
        """Exactly `count` alternatives; where search found fewer, empty ones that score -inf at the end."""
        return (self.alternatives + [Alternative(score=-math.inf)] * count)[:count]


class Glossary:
    """Terms of the source language and what they must become.

    >>> Glossary({"hund": "dog"}).apply(Line("Der Hund bellt."))
    Line(text='Der Hund bellt.', prefix='', terms=('dog',))
    """

    def __init__(self, terms: Mapping[str, str]) -> None:
        """A term is found as whole words, in any case; of two that overlap, the longer one."""
        self.terms = {folded(source): target for source, target in terms.items()}
        longest_first = sorted(self.terms, key=len, reverse=True)
        self.pattern = re.compile("|".join(rf"(?<!\w){re.escape(term)}(?!\w)" for term in longest_first))

    @classmethod
    def read(cls, path: Path) -> "Glossary":
        """Read a TSV file; NmtError for a line without a tab, or with an empty side."""
        terms = {}
        for number, line in enumerate(read_text(path), start=1):
            if line.strip():
                columns = [one.strip() for one in line.removeprefix("\ufeff" if number == 1 else "").split("\t")]
                source, target = columns if len(columns) == 2 else ("", "")
                if not source or not target:
                    raise NmtError(f"{path}, line {number}: not a term, a tab and its translation")
                terms[source] = target
        return cls(terms)

    def apply(self, line: Line, prefix: str = "") -> Line:
        """The line with the translations of the terms in it, and a prefix where it has none."""
        found = [self.terms[match] for match in self.pattern.findall(folded(line.text))] if self.terms else []
        return Line(line.text, line.prefix or prefix, tuple(dict.fromkeys([*line.terms, *found])))
