"""A look at raw files before anything is built of them: what they hold, and what training would stumble over.

It writes nothing. What it finds is a plain dictionary, for JSON or for a page in the terminal.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Protocol

import numpy as np

from nmt.config import CleaningConfig
from nmt.data.chunks import CHUNK, DUPLICATES
from nmt.data.prepare import Sets, languages_of
from nmt.errors import NmtError
from nmt.files import chunks, open_input, read_lines
from nmt.text.clean import Cleaner, HeldOut, folded
from nmt.text.corpus import Corpus, format_of, read_pairs
from nmt.text.drift import extra_lines
from nmt.text.duplicates import HashSet, hashes_of
from nmt.text.lengths import FITTED_ON, fit_lengths
from nmt.text.pair import SentencePair
from nmt.text.tokenizer import UNKNOWN, Tokenizer, Tokenizers

EXAMPLES = 5
"""The worst of each kind that are told with their lines."""

LENGTHS = (0, 1, 10, 20, 40, 80, 160, 320, 640, 1280)
"""Bounds of the histogram of lengths in characters."""

RATIOS = (0.0, 0.25, 0.5, 0.67, 0.8, 1.25, 1.5, 2.0, 4.0)
"""Bounds of the histogram of how many characters of the target there are for each of the source."""

_SAMPLE = 20_000  # pairs that scripts, languages and vocabulary are told by
_SHOWN = 160  # characters of an example

Progress = Callable[[int], None]


def check(
    sets: Sets, config: CleaningConfig, tokenizers: Tokenizers | None = None, progress: Progress = lambda pairs: None
) -> dict[str, Any]:
    """Look at all sets. Raises NmtError for what cannot be read at all."""
    for corpus in (*sets.train, *sets.held_out.values()):
        for path in corpus.files:
            if path.exists() and not (path.is_file() or path.is_dir()):
                raise NmtError(f"{path}: is no file but a pipe, and check reads files several times", "save it first")
    held_out = sets.held_out
    pairs = {name: list(_aligned(corpus, config, _files(corpus))) for name, corpus in held_out.items()}
    languages = languages_of(sets.train[0], config)
    found: dict[str, Any] = {"languages": list(languages), "corpora": []}
    for corpus in sets.train:
        found["corpora"].append(_corpus(corpus, config, languages, pairs, tokenizers, progress))
    for name, corpus in held_out.items():
        others = {key: value for key, value in pairs.items() if key != name}
        found["corpora"].append({"set": name} | _corpus(corpus, config, languages, others, tokenizers, progress))
    return found


def _files(corpus: Corpus) -> list[dict[str, Any]]:
    return [_file(path) for path in corpus.files]


def _differ(files: Sequence[dict[str, Any]]) -> bool:
    """Whether the files of a corpus are of different length."""
    return len({one["lines"] for one in files}) > 1


def _aligned(corpus: Corpus, config: CleaningConfig, files: Sequence[dict[str, Any]]) -> Iterator[SentencePair]:
    """The pairs of a corpus as far as both of its sides go."""
    pairs = read_pairs(corpus, config)
    return islice(pairs, min(one["lines"] for one in files)) if _differ(files) else pairs


def _corpus(
    corpus: Corpus,
    config: CleaningConfig,
    languages: tuple[str | None, str | None],
    held_out: dict[str, list[SentencePair]],
    tokenizers: Tokenizers | None,
    progress: Progress,
) -> dict[str, Any]:
    found: dict[str, Any] = {"name": corpus.name, "files": _files(corpus)}
    if _differ(found["files"]):
        lengths = [[len(line) for line in _lines(path)] for path in corpus.files]
        side, places = extra_lines(*lengths)
        found["drift"] = {"longer": side, "extra": [place._asdict() for place in places]}
    start = list(islice(_aligned(corpus, config, found["files"]), FITTED_ON))
    fit = fit_lengths(start)
    cleaner = Cleaner(config, None, fit, languages)
    rules, statistics = _Rules(cleaner), _Statistics()
    leaks = {name: _Leaks(_Chunk(pairs, cleaner).regular) for name, pairs in held_out.items()}
    duplicates = {kind: _Duplicates(kind) for kind in DUPLICATES}
    for pairs in chunks(_aligned(corpus, config, found["files"]), CHUNK):
        chunk = _Chunk(pairs, cleaner)
        looks: list[_Look] = [rules, statistics, *leaks.values(), *duplicates.values()]
        for look in looks:
            look.at(chunk)
        progress(statistics.pairs)
    found |= statistics.found() | {"rules": rules.found()}
    found["duplicates"] = {kind: one.found() for kind, one in duplicates.items()}
    found["leakage"] = {name: one.found() for name, one in leaks.items()}
    if fit:
        found["lengths"] = fit._asdict()
    sample = start[:_SAMPLE]
    if tokenizers and sample:
        sides = (
            (tokenizers.source, [pair.source for pair in sample]),
            (tokenizers.target, [pair.target for pair in sample]),
        )
        found["vocabulary"] = [vocabulary_report(*side) for side in sides]
    return found


class _Chunk:
    """Pairs as several looks want them."""

    def __init__(self, pairs: Sequence[SentencePair], cleaner: Cleaner) -> None:
        self.pairs = pairs
        self.regular = [(cleaner.regular(pair.source), cleaner.regular(pair.target)) for pair in pairs]
        self.folded = [(folded(source), folded(target)) for source, target in self.regular]


class _Look(Protocol):
    """One thing to look at."""

    def at(self, chunk: _Chunk) -> None:
        """Look at a chunk of pairs."""


class _Examples:
    """How often something was seen, and the first or worst of it."""

    def __init__(self) -> None:
        self.count = 0
        self.worst: list[tuple[float, SentencePair]] = []

    def add(self, pair: SentencePair, weight: float = 0.0) -> None:
        self.count += 1
        if len(self.worst) == EXAMPLES and -weight >= self.worst[-1][0]:
            return
        self.worst = sorted([*self.worst, (-weight, pair)], key=lambda one: (one[0], one[1].line))[:EXAMPLES]

    def found(self) -> dict[str, Any]:
        shown = [
            {"line": pair.line, "source": pair.source[:_SHOWN], "target": pair.target[:_SHOWN]}
            for _, pair in self.worst
        ]
        return {"count": self.count, "examples": shown}


class _Rules:
    """What cleaning would drop."""

    def __init__(self, cleaner: Cleaner) -> None:
        self.cleaner = cleaner
        self.broken: dict[str, _Examples] = {}

    def at(self, chunk: _Chunk) -> None:
        for pair, (source, target) in zip(chunk.pairs, chunk.regular, strict=True):
            rule = self.cleaner.rule_against(source, target)
            if rule:
                lengths = sorted((len(source) + 10, len(target) + 10))
                self.broken.setdefault(rule, _Examples()).add(pair, lengths[1] / lengths[0])

    def found(self) -> dict[str, Any]:
        return {rule: one.found() for rule, one in sorted(self.broken.items())}


class _Duplicates:
    """What occurred before."""

    def __init__(self, kind: str) -> None:
        self.kind, self.seen, self.examples = kind, HashSet(Path(gettempdir())), _Examples()

    def at(self, chunk: _Chunk) -> None:
        sides, text = (chunk.folded, "pair") if self.kind == "near" else (chunk.regular, self.kind)
        fresh = self.seen.add(hashes_of(DUPLICATES[text](*both) for both in sides))
        for index in np.flatnonzero(~fresh).tolist():
            self.examples.add(chunk.pairs[index])

    def found(self) -> dict[str, Any]:
        self.seen.close()
        return self.examples.found()


class _Leaks:
    """What stands in another set, too."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self.held_out = HeldOut(SentencePair(*pair, 0) for pair in pairs)
        self.exact, self.nearly = _Examples(), _Examples()

    def at(self, chunk: _Chunk) -> None:
        for pair, sides, alike in zip(chunk.pairs, chunk.regular, chunk.folded, strict=True):
            if any(side in self.held_out.exact for side in sides):
                self.exact.add(pair)
            elif any(side in self.held_out.folded for side in alike):
                self.nearly.add(pair)

    def found(self) -> dict[str, Any]:
        return {"exact": self.exact.found(), "nearly": self.nearly.found()}


class _Statistics:
    """How many, how long, how alike."""

    def __init__(self) -> None:
        self.pairs = 0
        self.lengths = np.zeros((2, len(LENGTHS)), dtype=np.int64)
        self.ratios = np.zeros(len(RATIOS), dtype=np.int64)
        self.characters, self.words = [0, 0], [0, 0]

    def at(self, chunk: _Chunk) -> None:
        self.pairs += len(chunk.pairs)
        sides = np.asarray([(len(pair.source), len(pair.target)) for pair in chunk.pairs])
        for side in (0, 1):
            self.lengths[side] += np.bincount(np.digitize(sides[:, side], LENGTHS) - 1, minlength=len(LENGTHS))
            self.characters[side] += int(sides[:, side].sum())
        self.words[0] += sum(len(pair.source.split()) for pair in chunk.pairs)
        self.words[1] += sum(len(pair.target.split()) for pair in chunk.pairs)
        full = sides[(sides > 0).all(axis=1)]
        self.ratios += np.bincount(np.digitize(full[:, 1] / full[:, 0], RATIOS) - 1, minlength=len(RATIOS))

    def found(self) -> dict[str, Any]:
        return {
            "pairs": self.pairs,
            "characters": self.characters,
            "words": self.words,
            "length_histogram": {"from": list(LENGTHS), "counts": self.lengths.tolist()},
            "ratio_histogram": {"from": list(RATIOS), "counts": self.ratios.tolist()},
        }


def _lines(path: Path) -> Iterator[bytes]:
    with open_input(path) as stream:
        yield from read_lines(stream, str(path))


def _file(path: Path) -> dict[str, Any]:
    """The lines of a file: how many, and what is odd about them."""
    found: dict[str, Any] = {"path": str(path), "format": format_of(path), "lines": 0, "blank": 0, "crlf": 0}
    invalid, controls = list[int](), list[int]()
    for number, line in enumerate(_lines(path), start=1):
        found["lines"] = number
        found["blank"] += not line.strip()
        found["crlf"] += line.endswith(b"\r")
        if number == 1 and line.startswith((b"\xff\xfe", b"\xfe\xff")):
            found["utf16"] = True
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            invalid.append(number)
        if _has_controls(line):
            controls.append(number)
    found["invalid_utf8"] = {"count": len(invalid), "lines": invalid[:EXAMPLES]}
    found["controls"] = {"count": len(controls), "lines": controls[:EXAMPLES]}
    return found


_CONTROLS = bytes(range(9)) + b"\x0b\x0c" + bytes(range(0x0E, 0x20)) + b"\x7f"


def _has_controls(line: bytes) -> bool:
    return len(line.translate(None, _CONTROLS)) < len(line)


def vocabulary_report(tokenizer: Tokenizer, lines: Sequence[str]) -> dict[str, float]:
    """How a tokenizer cuts text: pieces for each word, and the shares of them that are unknown or bytes."""
    rows = tokenizer.encode(lines)
    counts = Counter(chain.from_iterable(rows))
    pieces, words = sum(counts.values()), sum(len(line.split()) for line in lines)
    names = tokenizer.vocabulary()
    as_bytes = sum(count for token, count in counts.items() if names[token].startswith("<0x"))
    return {
        "sentences": len(lines),
        "words": words,
        "pieces": pieces,
        "pieces_per_word": pieces / max(1, words),
        "longest": max(map(len, rows), default=0) + 1,
        "unknown": counts[UNKNOWN] / max(1, pieces),
        "bytes": as_bytes / max(1, pieces),
        "used": len(counts) / len(tokenizer),
    }
