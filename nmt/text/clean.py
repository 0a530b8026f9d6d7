"""Normalize and filter sentence pairs by named rules.

Rules see one pair at a time, in many processes. Duplicates are dropped where these come together (data/prepare.py).
"""

import re
import string
import unicodedata
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from nmt.config.corpus import CleaningConfig
from nmt.errors import NmtError, UsageError
from nmt.text.control_characters import has_controls
from nmt.text.inline_codes import placeholders
from nmt.text.lengths import LengthFit
from nmt.text.repair import excerpt_of_repair, normalize_unicode, plain_quotes, repair_encoding
from nmt.text.scripts import base_language, script_of, share

RULES = (
    "kept", "empty", "too short", "too long", "broken encoding", "control characters", "held out", "ratio",
    "misaligned", "identical", "no words", "wrong script", "wrong language", "placeholders", "duplicate",
)  # fmt: skip
"""Outcomes of cleaning: arrays hold their indices, reports their names."""

_NUMBER = re.compile(r"\d+")
_LETTER = re.compile(r"[^\W\d_]")
_ASCII_LETTERS = string.ascii_letters.encode("ascii")
_ASCII_SIGNS = bytes(set(range(128)) - set(_ASCII_LETTERS))
_NOT_ASCII_LETTERS = bytes(set(range(256)) - set(_ASCII_LETTERS))
_ASCII = bytes(range(128))
_FEW_LETTERS = 0.2  # fraction of letters, by visible bytes, below which text has no words
_LATIN, _NOT_LATIN = 0.5, 0.1  # least fraction of letters in the language's script; others mix with Latin more
_SENTENCE = 4  # words of Latin letters that are more than a term in text of another script
_CERTAIN = 0.95  # probability of another language
_IDENTIFIABLE = 30  # least characters for language identification

Rule = Callable[[str, str], bool]


class _WordCharacters(dict[int, str]):
    """A table for `str.translate`: letters, digits, `_`, and the marks of scripts that spell with them stay."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        category = unicodedata.category(character)
        stays = category[0] in "LN" or character == "_"
        if category[0] == "M":  # a vowel of Hindi or Thai, but not an accent or a variant of an emoji
            stays = not unicodedata.name(character, "").startswith(("COMBINING", "VARIATION"))
        self[code] = character if stays else " "
        return self[code]


_WORD_CHARACTERS = _WordCharacters()


def words_of(text: str) -> str:
    """Text in lower case without punctuation and symbols; words are separated by single spaces.

    >>> words_of("Don't touch Port 80!"), words_of("वह जाती है।")
    ('don t touch port 80', 'वह जाती है')
    """
    return " ".join(text.casefold().translate(_WORD_CHARACTERS).split())


def near_duplicate_key(text: str) -> str:
    """The part of a text that near-duplicates share: lower case, numbers all alike, no punctuation; never empty.

    >>> [near_duplicate_key(text) for text in ("Chapter 12, Section 3.", "CHAPTER 1: section 24", "...")]
    ['chapter 0 section 0', 'chapter 0 section 0', '...']
    """
    return words_of(_NUMBER.sub("0", text).replace("_", " ")) or text


@lru_cache(maxsize=4)  # several rules need them
def _ascii_letters(text: str) -> bytes:
    """The ASCII letters of a text in lower case: fast, and equal for equal near-duplicate keys."""
    return text.casefold().encode("utf-8", "surrogatepass").translate(None, _NOT_ASCII_LETTERS)


class HeldOut:
    """The sentences of the held-out sets, which training must not see in any spelling."""

    def __init__(self, pairs: Iterable[tuple[str, str]], split: Container[tuple[str, str]] = ()) -> None:
        """`split` are normalized pairs that were split off the corpus: held out even without cleaning."""
        self.split = split
        self.exact = {side.strip() for pair in pairs for side in pair} - {""}
        self.keys = {near_duplicate_key(sentence) for sentence in self.exact}
        self._letters = {_ascii_letters(sentence) for sentence in self.exact}

    def __contains__(self, text: str) -> bool:
        """Whether text is a held-out sentence or a near-duplicate of one."""
        return text in self.exact or (_ascii_letters(text) in self._letters and near_duplicate_key(text) in self.keys)


class Cleaner:
    """Normalize text, and find the rule that drops a pair.

    >>> cleaner = Cleaner(CleaningConfig())
    >>> [cleaner.rejected_by(*pair) for pair in [("ein Hund", "a dog"), ("", "b"), ("12 %", "12 %"), ("gut", "good")]]
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
        self.repaired = 0  # texts so far whose encoding was repaired
        self.scripts = [script_of(language) for language in languages]
        self.languages = [base_language(language) for language in languages]
        self.rules = dict(self._rules()) if config.clean else {}

    def _rules(self) -> Iterator[tuple[str, Rule]]:
        """The active rules in order: a name, and a test whether a normalized pair breaks it."""
        config, held_out = self.config, self.held_out
        yield "broken encoding", lambda source, target: "\ufffd" in source or "\ufffd" in target
        yield "control characters", lambda source, target: has_controls(source + target)
        yield "held out", lambda source, target: source in held_out or target in held_out
        yield "ratio", self._differ_in_length
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

    def normalize(self, text: str) -> str:
        """Text as it is trained on: repaired, in a Unicode normal form, with single spaces."""
        config = self.config
        if not config.clean:
            return text
        if not text.isascii():
            if config.repair and (repaired := repair_encoding(text)) != text:
                text, self.repaired = repaired, self.repaired + 1
            text = normalize_unicode(text, config.normal_form)
            if config.plain_quotes:
                text = plain_quotes(text)
        return " ".join(text.split())

    def normalize_pair(self, source: str, target: str) -> tuple[str, str]:
        """Both sides, normalized."""
        return self.normalize(source), self.normalize(target)

    def repair_of(self, source: str, target: str) -> str | None:
        """An excerpt of the first side of a raw pair whose encoding is repaired; None: there is none."""
        repairs = (
            (text, repair_encoding(text)) for text in (source, target) if self.config.clean and self.config.repair
        )
        return next((excerpt_of_repair(*texts) for texts in repairs if texts[0] != texts[1]), None)

    def rejected_by(self, source: str, target: str) -> str | None:
        """The first rule that drops a normalized pair; None: the pair is kept."""
        if not source.strip() or not target.strip():
            return "empty"
        if (source, target) in self.held_out.split:
            return "held out"
        for name, breaks in self.rules.items():  # faster than a generator
            if breaks(source, target):
                return name
        return None

    def _differ_in_length(self, source: str, target: str) -> bool:
        shorter, longer = sorted((len(source), len(target)))
        return longer > self.config.max_ratio * (shorter + 10)  # the ratio of short lines means little

    def _is_foreign(self, text: str, side: int) -> bool:
        script = self.scripts[side]
        if script == "Latin":
            return not (text.isascii() or _is_mostly_ascii(text)) and share(text, script) < _LATIN
        # text in another script keeps names and terms in Latin letters
        return script is not None and len(text.split()) >= _SENTENCE and share(text, script) < _NOT_LATIN

    def _wrong_language(self) -> Rule:
        identifier = _language_identifier()
        known = set(identifier.labels)
        if unknown := [language for language in self.languages if language not in known]:
            problem = f"--check-languages cannot identify {unknown[0] or 'unknown languages'}"
            hint = "give --source-language and --target-language, each one of " + " ".join(sorted(known))
            raise UsageError(problem, hint)

        def is_other(text: str, language: str) -> bool:
            identified, probability = identifier.classify(text) if len(text) >= _IDENTIFIABLE else (language, 1.0)
            return identified != language and probability > _CERTAIN

        return lambda source, target: is_other(source, self.languages[0]) or is_other(target, self.languages[1])


def _differ_in_placeholders(source: str, target: str) -> bool:
    text = source + target
    return ("%" in text or "{" in text or "<" in text) and placeholders(source) != placeholders(target)


def _is_mostly_ascii(text: str) -> bool:
    """Whether at least half of the letters are ASCII, by a fast test: others take two bytes or more."""
    others = text.encode("utf-8", "surrogatepass").translate(None, _ASCII)
    return 2 * len(_ascii_letters(text)) >= len(others)


def _has_no_words(text: str) -> bool:
    """Whether text has no letter, or is mostly ASCII digits and punctuation, by its bytes."""
    if 2 * len(_ascii_letters(text)) > len(text):  # the fast way out
        return False
    visible = text.encode("utf-8", "surrogatepass").translate(None, b" ")
    letters = len(visible.translate(None, _ASCII_SIGNS))
    return letters < _FEW_LETTERS * len(visible) or not _LETTER.search(text)


def _language_identifier() -> Any:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise NmtError("--check-languages requires an extra package", "pip install 'nmt[langid]'") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
