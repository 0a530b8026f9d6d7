"""From text files to a data directory: read, clean, tokenize, write token rows and what was counted on the way.

Chunks of pairs are cleaned and tokenized by many processes. Their results come together again in the order of the
text, where duplicates are dropped and rows are written, so that neither how many processes there are, nor how the text
is shared out over files or machines changes a byte of the rows.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain, islice, tee
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

import nmt
from nmt.config import CleaningConfig, CorpusConfig, PrepareConfig
from nmt.data.binary import RowWriter
from nmt.data.chunks import CHUNK, CHUNKS, KEPT, TEXTS, ChunkCleaner, CleanChunk, texts
from nmt.data.held_out import check_not_empty, cut_off
from nmt.data.shards import Shards
from nmt.errors import NmtError
from nmt.files import (
    COMPRESSED,
    Shape,
    atomic_directory,
    atomic_write,
    check_shape,
    chunks,
    read_json,
    recover_directory,
    sha256,
    was_interrupted,
    write_json,
    write_text,
)
from nmt.text.clean import RULES, Cleaner, HeldOut
from nmt.text.corpus import Corpus, read_pairs
from nmt.text.duplicates import HashSet
from nmt.text.lengths import FITTED_ON, fit_lengths
from nmt.text.pair import SentencePair
from nmt.text.tokenizer import Tokenizers
from nmt.workers import Workers

logger = logging.getLogger("nmt")

FORMAT = 1
SIDES = ("source", "target")
Progress = Callable[[int], None]
Languages = tuple[str | None, str | None]
Chunk = tuple[int, list[SentencePair]]


@dataclass(frozen=True, slots=True)
class Sets:
    """The corpora of the training set, which are kept apart, and those of the sets for scores; None: there is none."""

    train: tuple[Corpus, ...]
    valid: Corpus | None = None
    test: Corpus | None = None

    @property
    def held_out(self) -> dict[str, Corpus]:
        """The corpora of the sets for scores that there are, by their names."""
        given = {"valid": self.valid, "test": self.test}
        return {name: corpus for name, corpus in given.items() if corpus}


def prepare(
    sets: Sets,
    tokenizers: Tokenizers,
    output: Path,
    config: PrepareConfig,
    threads: int = 1,
    progress: Progress = lambda pairs: None,
    rejects: Path | None = None,
) -> dict[str, Any]:
    """Write the data directory `output` (replacing an older one when complete) and return what data.json holds.

    The validation and test sets are kept whole: what is scored must not depend on cleaning. `progress` is called with
    the number of pairs read so far. What is dropped is written to `rejects`, if that is given: rule, corpus, line,
    source and target, with tabs between them. Where `config` asks for a shard, only that one is written, beside
    `output`, and nothing is returned; where it asks for a merge, shards take the place of cleaning.
    """
    held_out = _held_out(sets, config)
    languages = languages_of(sets.train[0], config)
    text = _chunks(sets, config)
    start = list(_first(text, FITTED_ON)) if config.clean and config.max_deviation else []
    cleaner = _cleaner(sets, held_out, config, languages, start)
    shards = Shards(output, config, _identity(sets, tokenizers, config))
    clean = ChunkCleaner(cleaner, tokenizers, config)
    with Workers(clean, threads, TEXTS, CHUNKS) as workers:
        if config.shard:
            own = shards.own(chunk for _, chunk in chain(start, text))
            shards.write(workers.map(map(texts, own)), progress)
            return {}
        if was_interrupted(output):
            logger.warning("%s: preparing it was interrupted before; it starts over", output)
        with atomic_directory(output, marker="data.json") as directory:
            beside: Iterator[Chunk] = chain(start, text)
            if config.merge:
                found = shards.read()
            else:
                ahead, beside = tee(beside)
                found = workers.map(texts(chunk) for _, chunk in ahead)
            with _RowSet(directory / "train", tokenizers, rejects) as train:
                for corpus, chunk in beside:
                    result = next(found, None)
                    if result is None:
                        raise NmtError(f"{shards.directory}: the shards are not complete", "write them again")
                    train.add(corpus, chunk, result)
                    progress(train.read)
            counts = {"train": train.described(sets.train)}
            if not counts["train"]["pairs"]:
                raise _nothing_left(sets, counts["train"]["dropped"])
            for name, pairs in held_out.items():
                counts[name] = _write_held_out(directory, name, pairs, tokenizers, config)
            content = _description(directory, sets, tokenizers, config, counts)
            content["languages"] = dict(zip(SIDES, languages, strict=True))
            if cleaner.fit:
                content["lengths"] = cleaner.fit._asdict()
            write_json(directory / "data.json", content)
    shards.remove()
    return content


def _chunks(sets: Sets, config: PrepareConfig) -> Iterator[Chunk]:
    """The training set in chunks, each with the number of its corpus."""
    for number, corpus in enumerate(sets.train):
        for chunk in chunks(read_pairs(corpus, config), CHUNK):
            yield number, chunk


def _first(text: Iterator[Chunk], pairs: int) -> Iterator[Chunk]:
    """Chunks from the beginning that have so many pairs together."""
    total = 0
    while total < pairs and (chunk := next(text, None)):
        total += len(chunk[1])
        yield chunk


def _held_out(sets: Sets, config: PrepareConfig) -> dict[str, list[SentencePair]]:
    """The pairs of the validation and the test set, cut off the first corpus where they are wanted so."""
    held_out = {name: list(read_pairs(corpus, config)) for name, corpus in sets.held_out.items()}
    first, wanted = sets.train[0], _cut_names(sets, config)
    if wanted:
        pairs = read_pairs(first, config)
        held_out |= cut_off(pairs, wanted, config.split, Cleaner(config), first)
    check_not_empty(held_out)
    return held_out


def _cut_names(sets: Sets, config: PrepareConfig) -> list[str]:
    """The sets that are cut off the first corpus."""
    return [name for name in ("valid", "test") if config.split and name not in sets.held_out]


def _cleaner(
    sets: Sets,
    held_out: dict[str, list[SentencePair]],
    config: PrepareConfig,
    languages: Languages,
    start: Sequence[Chunk],
) -> Cleaner:
    fit = fit_lengths(islice(chain.from_iterable(chunk for _, chunk in start), FITTED_ON))
    cut = chain.from_iterable(held_out[name] for name in _cut_names(sets, config))
    regular = Cleaner(config).regular
    scored = [
        SentencePair(regular(pair.source), regular(pair.target), pair.line)
        for pair in chain.from_iterable(held_out.values())
    ]
    sets_apart = HeldOut(scored, {(regular(pair.source), regular(pair.target)) for pair in cut})
    if scored and not config.clean:
        logger.warning("--no-clean keeps sentences of the validation and test sets in the training set")
    return Cleaner(config, sets_apart, fit, languages)


class _RowSet:
    """The rows of a set, as they are written, and what is counted of each corpus."""

    def __init__(self, directory: Path, tokenizers: Tokenizers, rejects: Path | None = None) -> None:
        directory.mkdir()
        self.seen, self.read, self.open = HashSet(directory), 0, ExitStack()
        self.open.callback(self.seen.close)
        self.source = self.open.enter_context(RowWriter(directory, SIDES[0], len(tokenizers.source)))
        self.target = self.open.enter_context(RowWriter(directory, SIDES[1], len(tokenizers.target)))
        self.rejects = self.open.enter_context(atomic_write(rejects)) if rejects else None
        self.dropped: dict[int, Counter[str]] = {}
        self.counts: dict[int, Counter[str]] = {}

    def __enter__(self) -> "_RowSet":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open.__exit__(kind, value, trace)

    def add(self, corpus: int, chunk: Sequence[SentencePair], clean: CleanChunk) -> None:
        """Write those pairs of a chunk that are kept and new."""
        if len(clean.hashes):
            clean = clean.without(~self.seen.add(clean.hashes), "duplicate")
        self.source.add(clean.source, clean.source_lengths)
        self.target.add(clean.target, clean.target_lengths)
        counts, dropped = self.counts.setdefault(corpus, Counter()), self.dropped.setdefault(corpus, Counter())
        counts.update(pairs=len(clean.source_lengths), read=len(chunk))
        counts.update(source=len(clean.source), target=len(clean.target))
        for rule, count in enumerate(np.bincount(clean.rules, minlength=len(RULES)).tolist()):
            if count and rule != KEPT:
                dropped[RULES[rule]] += count
        self.read += len(chunk)
        if self.rejects:
            for index in np.flatnonzero(clean.rules != KEPT).tolist():
                pair = chunk[index]
                cells = RULES[clean.rules[index]], str(corpus + 1), str(pair.line), *pair[:2]
                line = "\t".join(cell.replace("\t", " ") for cell in cells)
                self.rejects.write(line.encode("utf-8", "surrogatepass") + b"\n")

    def described(self, corpora: Sequence[Corpus]) -> dict[str, Any]:
        """What was counted of the set and, if there are several, of each corpus."""
        each = [_counts(self.counts.get(i, Counter()), self.dropped.get(i, Counter())) for i in range(len(corpora))]
        names = [{"name": corpus.name, "files": list(map(str, corpus.files))} for corpus in corpora]
        total = _counts(sum(self.counts.values(), Counter()), sum(self.dropped.values(), Counter()))
        kept_apart = [name | counts for name, counts in zip(names, each, strict=True)]
        return total | ({"corpora": kept_apart} if len(corpora) > 1 else {})


def _counts(counts: Counter[str], dropped: Counter[str]) -> dict[str, Any]:
    return {
        "pairs": counts["pairs"],
        "read": counts["read"],
        "dropped": dict(sorted(dropped.items())),
        "tokens": {side: counts[side] for side in SIDES},
    }


def _nothing_left(sets: Sets, dropped: dict[str, int]) -> NmtError:
    counted = ", ".join(f"{count:,} {rule}" for rule, count in dropped.items()) or "the files are empty"
    return NmtError(
        f"no pair of {', '.join(map(str, sets.train))} is left to train on: {counted}",
        "are the files the right ones, in the right order, and others than those of the held-out sets? "
        "--no-clean keeps all but empty pairs",
    )


def _write_held_out(
    directory: Path, name: str, pairs: list[SentencePair], tokenizers: Tokenizers, config: CleaningConfig
) -> dict[str, Any]:
    """A set for scores as it was read and, for the loss on the validation set, its rows without what none can read."""
    for side, lines in zip(SIDES, zip(*[(pair.source, pair.target) for pair in pairs], strict=True), strict=True):
        write_text(directory / f"{name}.{side}", "".join(line + "\n" for line in lines))
    counts: dict[str, Any] = {"pairs": len(pairs)}
    if name == "valid":
        only_length = CleaningConfig(clean=False, max_length=config.max_length)
        clean = ChunkCleaner(Cleaner(only_length), tokenizers, only_length)
        with _RowSet(directory / name, tokenizers) as rows:
            for chunk in chunks(pairs, CHUNK):
                rows.add(0, chunk, clean(texts(chunk)))
        counts = rows.described([]) | counts
    return counts


def _identity(sets: Sets, tokenizers: Tokenizers, config: PrepareConfig) -> dict[str, Any]:
    """What must be the same for shards to be of one whole."""
    files = {str(path): path.stat().st_size for corpus in sets.train for path in corpus.files if path.is_file()}
    own = {key: value for key, value in asdict(config).items() if key not in ("shard", "merge")}
    return {"nmt": nmt.__version__, "files": files, "settings": own, "tokenizer": tokenizers.fingerprint()}


def _description(
    directory: Path, sets: Sets, tokenizers: Tokenizers, config: PrepareConfig, counts: dict[str, Any]
) -> dict[str, Any]:
    corpora = {"train": sets.train} | {name: (corpus,) for name, corpus in sets.held_out.items()}
    files = {name: [str(path) for one in several for path in one.files] for name, several in corpora.items()}
    return {
        "format": FORMAT,
        "nmt": nmt.__version__,
        "files": files,
        "sets": counts,
        "settings": asdict(config),
        "vocabulary": {"source": len(tokenizers.source), "target": len(tokenizers.target)},
        "tokenizer": tokenizers.fingerprint(),
        "sha256": {str(path.relative_to(directory)): sha256(path) for path in sorted(directory.rglob("*.npy"))},
    }


def languages_of(corpus: Corpus, config: CorpusConfig) -> Languages:
    """The languages that are given, or that the names of two files end with."""
    guessed: list[str | None] = [None, None]
    if len(corpus.files) == 2:
        suffixes = [[s[1:] for s in path.suffixes if s not in {*COMPRESSED, ".txt"}] for path in corpus.files]
        guessed = [found[-1] if found else None for found in suffixes]
    return config.source_language or guessed[0], config.target_language or guessed[1]


def corpora_of(description: dict[str, Any]) -> list[dict[str, Any]]:
    """What data.json says of each corpus that the training set was made of, in their order."""
    train, files = description["sets"]["train"], description["files"]["train"]
    return train.get("corpora") or [{"name": Path(str(files[0])).name if files else "", "files": files, **train}]


_SIDES: Shape = {"source": int, "target": int}
_LANGUAGE = (str, type(None))
_DESCRIBED: Shape = {
    "nmt": str,
    "languages": {"source": _LANGUAGE, "target": _LANGUAGE},
    "files": {"train": list},
    "sets": {"train": {"pairs": int, "read": int, "dropped": dict, "tokens": _SIDES}},
    "settings": dict,
    "vocabulary": _SIDES,
    "sha256": dict,
}


def read_description(directory: Path, tokenizers: Tokenizers | None = None) -> dict[str, Any]:
    """The content of data.json, checked against the tokenizers where they are given.

    Raises NmtError when there is no prepared data, when it is of another format, or made with other tokenizers.
    """
    recover_directory(directory)
    if not (directory / "data.json").exists():
        raise NmtError(f"{directory}: no prepared data there", "run nmt prepare SOURCE TARGET --valid SOURCE TARGET")
    content = read_json(directory / "data.json")
    if content.get("format") != FORMAT:
        raise NmtError(f"{directory}: data of format {content.get('format')}, not {FORMAT}", "run nmt prepare again")
    if tokenizers is not None and content.get("tokenizer") != tokenizers.fingerprint():
        raise NmtError(f"{directory}: prepared with another tokenizer than the one beside it", "run nmt prepare again")
    where, hint = str(directory / "data.json"), "run nmt prepare again"
    check_shape(content, _DESCRIBED, where, hint)
    corpora = content["sets"]["train"].get("corpora", [])
    check_shape(corpora, list, f"{where}: corpora", hint)
    for corpus in corpora:
        check_shape(corpus, {"name": str, "files": list, "pairs": int}, f"{where}: corpora", hint)
    return content


def fingerprint(description: dict[str, Any]) -> str:
    """What tells prepared data from other: a hash of its arrays' hashes."""
    return hashlib.sha256(json.dumps(description["sha256"], sort_keys=True).encode()).hexdigest()
