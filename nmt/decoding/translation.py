"""Lines to translate, with their constraints, and their translations."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nmt.decoding.alignment import Alignment
from nmt.errors import NmtError
from nmt.files.lines import read_text
from nmt.text.letter_case import upper
from nmt.text.words import casefold_words, separate_words

_SURROGATES = re.compile("[\ud800-\udfff]")


def without_surrogates(text: str) -> str:
    """Replace halves of surrogate pairs, which JSON can express and UTF-8 cannot, by U+FFFD."""
    return _SURROGATES.sub("\ufffd", text)


@dataclass(frozen=True, slots=True)
class Line:
    """A line to translate, and the constraints on its translation."""

    text: str
    prefix: str = ""  # which the translation begins with
    terms: Sequence[str] = ()  # which the translation contains
    tag: str = ""  # of the target language, such as 2en, before each part of the text
    number: int = 0  # for messages, if it is not the number of lines before it plus 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One translation of a line, an entry of its n-best list."""

    text: str = ""
    score: float = 0.0  # of the hypothesis, see hypotheses.py; the mean over the parts of a line that was split
    log_prob: float = 0.0  # the sum of token_scores
    tokens: list[str] = field(default_factory=list)  # target pieces, </s> included
    token_scores: list[float] = field(default_factory=list)  # their log-probabilities
    truncated: bool = False  # whether it reached the maximum length unfinished
    loop: bool = False  # whether it was re-decoded because of degenerate repetition
    unknown: bool = False  # whether source or translation contain <unk>
    untranslated: bool = False  # whether a part of the source stands for a translation that would lose inline codes
    alignment: Alignment | None = None  # if requested


@dataclass(frozen=True, slots=True)
class Translation:
    """The translations of one line, best first; never empty."""

    alternatives: list[Alternative]
    failed: bool = False  # whether an error occurred, which was logged

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

    def in_capitals(self) -> "Translation":
        """The same in capitals; alternatives that differed only in case are one."""
        texts = dict[str, Alternative]()
        for alternative in self.alternatives:
            texts.setdefault(upper(alternative.text), alternative)
        return replace(self, alternatives=[replace(alternative, text=text) for text, alternative in texts.items()])

    def padded(self, count: int) -> list[Alternative]:
        """Exactly `count` alternatives; where search found fewer, empty ones with score -inf follow."""
        return (self.alternatives + [Alternative(score=-math.inf)] * count)[:count]


class Glossary:
    """Terminology: source terms and their required translations.

    >>> Glossary({"hund": "dog"}).apply(Line("Der Hund bellt."))
    Line(text='Der Hund bellt.', prefix='', terms=('dog',), tag='', number=0)
    """

    def __init__(self, terms: Mapping[str, str]) -> None:
        """Terms match whole words in any case; of overlapping terms, the first and longest matches."""
        self.terms = defaultdict[str, dict[tuple[str, ...], str]](dict)  # by the first word
        folded = {casefold_words(source): target for source, target in terms.items()}
        for source in sorted(folded, key=len, reverse=True):
            words = separate_words(source)
            self.terms[words[0]][tuple(words)] = folded[source]

    @classmethod
    def read(cls, path: Path) -> "Glossary":
        """Read a TSV file; NmtError for a line that is not two terms and a tab."""
        terms = {}
        for number, line in enumerate(read_text(path), start=1):
            if line.strip():
                columns = [column.strip() for column in line.split("\t")]
                if len(columns) != 2 or not all(columns):
                    raise NmtError(f"{path}, line {number}: expected a source term, a tab and a target term")
                terms[columns[0]] = columns[1]
        return cls(terms)

    def apply(self, line: Line, prefix: str = "") -> Line:
        """Add the required translations of terms in a line, and a prefix if it has none."""
        terms = tuple(dict.fromkeys([*line.terms, *self._find(line.text)]))
        return replace(line, prefix=line.prefix or prefix, terms=terms)

    def _find(self, text: str) -> Iterator[str]:
        """The translations of the terms in a text, from left to right."""
        words, start = separate_words(casefold_words(text)) if self.terms else [], 0
        while start < len(words):
            candidates = self.terms.get(words[start], {})
            term = next((term for term in candidates if tuple(words[start : start + len(term)]) == term), None)
            if term:
                yield candidates[term]
            start += len(term) if term else 1
