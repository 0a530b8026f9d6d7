"""Tags placed in a translation by word alignment.

A pair of tags encloses the run of words that translate the words within it, as far as few others are between them; a
tag that stands alone goes before the translation of the word after it, or after that of the word before it.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from nmt.decoding.alignment import Alignment
from nmt.text.inline_codes import Tag, find_codes
from nmt.text.words import is_joined

Span = tuple[int, int]  # of characters


class Words(NamedTuple):
    """The words of a text, which also end at punctuation, and the word of each token; a token is never divided."""

    spans: list[Span]
    of_tokens: list[int]

    @classmethod
    def of(cls, text: str, ends: Sequence[int]) -> "Words":
        """`ends` are the last bytes (UTF-8) of tokens, as tokenizers count.

        >>> Words.of("Ein Hund, ja", [2, 5, 7, 8, 11])
        Words(spans=[(0, 3), (4, 8), (8, 9), (10, 12)], of_tokens=[0, 1, 1, 2, 3])
        """
        bytes_before = list(accumulate((len(character.encode()) for character in text), initial=0))
        token_ends = {bisect_right(bytes_before, end) for end in ends}
        cuts = [place for place, pair in enumerate(pairwise(text), start=1) if not is_joined(*pair)]
        spaces = {place for match in re.finditer(r"\s+", text) for place in match.span()}
        bounds = [0, *(cut for cut in cuts if cut in token_ends or cut in spaces), len(text)]
        spans = [span for span in pairwise(bounds) if text[slice(*span)].strip()]
        firsts = [start for start, _ in spans]
        places = [bisect_right(bytes_before, end) - 1 for end in ends]
        return cls(spans, [max(0, bisect_right(firsts, place) - 1) for place in places])


def coarse_words(text: str, spans: Sequence[Span]) -> list[int]:
    """The words, separated by white space, of a text with tags in which the words of the text without them begin.

    >>> coarse_words("a <b>red</b>, <x/> hat", [(0, 1), (2, 5), (5, 6), (7, 10)])
    [0, 1, 1, 3]
    """
    tags = [(code.start, code.end) for code in find_codes(text) if code.kind != "word"]
    visible = [place for place, character in enumerate(text) if not character.isspace()]
    visible = [place for place in visible if not any(start <= place < end for start, end in tags)]
    begins = accumulate((end - start for start, end in spans), initial=0)
    return [
        len(text[: visible[begin]].split())
        - (not text[visible[begin] - 1 : visible[begin]].isspace() and visible[begin] > 0)
        for begin in list(begins)[:-1]
    ]


class _Placed(NamedTuple):
    """A tag in the translation: before word `start`; of a pair, the other is after word `end - 1`."""

    tag: Tag
    start: int
    end: int
    inner: "list[_Placed]"


class TagPlacement:
    """Places the tags of a source text in its translation."""

    def __init__(self, source: Sequence[Span], target: Sequence[Span], links: Alignment, text: str) -> None:
        """`text` is the translation; spans are those of the words that `links` refer to."""
        self.source, self.target, self.text = source, target, text
        self.link = {target_word: source_word for source_word, target_word in links}

    def place(self, tags: Sequence[Tag]) -> str | None:
        """The translation with tags; None where a pair has no words of its own in it."""
        placed = self._all(tags, 0, len(self.target), range(len(self.source)))
        return None if placed is None else self._write(placed, 0, len(self.target))

    def _words_in(self, tag: Tag) -> range:
        """The source words within a pair, even in part."""
        inside = [index for index, (start, end) in enumerate(self.source) if start < tag.end and end > tag.start]
        return range(inside[0], inside[-1] + 1) if inside else range(0)

    def _all(self, tags: Sequence[Tag], low: int, high: int, words: range) -> list[_Placed] | None:
        """Place the tags between target words, which translate these source words."""
        owned = [self._words_in(tag) if tag.end >= 0 else range(0) for tag in tags]
        pairs = dict[int, _Placed]()
        for index, (tag, own) in enumerate(zip(tags, owned, strict=True)):
            if own:
                others = {word for other in owned if other is not own for word in other}
                run = self._best_run(own, others, words, low, high)
                inner = self._all(tag.tags, *run, own) if run else None
                if run is None or inner is None:
                    return None
                pairs[index] = _Placed(tag, *run, inner)
        if high - low < 2 and any(tag.codes[0].isspace() for tag in tags):  # a line break needs words on both sides
            return None
        return [
            pairs.get(index) or self._point(tag, low, high, words, pairs.values()) for index, tag in enumerate(tags)
        ]

    def _point(self, tag: Tag, low: int, high: int, words: range, pairs: Iterable[_Placed]) -> _Placed:
        """Place a tag, or a pair, that encloses no words: not within the pairs beside it."""
        place = self._place(tag, low, high, words)
        place = next((pair.end for pair in pairs if pair.start < place < pair.end), place)
        return _Placed(tag, place, -1, [_Placed(inner, place, -1, []) for inner in tag.tags])

    def _best_run(self, own: range, others: set[int], words: range, low: int, high: int) -> Span | None:
        """The run of target words with the most translations of some source words, less the words of no pair."""
        best, run, total, start = 0.0, None, 0.0, low
        for word in range(low, high):
            source = self.link.get(word, -1)
            gain = 1.0 if source in own else -1.0
            if source in others or (source >= 0 and source not in words):
                gain = float("-inf")
            elif not any(character.isalnum() for character in self.text[slice(*self.target[word])]):
                gain /= 10
            if total <= 0:
                total, start = 0.0, word
            total += gain
            if total > best:
                best, run = total, (start, word + 1)
        return run

    def _place(self, tag: Tag, low: int, high: int, words: range) -> int:
        """The target word before which a tag goes that encloses nothing."""
        after = sum(end <= tag.start for _, end in self.source)  # the source word after it
        if tag.codes[0].isspace():
            return self._line_end(low, high, (after - words.start) / len(words))
        if after <= words.start or after >= words.stop:
            return low if after <= words.start else high
        is_glued_before = tag.spaces == (False, True)
        for distance in range(len(words)):
            following = [word for word in range(low, high) if self.link.get(word) == after + distance]
            previous = [word + 1 for word in range(low, high) if self.link.get(word) == after - 1 - distance]
            places = (previous[-1:], following[:1]) if is_glued_before else (following[:1], previous[-1:])
            if nearest := places[0] or places[1]:
                return nearest[0]
        return high

    def _line_end(self, low: int, high: int, fraction: float) -> int:
        """The target word before which a line ends, where there is a space or no word has one."""
        places = range(low + 1, high)
        spaced = [place for place in places if self.target[place - 1][1] < self.target[place][0]]
        return min(spaced or places, key=lambda place: abs(place - low - fraction * (high - low)))

    def _write(self, placed: Sequence[_Placed], low: int, high: int) -> str:
        """The text of target words, and the space before each but the first, with tags."""
        written, word = "", low
        pairs = {item.start: item for item in placed if item.end >= 0}
        while word <= high:
            points = [item for item in placed if item.end < 0 and item.start == word]
            gap = self.text[self.target[word - 1][1] : self.target[word][0]] if low < word < high else ""
            glued = [item for item in points if item.tag.spaces == (False, True) and word > low]
            written += "".join(map(_raw, glued)) + gap
            for item in points:
                if item not in glued:
                    if item.tag.codes[0].isspace():
                        written = written.rstrip(" ")
                    before, after = item.tag.spaces
                    lead = " " if before and written and not written[-1].isspace() else ""
                    written += lead + _raw(item) + " " * (after and word < high)
            if word == high:
                break
            if pair := pairs.get(word):
                opening, closing = pair.tag.codes
                written += opening + self._write(pair.inner, pair.start, pair.end) + closing
                word = pair.end
            else:
                written += self.text[slice(*self.target[word])]
                word += 1
        return written


def _raw(item: _Placed) -> str:
    """The codes of a tag without words, and of those in it."""
    opening, closing = item.tag.codes
    return opening + "".join(map(_raw, item.inner)) + closing
