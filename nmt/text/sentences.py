"""Split a line into sentences, and further where a sentence is too long for the model; join their translations.

A model trained on sentences translates the first one of a paragraph and forgets the others, so a line that is split at
all is split at the end of each sentence.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import sentencex  # type: ignore[import-untyped]

from nmt.text.scripts import base_language

LONGEST_WORD = 10_000
"""Characters without white space or the end of a sentence; what is longer is data, not text, and is left whole."""

_WINDOW = 4_000  # characters that sentencex sees at once: its time is quadratic in the number of quotation marks

_ABBREVIATIONS = (  # initials, titles, and others that a name, noun or number follows, in any language
    r"[A-Za-z\u00c0-\u024f\u0370-\u058f\u05d0-\u05ea\u0620-\u064a\u0671-\u06d3\u0904-\u091a\u091c-\u0939\u0985-\u09b9]|"
    "Dra?|Prof|Mrs?|Ms|Ste?|[Bb]d|Cie|Str|Gent|hab|[Śś]w|Sn|P?GS|TS|[Уу]л|กทม|MM|Mmes?|Mlles?|Mgr|Sra?|Srta|Dña|Dott|Ing|Inż|Doç|[Dd]hr|[Mm]evr|[Mm]w|Bpk|Jl|Ks|TP|Av|EE"
    "|[Cc]ca|[Cc]a|[Aa]pp?rox|[IiEe][nx][ck]l|[Zz]zgl|[Vv]gl|[Dd]vs|[Mm]io|[Mm]rd|[Tt]\\.ex|[Bb]l\\.a"
    "|(?<!ал\\s|ил\\s|ел\\s|ли\\s|ть\\s)[ИиІі]м|[Аа]кад|[Тт]ыс|[Рр]уб|[Пп]роф"
    "|Δρ|κα|أ\\.د|פרופ|גב|ড|ডা|ডঃ|মো|ડૉ|ડો|શ્રી"
    "|डॉ|डा|श्री|श्रीमती|सुश्री|प्रो|पं|रु|स्व|ए|बी|सी|डी|ई|एफ|जी|एच|आई|जे|के|एल|एम|एन|ओ|पी|आर|एस|टी|यू|वी"
)
_NO_END = re.compile(
    rf"""(?<![\w.\u0900-\u0963\u0966-\u0dff])(?:{_ABBREVIATIONS})\.\s*.$  # M. Dupont
    | (?:^|[.!?…]\s+)(?:\d\d?|(?!O\.K)[^\W\d]{{1,3}}(?:\.[^\W\d]{{1,3}})+)\.\s*.$  # 1. One. 2. Two. E.g. three
    | (?<!\w)(?:[IVXLC]+|[^\W\d]|(?i:[b-df-hj-np-tv-xzßбвгджзклмнпрстфхцчшщ]){{2,5}})\.\s*[a-zß-öø-ÿа-яё]$  # II. von
    | (?<!\w)(?:[^\W\d]{{1,4}}|[^\W\d]+str)\.\s*\d$    # Figs. 3 and 4, art. 5
    | [.!?…]["'”’»)\]]*\S$           # com.sun.awt, .NET
    | ၊\s*.$                          # a comma
    | [」』]と$|[。！？]”[^\s“]$      # 「はい。」と言った, “好。”他说""",
    re.VERBOSE,
)
"""Where sentencex ends a sentence, and should not: up to the first character of the next."""

_LOWER_CASE = re.compile(rf"(?<=\.\s)[{''.join(filter(str.islower, map(chr, range(0x61, 0x590))))}](?![A-Z])")
"""What follows an abbreviation that sentencex does not know, in a text that begins with a capital letter; not iMac."""

_ELISION = re.compile(r"[.!?…]\s['’]\w$")  # Het is koud. 't Is winter.
_ORDINAL = re.compile(r"(?<![\w.])\d\d?\.\s*.$")
LANGUAGES_WITHOUT_ORDINALS = {"ar", "en", "es", "fa", "fr", "it", "nl", "pt", "ro", "ru", "sv", "uk"}
"""Languages that do not write ordinal numbers with a full stop, as German does: 17. Jahrhundert."""

_MORE_ENDS = re.compile(
    r"(?:(?<=[.!?][)\]])|(?<!\w)(?:[Mm]e|OK|ok|no|ill|ID|mich)\.)\s+(?=[A-Z\u00c0-\u00de])|(?<=[។៕])\s*"
)  # (See below.) Then go. | Follow me. Go: not Maine. | Khmer
"""Ends of sentences that sentencex takes for abbreviations, or does not know."""

_WORD = re.compile(r"\S*\s+|\S+")  # and the white space after it
_LAYOUT = re.compile(r"\s*(?:[-*•◦▪‣●○■]\s+(?=\S))?")

WITHOUT_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u1aaf\u2e80-\u9fff\ua980-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff00-\uffef"
    "\U00020000-\U0003ffff"
)
"""Characters of scripts written without spaces, for a character class of a regular expression."""

_WITHOUT_SPACES = re.compile(f"[{WITHOUT_SPACES}]")


class Part(NamedTuple):
    """A part of a line, and the white space before it."""

    gap: str
    text: str


def writes_without_spaces(character: str) -> bool:
    """Whether a character's script has no spaces: Thai, Lao, Burmese, Khmer, Chinese, Japanese and others."""
    return bool(_WITHOUT_SPACES.match(character))


def layout_of(line: str) -> str:
    """The indentation of a line and the bullet of a list item: not `1. `, as in "1. Mai", or `— `, which quotes speech.

    >>> layout_of("  - One"), layout_of("-One"), layout_of("* *")
    ('  - ', '', '* ')
    """
    match = _LAYOUT.match(line)
    return match[0] if match else ""


def split_sentences(line: str, language: str | None = None) -> list[str]:
    """Split a line after each sentence; nothing is removed.

    >>> split_sentences("Mr. Fox ran. “Why?” he asked. Nobody knew.")
    ['Mr. Fox ran. ', '“Why?” he asked. ', 'Nobody knew.']
    """
    plain = re.sub(r"\s", " ", line)  # other white space makes sentencex panic
    language = base_language(language)
    no_end = [_NO_END] if language in LANGUAGES_WITHOUT_ORDINALS else [_NO_END, _ORDINAL]
    has_capitals = next(filter(str.isalpha, plain), "").isupper()
    ends = {*_sentencex_ends(plain, language or "en"), *(match.end() for match in _MORE_ENDS.finditer(plain))}
    ends = {end - bool(_ELISION.search(plain, max(0, end - 3), end + 1)) for end in ends}
    kept = sorted(
        end
        for end in ends
        if 0 < end < len(line)
        and not any(pattern.search(plain, max(0, end - 40), end + 1) for pattern in no_end)
        and not (has_capitals and _LOWER_CASE.match(plain, end))
    )
    return [line[start:end] for start, end in pairwise([0, *kept, len(line)])]


def _sentencex_ends(text: str, language: str) -> Iterator[int]:
    """Where sentences end: found in overlapping windows, each of which begins with the unfinished one of the last."""
    start = 0
    while start < len(text):
        sentences = _segment(language, text[start : start + _WINDOW])
        finished = sentences[:-1] if start + _WINDOW < len(text) else sentences
        for sentence in finished:
            start += len(sentence)
            yield start
        start += 0 if finished else _WINDOW


def _segment(language: str, text: str) -> list[str]:
    """The sentences of a text, or the whole text where sentencex fails."""
    try:
        sentences = sentencex.segment(language, text)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of its Rust code, not an Exception
            raise
        sentences = []
    return sentences if "".join(sentences) == text else [text]


def split_to_fit(
    line: str, fits: Callable[[str], bool], *, split: bool = False, language: str | None = None
) -> list[Part]:
    """Split a line into parts that fit: at sentence ends, then at spaces, then anywhere; no text is lost.

    A line that fits stays whole, unless `split` demands sentences. Words of more than LONGEST_WORD characters stay.

    >>> split_to_fit("One two. Three four five!", lambda part: len(part) <= 12)
    [Part(gap='', text='One two.'), Part(gap=' ', text='Three four'), Part(gap=' ', text='five!')]
    """
    if not split and fits(line):
        return _parts([line])
    return _parts(piece for sentence in split_sentences(line, language) for piece in _fit_sentence(sentence, fits))


def separate_parts(parts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Separate the translations of a line's parts, each given with the gap before it.

    The gaps of the source stay. Where it has none, a space separates words, except beside a script without spaces.

    >>> separate_parts([("  ", "One."), ("", "Two.")]), separate_parts([("", "今日は。"), ("", "晴れです。")])
    ([('  ', 'One.'), (' ', 'Two.')], [('', '今日は。'), ('', '晴れです。')])
    """
    separated, last = list[tuple[str, str]](), ""
    for gap, text in parts:
        glued = last and text and not (gap or writes_without_spaces(last) or writes_without_spaces(text[0]))
        separated.append((" " if glued else gap, text))
        last = (gap + text)[-1:] or last
    return separated


def _fit_sentence(sentence: str, fits: Callable[[str], bool]) -> list[str]:
    """Split a sentence into as few pieces as fit: at spaces or, within a word, in the middle."""
    if len(sentence) < 2 or fits(sentence.strip()):
        return [sentence]
    words = _WORD.findall(sentence)
    if len(words) > 1:
        return [piece for merged in _merge(words, fits) for piece in _fit_sentence(merged, fits)]
    if len(sentence) > LONGEST_WORD:
        return [sentence]
    middle = len(sentence) // 2
    return _fit_sentence(sentence[:middle], fits) + _fit_sentence(sentence[middle:], fits)


def _merge(words: list[str], fits: Callable[[str], bool]) -> list[str]:
    """Join neighbours as long as they fit together; a single word may not fit."""
    merged, start = list[str](), 0
    while start < len(words):
        end = start + _count_that_fits(words, start, fits)
        merged.append("".join(words[start:end]))
        start = end
    return merged


def _count_that_fits(words: list[str], start: int, fits: Callable[[str], bool]) -> int:
    """The number of words from `start` on that fit together, but at least 1."""

    def exceeds(count: int) -> bool:
        return start + count > len(words) or not fits("".join(words[start : start + count]).strip())

    size = 1
    while not exceeds(2 * size):
        size *= 2
    return size + bisect_left(range(size + 1, 2 * size), True, key=exceeds)


def _parts(pieces: Iterable[str]) -> list[Part]:
    """Turn the white space around pieces into gaps, and drop that at the ends of the line."""
    parts: list[Part] = []
    gap = ""
    for piece in pieces:
        if text := piece.strip():
            lead, _, trail = piece.partition(text)
            parts.append(Part(gap + lead, text))
            gap = trail
        else:
            gap += piece
    return parts
