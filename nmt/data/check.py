"""Inspect raw sentence pairs before they are prepared: encodings, lengths, misalignment, duplicates, leakage.

Nothing is written. The report is a plain dictionary, for JSON or for a page in the terminal.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import numpy as np

from nmt.config.corpus import CleaningConfig
from nmt.data.cleaning import BLOCK, DUPLICATES, texts
from nmt.data.prepare import Sets
from nmt.files.encodings import UTF16_MARKS, likely_encoding
from nmt.files.lines import batched, open_input, read_lines
from nmt.text.clean import Cleaner, HeldOut, near_duplicate_key
from nmt.text.control_characters import has_control_bytes
from nmt.text.corpus import Corpus, format_in, languages_of, read_pairs, refuse_pipes
from nmt.text.drift import extra_lines
from nmt.text.duplicates import HashSet, hashes_of
from nmt.text.lengths import FITTED_ON, fit_lengths
from nmt.text.pair import Languages, SentencePair
from nmt.text.repair import normalize_unicode
from nmt.text.tokenizer import UNKNOWN, Tokenizer, Tokenizers

LENGTHS = (0, 1, 10, 20, 40, 80, 160, 320, 640, 1280)
RATIOS = (0.0, 0.25, 0.5, 0.67, 0.8, 1.25, 1.5, 2.0, 4.0)
"""Lower bounds of the histograms of lengths in characters, and of their ratios of target to source."""

EXAMPLES = 5  # of each problem: the first or the worst
_EVIDENCE = 50  # lines with invalid UTF-8 that show the encoding
_SHOWN = 160  # characters of an example
Report = dict[str, Any]


def check(
    sets: Sets,
    config: CleaningConfig,
    tokenizers: Tokenizers | None = None,
    progress: Callable[[int], None] = lambda pairs: None,
) -> Report:
    """Inspect all sets; `progress` takes the pairs of each corpus read so far. NmtError for what cannot be read."""
    refuse_pipes((*sets.train, *sets.held_out.values()), "check")
    held_out = {name: _RawCorpus(corpus, config) for name, corpus in sets.held_out.items()}
    pairs = {name: list(corpus.pairs()) for name, corpus in held_out.items()}
    languages = languages_of(sets.train[0], config)
    reports = [_RawCorpus(corpus, config).report(languages, pairs, tokenizers, progress) for corpus in sets.train]
    for name, corpus in held_out.items():
        others = {key: pairs[key] for key in pairs if key != name}
        reports.append({"set": name} | corpus.report(languages, others, tokenizers, progress))
    return {"languages": list(languages), "corpora": reports}


class _RawCorpus:
    """A corpus, and a report on each of its files."""

    def __init__(self, corpus: Corpus, config: CleaningConfig) -> None:
        self.corpus, self.config = corpus, config
        self.files = [_file_report(path, format_in(corpus, config)) for path in corpus.files]
        self.shortest = min(file["lines"] for file in self.files)
        self.drifts = self.shortest < max(file["lines"] for file in self.files)

    def pairs(self) -> Iterator[SentencePair]:
        """The pairs up to the end of the shorter file."""
        pairs = read_pairs(self.corpus, self.config)
        return islice(pairs, self.shortest) if self.drifts else pairs

    def report(
        self,
        languages: Languages,
        held_out: dict[str, list[SentencePair]],
        tokenizers: Tokenizers | None,
        progress: Callable[[int], None],
    ) -> Report:
        """Inspect all pairs, and search them for those of held-out sets."""
        report: Report = {"name": self.corpus.name, "files": self.files}
        if self.drifts:
            longer, extra = extra_lines(*([len(line) for line in _lines(path)] for path in self.corpus.files))
            report["drift"] = {"longer": longer, "extra": [lines._asdict() for lines in extra]}
        start = list(islice(self.pairs(), FITTED_ON))
        fit = fit_lengths(start)
        inspector = _Inspector(Cleaner(self.config, None, fit, languages), held_out)
        for pairs in batched(self.pairs(), BLOCK):
            inspector.add(pairs)
            progress(inspector.statistics.pairs)
        report |= inspector.report()
        if fit:
            report["lengths"] = fit._asdict()
        if tokenizers and start:
            sides = zip(tokenizers, zip(*texts(start), strict=True), strict=True)
            report["vocabulary"] = [vocabulary_report(tokenizer, lines) for tokenizer, lines in sides]
        return report


class _Examples:
    """The number of pairs with a problem, and the worst or first of them."""

    def __init__(self) -> None:
        self.count = 0
        self.worst: list[tuple[float, SentencePair]] = []

    def add(self, pair: SentencePair, badness: float = 0.0) -> None:
        self.count += 1
        if len(self.worst) == EXAMPLES and -badness >= self.worst[-1][0]:
            return
        self.worst = sorted([*self.worst, (-badness, pair)], key=lambda example: (example[0], example[1].line))
        del self.worst[EXAMPLES:]

    def report(self) -> Report:
        pairs = [pair for _, pair in self.worst]
        shown = [{"line": pair.line, "source": pair[0][:_SHOWN], "target": pair[1][:_SHOWN]} for pair in pairs]
        return {"count": self.count, "examples": shown}


class _Inspector:
    """Collect the statistics and problems of a corpus, block by block."""

    def __init__(self, cleaner: Cleaner, held_out: dict[str, list[SentencePair]]) -> None:
        self.cleaner, self.statistics = cleaner, _Statistics()
        self.repaired = _Examples()
        self.rejected = defaultdict[str, _Examples](_Examples)  # by rule
        self.seen = {kind: HashSet(Path(gettempdir())) for kind in DUPLICATES}
        self.duplicates = {kind: _Examples() for kind in DUPLICATES}
        self.held_out = {name: HeldOut(self._normalize(pairs)) for name, pairs in held_out.items()}
        self.leakage = {name: {"exact": _Examples(), "nearly": _Examples()} for name in held_out}

    def _normalize(self, pairs: Sequence[SentencePair]) -> list[tuple[str, str]]:
        return [self.cleaner.normalize_pair(*pair) for pair in texts(pairs)]

    def add(self, pairs: Sequence[SentencePair]) -> None:
        """Inspect a block."""
        repaired = self.cleaner.repaired
        normalized = self._normalize(pairs)
        keys = [(near_duplicate_key(source), near_duplicate_key(target)) for source, target in normalized]
        self.statistics.add(pairs)
        for kind, seen in self.seen.items():
            sides, key = (keys, DUPLICATES["pair"]) if kind == "near" else (normalized, DUPLICATES[kind])
            for index in np.flatnonzero(~seen.add(hashes_of(key(*pair) for pair in sides))).tolist():
                self.duplicates[kind].add(pairs[index])
        if self.cleaner.repaired > repaired:
            for pair in pairs:
                if self.cleaner.repair_of(*pair[:2]):
                    self.repaired.add(pair)
        for pair, pair_normalized, pair_keys in zip(pairs, normalized, keys, strict=True):
            self._add_pair(pair, pair_normalized, pair_keys)

    def _add_pair(self, pair: SentencePair, normalized: tuple[str, str], keys: tuple[str, str]) -> None:
        if rule := self.cleaner.rejected_by(*normalized):
            shorter, longer = sorted(len(side) + 10 for side in normalized)
            self.rejected[rule].add(pair, longer / shorter)
        for name, held_out in self.held_out.items():
            if not held_out.exact.isdisjoint(normalized):
                self.leakage[name]["exact"].add(pair)
            elif not held_out.keys.isdisjoint(keys):
                self.leakage[name]["nearly"].add(pair)

    def report(self) -> Report:
        """Report on all blocks, and free the memory."""
        for seen in self.seen.values():
            seen.close()
        first = (pair for _, pair in self.repaired.worst)
        repairs = [{"line": pair.line, "repair": self.cleaner.repair_of(*pair[:2])} for pair in first]
        return self.statistics.report() | {
            "repaired": {"count": self.repaired.count, "examples": repairs},
            "rules": _report_all(dict(sorted(self.rejected.items()))),
            "duplicates": _report_all(self.duplicates),
            "leakage": {name: _report_all(problems) for name, problems in self.leakage.items()},
        }


def _report_all(problems: dict[str, _Examples]) -> Report:
    return {name: examples.report() for name, examples in problems.items()}


class _Statistics:
    """The number of pairs, and their lengths."""

    def __init__(self) -> None:
        self.pairs = 0
        self.lengths = np.zeros((2, len(LENGTHS)), dtype=np.int64)
        self.ratios = np.zeros(len(RATIOS), dtype=np.int64)
        self.characters, self.words = [0, 0], [0, 0]

    def add(self, pairs: Sequence[SentencePair]) -> None:
        self.pairs += len(pairs)
        lengths = np.asarray([(len(pair.source), len(pair.target)) for pair in pairs])
        for side, lines in enumerate(zip(*texts(pairs), strict=True)):
            self.lengths[side] += _histogram(lengths[:, side], LENGTHS)
            self.characters[side] += int(lengths[:, side].sum())
            self.words[side] += sum(len(line.split()) for line in lines)
        source, target = lengths[(lengths > 0).all(axis=1)].T
        self.ratios += _histogram(target / source, RATIOS)

    def report(self) -> Report:
        return {
            "pairs": self.pairs,
            "characters": self.characters,
            "words": self.words,
            "length_histogram": {"from": list(LENGTHS), "counts": self.lengths.tolist()},
            "ratio_histogram": {"from": list(RATIOS), "counts": self.ratios.tolist()},
        }


def _histogram(values: np.ndarray[Any, Any], bounds: Sequence[float]) -> np.ndarray[Any, Any]:
    return np.bincount(np.digitize(values, bounds) - 1, minlength=len(bounds))


def _lines(path: Path) -> Iterator[bytes]:
    with open_input(path) as stream:
        yield from read_lines(stream, str(path))


def _file_report(path: Path, format: str) -> Report:
    """The number of lines of a file, and those with problems."""
    report: Report = {"path": str(path), "format": format, "lines": 0, "blank": 0, "crlf": 0}
    invalid, controls, evidence = list[int](), list[int](), b""
    for number, line in enumerate(_lines(path), start=1):
        report["lines"] = number
        report["blank"] += not line.strip()
        report["crlf"] += line.endswith(b"\r")
        if number == 1 and line.startswith(UTF16_MARKS):
            report["utf16"] = True
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            invalid.append(number)
            evidence += line + b"\n" if len(invalid) <= _EVIDENCE else b""
        if has_control_bytes(line):
            controls.append(number)
    report["invalid_utf8"] = {"count": len(invalid), "lines": invalid[:EXAMPLES]}
    if encoding := likely_encoding(evidence):
        report["encoding"] = encoding
    report["controls"] = {"count": len(controls), "lines": controls[:EXAMPLES]}
    return report


def vocabulary_report(tokenizer: Tokenizer, lines: Sequence[str]) -> Report:
    """The segmentation of text by a tokenizer: pieces per word, unknown and byte pieces, and characters that are lost.

    A character is lost that tokenizing and detokenizing do not give back, such as a fullwidth comma with nfkc.
    """
    rows = tokenizer.encode(lines)
    counts = Counter(chain.from_iterable(rows))
    pieces, words = sum(counts.values()), sum(len(line.split()) for line in lines)
    vocabulary = tokenizer.vocabulary()
    lost = Counter[str]()
    for line, restored in zip(lines, tokenizer.decode(rows), strict=True):
        lost += Counter("".join(normalize_unicode(line, "nfc").split())) - Counter(normalize_unicode(restored, "nfc"))
    as_bytes = sum(count for token, count in counts.items() if vocabulary[token].startswith("<0x"))
    return {
        "sentences": len(lines),
        "words": words,
        "pieces": pieces,
        "pieces_per_word": pieces / max(1, words),
        "longest": max(map(len, rows), default=0) + 1,
        "unknown": counts[UNKNOWN] / max(1, pieces),
        "bytes": as_bytes / max(1, pieces),
        "used": len(counts) / len(tokenizer),
        "lost": sum(lost.values()) / max(1, sum(map(len, lines))),
        "lost_characters": dict(lost.most_common(EXAMPLES)),
    }
