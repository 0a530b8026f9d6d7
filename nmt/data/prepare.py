"""Prepare a corpus: clean and tokenize sentence pairs into a data directory.

Many processes clean and tokenize blocks of pairs. Duplicates are dropped and rows written in the order of the corpus,
so that the bytes depend neither on the number of processes nor on the division of the corpus into files or shards.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import chain, islice, tee
from pathlib import Path
from typing import Any

import numpy as np

import nmt
from nmt.config.corpus import CleaningConfig, PrepareConfig
from nmt.data.cleaning import BLOCK, BLOCKS, KEPT, TEXTS, BlockCleaner, CleanedBlock, texts
from nmt.data.description import FORMAT
from nmt.data.held_out import split_off
from nmt.data.shards import Shards
from nmt.data.token_store import TokenRowWriter
from nmt.errors import NmtError
from nmt.files.atomic import atomic_directory, atomic_write, was_interrupted, write_text
from nmt.files.checksum import sha256
from nmt.files.json import write_json
from nmt.files.lines import batched
from nmt.files.run_directory import (
    DATA_DESCRIPTION,
    OUR_DATA,
    SHORTLIST,
    SIDES,
    TEST,
    TRAIN,
    VALID,
    RunDirectory,
    check_output,
    held_out_text,
)
from nmt.text.clean import RULES, Cleaner, HeldOut
from nmt.text.corpus import Corpus, languages_of, read_pairs, refuse_pipes
from nmt.text.duplicates import HashSet
from nmt.text.lengths import FITTED_ON, fit_lengths
from nmt.text.pair import Languages, SentencePair
from nmt.text.tokenizer import Tokenizers
from nmt.workers import Workers

logger = logging.getLogger("nmt")

REPAIRS = 3  # examples of repaired encodings
Pairs = list[SentencePair]
Block = tuple[int, Pairs]  # the index of a corpus, some of its pairs


@dataclass(frozen=True, slots=True)
class Sets:
    """The corpora of the training set, and those of the held-out sets."""

    train: tuple[Corpus, ...]
    valid: Corpus | None = None
    test: Corpus | None = None

    @property
    def held_out(self) -> dict[str, Corpus]:
        """The corpora of the held-out sets that are given, by name."""
        return {name: corpus for name, corpus in ((VALID, self.valid), (TEST, self.test)) if corpus}


def prepare(
    sets: Sets,
    tokenizers: Tokenizers,
    output: Path,
    config: PrepareConfig,
    threads: int = 1,
    progress: Callable[[int], None] = lambda pairs: None,
    rejects: Path | None = None,
    *,
    languages: Languages = (None, None),
    force: bool = False,
) -> dict[str, Any]:
    """Write the data directory `output`, replacing an older one when it is complete, and return its description.

    Held-out sets are not cleaned, as scores must not depend on it. `progress` takes the pairs read so far. `rejects` is
    a file for dropped pairs: rule, corpus, line, source and target, separated by tabs. If `config` names a shard, only
    that is written, beside `output`, and the description is empty; if it merges shards, they replace cleaning.
    `languages` is a default. Unless `force`, NmtError where older data is not nmt's, or differs and its run is trained.
    """
    check_output(output, OUR_DATA, force=force, of_run=True)
    languages = languages_of(sets.train[0], config, languages)
    held_out = _read_held_out(sets, config)
    blocks = _blocks(sets, config)
    start = list(_take(blocks, FITTED_ON)) if config.clean and config.max_deviation else []
    cleaner = _cleaner(sets, held_out, config, start, languages)
    blocks = chain(start, blocks)
    shards = Shards(output, config, _identity(sets, tokenizers, config) | {"languages": languages})
    with Workers(BlockCleaner(cleaner, tokenizers, config), threads, TEXTS, BLOCKS) as workers:
        if config.shard:
            shards.write(workers.map(texts(block) for _, block in shards.select(blocks)), progress)
            return {}
        if was_interrupted(output):
            logger.warning("%s: an earlier prepare was interrupted; starting over", output)
        with atomic_directory(output) as directory:
            written = {name: _write_held_out(directory, name, held_out[name], tokenizers, config) for name in held_out}
            with _SetWriter(directory / TRAIN, tokenizers, rejects) as train:
                for corpus, pairs, cleaned in _merge(shards, blocks) if config.merge else _clean(workers, blocks):
                    train.add(corpus, pairs, cleaned)
                    progress(train.read)
            counts = {TRAIN: train.counts_of(sets.train), **written}
            if train.repaired:
                counts[TRAIN]["repairs"] = [cleaner.repair_of(*pair[:2]) for pair in train.repaired]
            if not counts[TRAIN]["pairs"]:
                raise _nothing_left(sets, counts[TRAIN]["dropped"])
            description = _describe(directory, sets, tokenizers, config, counts)
            description["languages"] = dict(zip(SIDES, languages, strict=True))
            if cleaner.fit:
                description["lengths"] = cleaner.fit._asdict()
            run = RunDirectory(output.parent)
            if not force and output.exists() and run.is_trained() and _contents(directory) != _contents(output):
                run.check_untrained("data set")
            write_json(directory / DATA_DESCRIPTION, description)
    shards.remove()
    return description


def _blocks(sets: Sets, config: PrepareConfig) -> Iterator[Block]:
    for number, corpus in enumerate(sets.train):
        for pairs in batched(read_pairs(corpus, config), BLOCK):
            yield number, pairs


def _take(blocks: Iterator[Block], count: int) -> Iterator[Block]:
    """The first blocks with `count` pairs in all."""
    total = 0
    while total < count and (block := next(blocks, None)):
        total += len(block[1])
        yield block


def _read_held_out(sets: Sets, config: PrepareConfig) -> dict[str, Pairs]:
    """The pairs of the held-out sets, read or split off the first corpus; NmtError if none can be scored."""
    held_out = {name: list(read_pairs(corpus, config)) for name, corpus in sets.held_out.items()}
    first, names = sets.train[0], _split_names(sets, config)
    if names:
        refuse_pipes([first], "--split")
        held_out |= split_off(read_pairs(first, config), names, config.split, Cleaner(config), first)
    for name, pairs in held_out.items():
        if not any(pair.source.strip() and pair.target.strip() for pair in pairs):
            raise NmtError(f"the {name} set is empty", f"check the files given to --{name}")
    return held_out


def _split_names(sets: Sets, config: PrepareConfig) -> list[str]:
    """The held-out sets that are split off the first corpus."""
    return [name for name in (VALID, TEST) if config.split and name not in sets.held_out]


def _cleaner(
    sets: Sets, held_out: dict[str, Pairs], config: PrepareConfig, start: Sequence[Block], languages: Languages
) -> Cleaner:
    """The cleaner of the training set; `start` are the blocks that the length model is fitted to."""
    if held_out and not config.clean:
        logger.warning("--no-clean keeps sentences of the validation and test sets in the training set")
    normalize = Cleaner(config).normalize_pair
    normalized = {name: [normalize(*pair) for pair in texts(pairs)] for name, pairs in held_out.items()}
    split = set(chain.from_iterable(normalized[name] for name in _split_names(sets, config)))
    fit = fit_lengths(islice(chain.from_iterable(pairs for _, pairs in start), FITTED_ON))
    return Cleaner(config, HeldOut(chain.from_iterable(normalized.values()), split), fit, languages)


def _clean(workers: Workers, blocks: Iterable[Block]) -> Iterator[tuple[int, Pairs, CleanedBlock]]:
    ahead, blocks = tee(blocks)
    cleaned = workers.map(texts(pairs) for _, pairs in ahead)
    for (corpus, pairs), result in zip(blocks, cleaned, strict=True):
        yield corpus, pairs, result


def _merge(shards: Shards, blocks: Iterable[Block]) -> Iterator[tuple[int, Pairs, CleanedBlock]]:
    """Take cleaned blocks from shards."""
    cleaned = shards.read()
    for corpus, pairs in blocks:
        result = next(cleaned, None)
        if result is None:
            raise NmtError(f"{shards.directory}: the shards are incomplete", "write them again")
        yield corpus, pairs, result


class _SetWriter(ExitStack):
    """Write the token rows of a set without duplicates, and count its pairs by corpus."""

    def __init__(self, directory: Path, tokenizers: Tokenizers, rejects: Path | None = None) -> None:
        super().__init__()
        directory.mkdir()
        self.seen, self.read = HashSet(directory), 0
        self.callback(self.seen.close)
        self.source, self.target = (
            self.enter_context(TokenRowWriter(directory, side, len(tokenizer)))
            for side, tokenizer in zip(SIDES, tokenizers, strict=True)
        )
        self.rejects = self.enter_context(atomic_write(rejects)) if rejects else None
        self.counts = defaultdict[int, Counter[str]](Counter)  # by corpus
        self.repaired: list[SentencePair] = []  # the first pairs whose encoding was repaired

    def add(self, corpus: int, pairs: Sequence[SentencePair], cleaned: CleanedBlock) -> None:
        """Write the pairs of a block that are kept and new."""
        if len(cleaned.hashes):
            cleaned = cleaned.without(~self.seen.add(cleaned.hashes), "duplicate")
        self.source.add(cleaned.source, cleaned.source_lengths)
        self.target.add(cleaned.target, cleaned.target_lengths)
        rejected = [(RULES[cleaned.rules[i]], pairs[i]) for i in np.flatnonzero(cleaned.rules != KEPT).tolist()]
        self.counts[corpus].update(pairs=len(cleaned.source_lengths), source=len(cleaned.source))
        self.counts[corpus].update(read=len(pairs), target=len(cleaned.target), repaired=len(cleaned.repaired))
        self.repaired += [pairs[place] for place in cleaned.repaired[: REPAIRS - len(self.repaired)]]
        self.counts[corpus].update(rule for rule, _ in rejected)
        self.read += len(pairs)
        if self.rejects:
            for rule, pair in rejected:
                cells = rule, str(corpus + 1), str(pair.line), *pair[:2]
                line = "\t".join(cell.replace("\t", " ") for cell in cells)
                self.rejects.write(line.encode("utf-8", "surrogatepass") + b"\n")

    def counts_of(self, corpora: Sequence[Corpus]) -> dict[str, Any]:
        """The counts of the set and, if it has several corpora, of each."""
        by_corpus = [
            {"name": corpus.name, "files": list(map(str, corpus.files))} | _counts(self.counts[i])
            for i, corpus in enumerate(corpora)
        ]
        return _counts(sum(self.counts.values(), Counter())) | ({"corpora": by_corpus} if len(corpora) > 1 else {})


def _counts(counts: Counter[str]) -> dict[str, Any]:
    dropped = {rule: counts[rule] for rule in sorted(RULES) if counts[rule]}
    tokens = {side: counts[side] for side in SIDES}
    repaired = {"repaired": counts["repaired"]} if counts["repaired"] else {}
    return {"pairs": counts["pairs"], "read": counts["read"], "dropped": dropped, **repaired, "tokens": tokens}


def _nothing_left(sets: Sets, dropped: dict[str, int]) -> NmtError:
    counts = ", ".join(f"{count:,} {rule}" for rule, count in dropped.items()) or "the files are empty"
    hint = "check the files, their order, and the held-out sets; --no-clean drops only empty and too long pairs"
    return NmtError(f"no pair of {', '.join(map(str, sets.train))} is left to train on: {counts}", hint)


def _write_held_out(
    directory: Path, name: str, pairs: Pairs, tokenizers: Tokenizers, config: CleaningConfig
) -> dict[str, Any]:
    """Write a held-out set as text, and the validation set also as token rows for the loss; return its counts."""
    for side, lines in zip(SIDES, zip(*texts(pairs), strict=True), strict=True):
        write_text(held_out_text(directory, name, side), "".join(line + "\n" for line in lines))
    if name != VALID:
        return {"pairs": len(pairs)}
    only_length = CleaningConfig(clean=False, max_length=config.max_length)
    clean = BlockCleaner(Cleaner(only_length), tokenizers, only_length)
    with _SetWriter(directory / name, tokenizers) as rows:
        for block in batched(pairs, BLOCK):
            rows.add(0, block, clean(texts(block)))
    if not rows.counts[0]["pairs"]:
        problem = f"all pairs of the validation set are longer than --max-length {config.max_length}"
        raise NmtError(problem, "raise it, or give shorter ones")
    return rows.counts_of([]) | {"pairs": len(pairs)}


def _contents(directory: Path) -> dict[str, str]:
    """The SHA-256 of each file of prepared data, without what depends on the version of nmt, or is made later."""
    paths = (path for path in directory.rglob("*") if path.is_file() and path.name not in (DATA_DESCRIPTION, SHORTLIST))
    return {str(path.relative_to(directory)): sha256(path) for path in paths}


def is_rejects(path: Path) -> bool:
    """Whether a file has rejected pairs, as `prepare` writes them."""
    if path.is_dir():
        return False
    with open(path, "rb") as file:
        cells = file.readline().split(b"\t")
    return len(cells) == 5 and cells[0].decode("utf-8", "replace") in RULES and cells[1].isdigit()


def _identity(sets: Sets, tokenizers: Tokenizers, config: PrepareConfig) -> dict[str, Any]:
    """The identity of the corpus, which all its shards share."""
    files = {str(path): path.stat().st_size for corpus in sets.train for path in corpus.files if path.is_file()}
    settings = {name: value for name, value in asdict(config).items() if name not in ("shard", "merge")}
    return {"nmt": nmt.__version__, "files": files, "settings": settings, "tokenizer": tokenizers.fingerprint()}


def _describe(
    directory: Path, sets: Sets, tokenizers: Tokenizers, config: PrepareConfig, counts: dict[str, Any]
) -> dict[str, Any]:
    """The content of data.json."""
    corpora = {TRAIN: sets.train} | {name: (corpus,) for name, corpus in sets.held_out.items()}
    return {
        "format": FORMAT,
        "nmt": nmt.__version__,
        "files": {name: [str(path) for corpus in corpora[name] for path in corpus.files] for name in corpora},
        "sets": counts,
        "settings": asdict(config),
        "vocabulary": dict(zip(SIDES, map(len, tokenizers), strict=True)),
        "tokenizer": tokenizers.fingerprint(),
        "sha256": {str(path.relative_to(directory)): sha256(path) for path in sorted(directory.rglob("*.npy"))},
    }
