"""Parts of lines: each line split into what the model can read, and the translations of its parts joined."""

import hashlib
import logging
import math
import re
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from itertools import chain, repeat
from typing import NamedTuple, get_args

from nmt.config.search import SearchConfig
from nmt.decoding.alignment import UNALIGNED, Alignment, first_words, words_at
from nmt.decoding.engine import Request
from nmt.decoding.tag_placement import TagPlacement, Words, coarse_words
from nmt.decoding.translation import Alternative, Glossary, Line, Translation
from nmt.errors import UsageError, counted
from nmt.text.inline_codes import Code, CodedText, Kind, find_codes, separate_edges
from nmt.text.letter_case import fold_case
from nmt.text.sentences import LONGEST_WORD, Part, layout_of, separate_parts, split_to_fit
from nmt.text.tokenizer import END, Tokenizers
from nmt.text.words import casefold_words, contains_words

logger = logging.getLogger("nmt")

_ALL_KINDS = frozenset[Kind](get_args(Kind))
_MANY_PARTS = 100
_MOST_CHARACTERS = 64  # of a token, on average: longer text is not encoded only to see that it does not fit
_SIGNS = re.compile("[ -~\xa0-\xff\u2000-\u2bff\ufe0f\U0001f000-\U0001faff]*")  # those of all languages
_CELL = re.compile(r"[^\t]*\t|[^\t]+")


class LinePart(NamedTuple):
    """A part of a line, ready for search."""

    gap: str  # what stands before it and stays: white space, a bullet, or what is not text
    request: Request | None  # None at the end of a line, after the last text
    text: str = ""
    coded: CodedText | None = None  # the text, if it has inline codes to protect
    line: Line = Line("")  # the text as a line of its own

    def has_codes_of(self, translation: str) -> bool:
        """Whether a translation has the inline codes of this part, each exactly once."""
        return self.coded is None or self.coded.has_all(translation)


class _Text(NamedTuple):
    """A text of a line, before it becomes a part."""

    gap: str
    text: str
    coded: CodedText | None
    tokens: list[int]  # of the text without tags


class LineSplitter:
    """Splits lines into parts of at most `max_length` tokens, END included, and joins their translations."""

    def __init__(
        self,
        tokenizers: Tokenizers,
        config: SearchConfig,
        max_length: int,
        language: str | None = None,
        glossary: Glossary | None = None,
        *,
        alignments: bool = False,
    ) -> None:
        """`language` is that of the source, if it is known."""
        self.tokenizers, self.config, self.max_length, self.language = tokenizers, config, max_length, language
        self.glossary, self.alignments = glossary or Glossary({}), alignments
        self.breaks = frozenset[Kind](["break"])  # the inline codes that divide a line

    def fold(self, line: Line) -> Line:
        """A line in capitals or Title Case as a sentence, unless its constraints say how it is to be written."""
        if not self.config.fold_case or line.prefix or line.terms:
            return line

        def count_tokens(text: str) -> int:
            return len(self.tokenizers.source.encode([text])[0])

        return replace(line, text=fold_case(line.text, count_tokens, self.language))

    def split(self, line: Line, number: int = 0) -> list[LinePart]:
        """The parts of the line with this number: its cells, between tabs or tags that break lines, and their sentences
        if they are too long or `split_sentences` is set.

        Prefix and constraints belong to the first part, terms of the glossary to the parts that they are in, the tag to
        each. A blank line has no parts. Raises UsageError for impossible terms.
        """
        parts, source = list[LinePart](), self.tokenizers.source
        tag = source.encode([source.symbol(line.tag) or line.tag])[0] if line.tag else []
        for gap, text, coded, tokens in self._texts(line, self.max_length - 1 - len(tag)):
            if not text:
                parts.append(LinePart(gap, None))
                continue
            plain = coded.plain if coded else text
            own = Line(text, tag=line.tag) if parts else replace(line, text=text)
            request = self._request(
                self.glossary.apply(replace(own, text=plain)), tag, tokens, bool(coded and coded.tags)
            )
            parts.append(LinePart(gap, request, text, coded, own))
        copied = sum(len(part.gap) for part in parts if len(part.gap) > LONGEST_WORD)
        if (copied or len(parts) > _MANY_PARTS) and self.breaks != _ALL_KINDS:
            how = f"translated in {counted(len(parts), 'part')}" + f", {copied:,} without white space copied" * (
                copied > 0
            )
            logger.warning("line %d has %s characters: %s", number, f"{len(line.text):,}", how)
        return parts

    def split_at_codes(self, line: Line) -> list[LinePart]:
        """The parts of a line between its inline codes, each translated on its own; the codes stay."""
        splitter = copy(self)
        splitter.breaks = _ALL_KINDS
        return splitter.split(line)

    def _texts(self, line: Line, limit: int) -> Iterator[_Text]:
        """Split a line into texts of at most `limit` tokens, and what stays at its end."""
        rest = line.text.lstrip(" \t") if line.prefix else line.text  # the translation begins with its prefix
        gap = ""
        for lead, segment in self._segments(rest, self.breaks):
            layout = "" if line.prefix else layout_of(segment)
            gap += lead + layout
            for cell in _CELL.findall(segment, len(layout)):
                text = cell.strip()
                start = cell.find(text)
                gap += cell[:start]
                for part in self._fit(text, limit):
                    if part.tokens:
                        yield part._replace(gap=gap + part.gap)
                    gap = "" if part.tokens else gap + part.gap + part.text
                gap += cell[start + len(text) :]
        if gap.strip() or (re.search("[\t\n]", gap) and rest.strip()):
            yield _Text(gap, "", None, [])

    def _segments(self, text: str, breaks: frozenset[Kind]) -> Iterator[tuple[str, str]]:
        """Split a text at inline codes of some kinds: what stays before each segment, and the segment."""
        codes = find_codes(text) if self.config.protect != "off" else []
        if not codes:
            signs = self.config.protect != "off" and _SIGNS.fullmatch(text)
            is_text = not signs or any(map(str.isalpha, text))
            yield ("", text) if is_text else (text, "")
            return
        gap, start = "", 0
        for code in [*(code for code in codes if code.kind in breaks), Code(len(text), len(text), "break")]:
            lead, segment, trail = separate_edges(text[start : code.start])
            if inner := segment.strip():
                before, _, after = segment.partition(inner)
                yield gap + lead + before, inner
                gap = after + trail
            else:
                gap += lead + segment + trail
            gap, start = gap + text[code.start : code.end], code.end
        yield gap, ""

    def _coded(self, text: str) -> CodedText | None:
        """A text with the inline codes in it that are to be protected, if it has some."""
        codes = find_codes(text) if self.config.protect != "off" and self.breaks != _ALL_KINDS else []
        source = self.tokenizers.source
        return CodedText(text, codes, lambda tag: bool(source.symbol(tag))) if codes else None

    def _fit(self, text: str, limit: int) -> Iterator[_Text]:
        """Split text, if necessary; what is not text has no tokens."""

        @cache
        def encode(part: str) -> tuple[CodedText | None, list[int]]:
            coded = self._coded(part)
            return coded, self.tokenizers.source.encode([coded.plain if coded else part])[0]

        def fits(part: str) -> bool:
            return len(part) <= limit * _MOST_CHARACTERS and len(encode(part)[1]) <= limit

        def parts_of(part: str) -> list[Part]:
            if not self.config.split_sentences and fits(part):
                return [Part("", part)] if part else []
            return split_to_fit(part, fits, split=True, language=self.language)

        coded, parts = self._coded(text), parts_of(text)
        if coded and not coded.is_whole([part for _, part in parts]):
            parts = [
                Part(lead + gap, part)
                for lead, piece in self._segments(text, _ALL_KINDS)
                for (gap, part), lead in zip(parts_of(piece) or [Part("", "")], chain([lead], repeat("")), strict=False)
            ]
        for gap, part in parts:
            is_text = part and (len(part) <= LONGEST_WORD or fits(part))
            of_part, tokens = encode(part) if is_text else (None, [])
            yield _Text(gap, part, of_part, tokens[:limit])

    def _request(self, part: Line, tag: list[int], tokens: list[int], has_tags: bool) -> Request:
        config, encode, length = self.config, self.tokenizers.target.encode, len(tag) + len(tokens) + 1
        prefix = encode([part.prefix])[0] if part.prefix else []
        terms = [term for term in encode(list(part.terms)) if term] if part.terms else []
        if terms:
            _check_terms(part.terms, config)
        longest = 2 * length + 20
        if config.max_length is not None or config.max_ratio is not None:
            longest = min(config.max_length or 1 << 16, math.ceil((config.max_ratio or 1 << 16) * length))
        longest = max(min(longest, self.max_length), len(prefix) + sum(map(len, terms)) + 1)
        return Request(
            source=[*tag, *tokens, END],
            max_length=longest,
            min_length=min(max(config.min_length, math.ceil(config.min_ratio * length)), max(2, longest)),
            prefix=prefix,
            required=terms,
            seed=sample_seed(part.text, config.seed) if config.sample else 0,
            words=[*[UNALIGNED] * len(tag), *self._words(part.text, fine=has_tags)]
            if self.alignments or has_tags
            else [],
            fine=has_tags,
        )

    def _words(self, text: str, *, fine: bool) -> list[int]:
        """The word of each token."""
        offsets = self.tokenizers.source.offsets(text)
        return Words.of(text, offsets).of_tokens if fine else words_at(text, offsets)

    def restore(self, part: LinePart, alternatives: Sequence[Alternative]) -> list[Alternative]:
        """The alternatives that have the inline codes of a part, with its tags, each code exactly once."""
        if part.coded is None:
            return list(alternatives)
        tagged = (self._with_tags(part.coded, alternative) for alternative in alternatives)
        return [alternative for alternative in tagged if alternative]

    def _with_tags(self, coded: CodedText, alternative: Alternative) -> Alternative | None:
        """A translation of a text without tags, with them; None where a code is lost, or a tag cannot be placed."""
        if not coded.tags:
            return alternative if coded.has_all(alternative.text) else None
        source, target = self.tokenizers
        ends = target.decoded_offsets([token for token in target.ids(alternative.tokens) if token != END])
        words = Words.of(coded.plain, source.offsets(coded.plain)).spans, Words.of(alternative.text, ends).spans
        links = alternative.alignment or []
        text = TagPlacement(*words, links, alternative.text).place(coded.tags)
        if text is None or not coded.has_all(text):
            return None
        if not self.alignments:
            return replace(alternative, text=text, alignment=None)
        columns = coarse_words(coded.text, words[0]), coarse_words(text, words[1])
        word_links = sorted({(columns[1][to], columns[0][start]) for start, to in links})
        return replace(alternative, text=text, alignment=[(start, to) for to, start in word_links])

    def join(self, parts: Sequence[LinePart], n_best_lists: Sequence[list[Alternative]]) -> Translation:
        """Join the best translations of a line's parts, the second best, and so on; failed parts are left blank.

        Parts that are not translated have no n-best list.
        """
        if not n_best_lists:
            return Translation([Alternative(text="".join(part.gap for part in parts))])
        filled = [n_best or [Alternative()] for n_best in n_best_lists]
        return Translation([self._join(parts, row) for row in zip(*filled, strict=False)], not all(n_best_lists))

    def _join(self, parts: Sequence[LinePart], alternatives: Sequence[Alternative]) -> Alternative:
        texts = [alternative.text for alternative in alternatives] + [""] * (len(parts) - len(alternatives))
        joined = separate_parts((part.gap, text) for part, text in zip(parts, texts, strict=True))
        alignments = [alternative.alignment for alternative in alternatives if alternative.alignment is not None]
        return Alternative(
            text="".join(gap + text for gap, text in joined),
            score=sum(alternative.score for alternative in alternatives) / len(alternatives),
            log_prob=math.fsum(alternative.log_prob for alternative in alternatives),
            tokens=[piece for alternative in alternatives for piece in alternative.tokens],
            token_scores=[score for alternative in alternatives for score in alternative.token_scores],
            truncated=any(alternative.truncated for alternative in alternatives),
            loop=any(alternative.loop for alternative in alternatives),
            unknown=any(alternative.unknown for alternative in alternatives),
            untranslated=any(alternative.untranslated for alternative in alternatives),
            alignment=_join_alignments(parts, joined, alignments) if len(alignments) == len(alternatives) else None,
        )


def _join_alignments(
    parts: Sequence[LinePart], joined: Sequence[tuple[str, str]], alignments: Sequence[Alignment]
) -> Alignment:
    """The alignment of the joined line, in which what stays is aligned with itself."""
    links = Alignment()
    sources, targets = first_words((part.gap, part.text) for part in parts), first_words(joined)
    for index, (source, target) in enumerate(zip(sources, targets, strict=True)):
        links += [(source[0] + word, target[0] + word) for word in range(len(parts[index].gap.split()))]
        alignment = alignments[index] if index < len(alignments) else []
        links += [(source[1] + source_word, target[1] + target_word) for source_word, target_word in alignment]
    return list(dict.fromkeys(links))


def _check_terms(terms: Sequence[str], config: SearchConfig) -> None:
    """Raise UsageError for required terms that search cannot write."""
    if config.sample:
        raise UsageError("--sample cannot be combined with required terms", "leave out --glossary and constraints")
    for term in terms:
        for word in config.forbid or []:
            if contains_words(casefold_words(term), casefold_words(word)):
                raise UsageError(f"{term!r} is required, but {word!r} is forbidden", "leave out one of them")


def sample_seed(text: str, seed: int) -> int:
    """The seed of a sentence's samples: a hash of its text, combined with the user's seed."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()) ^ seed
