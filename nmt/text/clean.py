"""Which pairs are fit to train on: rules with names, of which the first that a pair breaks drops it.

What a pair is compared with, the corpus as a whole, is no business of these rules: duplicates are found where all
pairs come together again (data/prepare.py), because rules are applied in many processes at a time.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any

from nmt.config import CleaningConfig
from nmt.errors import NmtError, UsageError
from nmt.text.lengths import LengthFit
from nmt.text.pair import SentencePair
from nmt.text.repair import normalised, plain_quotes, repaired
from nmt.text.scripts import base_language, script_of, share

RULES = (
    "kept",
    "empty",
    "too short",
    "too long",
    "broken encoding",
    "control characters",
    "held out",
    "ratio",
    "misaligned",
    "identical",
    "no words",
    "wrong script",
    "wrong language",
    "placeholders",
    "duplicate",
)
"""The names of what may become of a pair; arrays hold their numbers."""

_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffe\uffff]")
_PUNCTUATION = re.compile(r"[\W_]+")
_NUMBER = re.compile(r"\d+")
PLACEHOLDER = re.compile(
    r"""\{[\w.:!]*\}            # {0}, {name}
    | (?<![A-Za-z0-9_%])(?<!\d\s)%(?:\d+\$)?[-+0#]?[\d.*]*(?:hh|h|ll|l|z)?[sdifuxXcgeEp@]  # %s, %1$d; not 50%s, 50 %s
    | %\(\w+\)[sdf] | \$\{\w+\}  # %(name)s, ${name}
    | </?(?:a|b|big|br|code|div|em|font|h[1-6]|hr|i|img|kbd|li|ol|p|pre|s|small|span|strong|su[bp]|t[adhrt]|table|u|ul)
      (?:\s+[\w:-]+=[^<>]*)?\s*/?>  # <b>, </b>, <br/>, <a href="x">; not <file>, which is translated
    | <[A-Za-z][\w:-]*/>""",
    re.VERBOSE,
)
"""Placeholders and tags, that is, what a translation must have, too."""

_VARIABLE = re.compile(r"(?<=\{)[A-Za-z_][\w.:!]*|(?<=\{\d)[:!][^}]*|(?<=%)\d+\$|(?<=\w)\s[^<>]*(?=>)|\s*/(?=>)")
_ASCII_LETTERS = string.ascii_letters.encode("ascii")
_ASCII_SIGNS = bytes(set(range(128)) - set(_ASCII_LETTERS))
_NOT_ASCII_LETTERS = bytes(set(range(256)) - set(_ASCII_LETTERS))
_ASCII = bytes(range(128))
_LETTER = re.compile(r"[^\W\d_]")
_FEW_LETTERS = 0.2  # share of a side's visible bytes below which it has no words
_LATIN, _NOT_LATIN = 0.5, 0.1  # least share of letters in the script of their language; others than Latin mix more
_SENTENCE = 4  # words of Latin letters that are more than a term in a text of another script
_CERTAIN = 0.95  # probability of another language
_TELLING = 30  # characters that a language is told by


Rule = Callable[[str, str], bool]


def folded(text: str) -> str:
    """Text as near-duplicates are compared: in lower case, each number alike, without punctuation; never empty.

    >>> folded("Chapter 12, Section 3."), folded("CHAPTER 1: section 24"), folded("...")
    ('chapter 0 section 0', 'chapter 0 section 0', '...')
    """
    return _PUNCTUATION.sub(" ", _NUMBER.sub("0", text.casefold())).strip() or text


@lru_cache(maxsize=4)  # several rules ask for those of a pair
def _letters(text: str) -> bytes:
    """The ASCII letters of a text, in lower case: quickly found, and the same where `folded` is."""
    return text.casefold().encode("utf-8", "surrogatepass").translate(None, _NOT_ASCII_LETTERS)


def placeholders(text: str) -> Counter[str]:
    """How often each placeholder and tag stands in a text.

    Names in braces are all alike, as in {FILE} they may be translated, and so are the numbers by which words change
    places, as in %2$s, formats as in {0:d}, and what is inside a tag.

    >>> dict(placeholders("{0} of %2$s, 100 % done, 50%s, <b>bold</b> if {a} < b > c"))
    {'{0}': 1, '%s': 1, '<b>': 1, '</b>': 1, '{}': 1}
    """
    return Counter(_VARIABLE.sub("", found) for found in PLACEHOLDER.findall(text))


def _differ_in_placeholders(source: str, target: str) -> bool:
    both = source + target
    return ("%" in both or "{" in both or "<" in both) and placeholders(source) != placeholders(target)


def _has_controls(text: str) -> bool:
    return not text.isprintable() and _CONTROL.search(text) is not None


class HeldOut:
    """The sentences of the sets that will be scored, which training must not have seen, in any spelling."""

    def __init__(self, pairs: Iterable[SentencePair], cut: AbstractSet[tuple[str, str]] = frozenset()) -> None:
        """`cut` are regular pairs that were cut off the corpus itself: held out even where nothing is cleaned."""
        self.cut = cut
        sides = {side.strip() for pair in pairs for side in (pair.source, pair.target)} - {""}
        self.exact, self.folded = sides, {folded(side) for side in sides}
        self.letters = {_letters(side) for side in sides}

    def has(self, text: str) -> bool:
        """Whether a sentence is one of them."""
        return text in self.exact or (_letters(text) in self.letters and folded(text) in self.folded)


class Cleaner:
    """Makes text regular, and tells which rule a pair breaks.

    >>> cleaner = Cleaner(CleaningConfig())
    >>> [cleaner.rule_against(*pair) for pair in [("ein Hund", "a dog"), ("", "b"), ("12 %", "12 %"), ("gut", "good")]]
    [None, 'empty', 'identical', None]
    """

    def __init__(
        self,
        config: CleaningConfig,
        held_out: HeldOut | None = None,
        fit: LengthFit | None = None,
        languages: Sequence[str | None] = (None, None),
    ) -> None:
        self.config, self.held_out, self.fit = config, held_out or HeldOut(()), fit
        self.scripts = [script_of(language) for language in languages]
        self.languages = [base_language(language) for language in languages]
        self.rules = dict(self._rules()) if config.clean else {}

    def _rules(self) -> Iterator[tuple[str, Rule]]:
        """The rules that are asked for, in their order: a name, and whether a pair of regular texts breaks it."""
        config = self.config
        yield "broken encoding", lambda source, target: "\ufffd" in source or "\ufffd" in target
        yield "control characters", lambda source, target: _has_controls(source) or _has_controls(target)
        yield "held out", lambda source, target: self.held_out.has(source) or self.held_out.has(target)
        yield "ratio", self._differs_in_length
        if self.fit and config.max_deviation:
            fit = self.fit
            yield "misaligned", lambda source, target: fit.deviation(source, target) > config.max_deviation
        if not config.keep_identical:
            yield "identical", lambda source, target: source == target
        yield "no words", lambda source, target: _has_no_words(source) or _has_no_words(target)
        if config.check_scripts:
            yield "wrong script", lambda source, target: self._is_foreign(source, 0) or self._is_foreign(target, 1)
        if config.check_languages:
            yield "wrong language", self._wrong_language()
        if config.check_placeholders:
            yield "placeholders", _differ_in_placeholders

    def regular(self, text: str) -> str:
        """Text as it is trained on: repaired, in a normal form, with single spaces."""
        config = self.config
        if not config.clean:
            return text
        if not text.isascii():
            text = normalised(repaired(text) if config.repair else text, config.normal_form)
            if config.plain_quotes:
                text = plain_quotes(text)
        return " ".join(text.split())

    def rule_against(self, source: str, target: str) -> str | None:
        """The name of the first rule that drops a pair of regular texts, if any does."""
        if not source.strip() or not target.strip():
            return "empty"
        if (source, target) in self.held_out.cut:
            return "held out"
        for name, breaks in self.rules.items():
            if breaks(source, target):
                return name
        return None

    def _differs_in_length(self, source: str, target: str) -> bool:
        shorter, longer = sorted((len(source), len(target)))
        return longer > self.config.max_ratio * (shorter + 10)  # a few characters more say nothing of short lines

    def _is_foreign(self, text: str, side: int) -> bool:
        script = self.scripts[side]
        if script == "Latin":
            return not _is_mostly_ascii(text) and share(text, script) < _LATIN
        # in a text of another script, names and terms stay as they are
        return script is not None and len(text.split()) >= _SENTENCE and share(text, script) < _NOT_LATIN

    def _wrong_language(self) -> Rule:
        identify, known = language_identifier()
        if unknown := [language for language in self.languages if language not in known]:
            raise UsageError(
                f"--check-languages cannot tell {unknown[0] or 'languages that it does not know'}",
                "give --source-language and --target-language; among " + " ".join(sorted(known)),
            )

        def wrong(text: str, language: str) -> bool:
            found, probability = identify(text) if len(text) >= _TELLING else (language, 1.0)
            return found != language and probability > _CERTAIN

        return lambda source, target: wrong(source, self.languages[0]) or wrong(target, self.languages[1])


def _is_mostly_ascii(text: str) -> bool:
    """Whether a text has no fewer ASCII letters than others, of two bytes at least: quickly told."""
    return text.isascii() or 2 * len(_letters(text)) >= len(
        text.encode("utf-8", "surrogatepass").translate(None, _ASCII)
    )


def _has_no_words(text: str) -> bool:
    """Whether a text has no letter, or its ASCII digits and punctuation are most of its bytes."""
    if 2 * len(_letters(text)) > len(text):  # told quickly
        return False
    visible = text.encode("utf-8", "surrogatepass").translate(None, b" ")
    letters = len(visible.translate(None, _ASCII_SIGNS))
    return letters < _FEW_LETTERS * len(visible) or not _LETTER.search(text)


def language_identifier() -> tuple[Callable[[str], tuple[str, float]], set[str]]:
    """What tells the language of a text and how sure it is, and the codes of the languages that it knows.

    NmtError where the package for it is missing.
    """
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise NmtError("--check-languages needs a package more", "pip install 'nmt[langid]'") from None
    identifier: Any = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def identify(text: str) -> tuple[str, float]:
        language, probability = identifier.classify(text)
        return str(language), float(probability)

    return identify, set(identifier.labels)
