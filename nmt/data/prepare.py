"""From text files to a data directory: read, clean, tokenize, write token rows and what was counted on the way."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

import nmt
from nmt.config import PrepareConfig
from nmt.data.binary import RowWriter
from nmt.errors import NmtError
from nmt.files import atomic_directory, chunks, read_json, recover_directory, sha256, write_json, write_text
from nmt.text.clean import Cleaner
from nmt.text.corpus import SentencePair, read_pairs
from nmt.text.tokenizer import END, Tokenizer, Tokenizers

logger = logging.getLogger("nmt")

FORMAT = 1
CHUNK = 4096
"""Pairs that are cleaned and tokenized at a time."""

SIDES = ("source", "target")
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Sets:
    """The files of each set, a source and a target file or one TSV file; None where there is none.

    Of training text there may be several corpora, which are kept apart.
    """

    train: tuple[tuple[Path, ...], ...]
    valid: tuple[Path, ...] | None = None
    test: tuple[Path, ...] | None = None


def prepare(
    sets: Sets,
    tokenizers: Tokenizers,
    output: Path,
    config: PrepareConfig,
    threads: int = 1,
    progress: Progress = lambda pairs: None,
) -> dict[str, Any]:
    """Write the data directory `output` (replacing an older one when complete) and return what data.json holds.

    The validation and test sets are kept whole: what is scored must not depend on cleaning. `progress` is called with
    the number of pairs read so far.
    """
    held_out = {name: list(read_pairs(files)) for name, files in (("valid", sets.valid), ("test", sets.test)) if files}
    wanted = [name for name in ("valid", "test") if config.split and name not in held_out]
    cut = _cut_off(sets.train[0], wanted, config) if wanted else {}
    held_out |= cut
    _check_held_out(held_out)
    cleaner = Cleaner(config, _all(held_out), cut_lines=frozenset(pair.line for pair in _all(cut)))
    with atomic_directory(output) as directory:
        train_counts = _write_train(directory / "train", sets.train, cleaner, tokenizers, threads, progress)
        if not train_counts["pairs"]:
            raise NmtError(
                f"no pair of {' and '.join(map(str, chain(*sets.train)))} is left to train on: {_counts(cleaner)}",
                "are the files the right ones, in the right order, and others than those of the held-out sets? "
                "--no-clean keeps all but empty pairs",
            )
        counts = {"train": train_counts}
        for name, pairs in held_out.items():
            counts[name] = _write_held_out(directory, name, pairs, tokenizers, config)
        content = _description(directory, sets, tokenizers, config, counts)
        write_json(directory / "data.json", content)
    return content


def _all(held_out: dict[str, list[SentencePair]]) -> Iterator[SentencePair]:
    return chain.from_iterable(held_out.values())


def _check_held_out(held_out: dict[str, list[SentencePair]]) -> None:
    for name, pairs in held_out.items():
        if not any(pair.source.strip() and pair.target.strip() for pair in pairs):
            raise NmtError(f"the {name} set is empty", f"check the files given to --{name}")


def _cut_off(files: tuple[Path, ...], names: Sequence[str], config: PrepareConfig) -> dict[str, list[SentencePair]]:
    """Draw `split` pairs for each name, at random but the same in every run, among those that cleaning keeps."""
    kept = [pair.line for pair in Cleaner(config).keep(read_pairs(files))]
    needed = config.split * len(names)
    if len(kept) < 2 * needed:
        raise NmtError(
            f"--split {config.split} takes {needed:,} pairs, more than half of the {len(kept):,} in {files[0]}",
            "lower it, name the corpus to cut them off first, or give --valid and --test files",
        )
    drawn = np.random.default_rng(0).choice(np.asarray(kept), size=needed, replace=False).tolist()
    place = {line: names[i // config.split] for i, line in enumerate(drawn)}
    cut: dict[str, list[SentencePair]] = {name: [] for name in names}
    for pair in read_pairs(files):
        if pair.line in place:
            cut[place[pair.line]].append(pair)
    return cut


def _write_train(
    directory: Path,
    corpora: Sequence[tuple[Path, ...]],
    cleaner: Cleaner,
    tokenizers: Tokenizers,
    threads: int,
    progress: Progress,
) -> dict[str, Any]:
    """One corpus after another into the same arrays, with what was counted of each."""
    with _row_writers(directory, tokenizers) as writers:
        described: list[dict[str, Any]] = []
        read = 0
        for files in corpora:
            pairs = _counted(read_pairs(files), progress, read)
            counts = _write_rows(writers, pairs, cleaner, tokenizers, threads)
            described.append({"files": [str(path) for path in files]} | counts)
            cleaner.cut_lines = frozenset()  # they were lines of the first corpus
            read += counts["read"]
    return _total(described) | ({"corpora": described} if len(described) > 1 else {})


def _counted(pairs: Iterable[SentencePair], progress: Progress, before: int) -> Iterator[SentencePair]:
    for number, pair in enumerate(pairs, start=before + 1):
        if number % CHUNK == 0:
            progress(number)
        yield pair


Writers = tuple[RowWriter, RowWriter]


@contextmanager
def _row_writers(directory: Path, tokenizers: Tokenizers) -> Iterator[Writers]:
    """The arrays of both sides, in a new directory."""
    directory.mkdir()
    with (
        RowWriter(directory, SIDES[0], len(tokenizers.source)) as source,
        RowWriter(directory, SIDES[1], len(tokenizers.target)) as target,
    ):
        yield source, target


def _write_rows(
    writers: Writers, pairs: Iterable[SentencePair], cleaner: Cleaner, tokenizers: Tokenizers, threads: int
) -> dict[str, Any]:
    """Add the pairs that the cleaner keeps; how many those were, and what each rule dropped."""
    before, dropped_before = [(writer.offsets.length, writer.ids.length) for writer in writers], cleaner.dropped.copy()
    for chunk in chunks(cleaner.keep(pairs), CHUNK):
        sources = rows_of([pair.source for pair in chunk], tokenizers.source, threads)
        targets = rows_of([pair.target for pair in chunk], tokenizers.target, threads)
        kept = [both for both in zip(sources, targets, strict=True) if not cleaner.too_long(*both)]
        for writer, rows in zip(writers, zip(*kept, strict=True), strict=True) if kept else ():
            writer.append(rows)
    written = writers[0].offsets.length - before[0][0]
    tokens = {side: writer.ids.length - ids for side, writer, (_, ids) in zip(SIDES, writers, before, strict=True)}
    dropped = dict(sorted((cleaner.dropped - dropped_before).items()))
    return {"pairs": written, "read": written + sum(dropped.values()), "dropped": dropped, "tokens": tokens}


def _total(described: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The sums of what was counted of each corpus."""

    def summed(key: str) -> dict[str, int]:
        return dict(sorted(sum((Counter(one[key]) for one in described), Counter[str]()).items()))

    counts = {key: sum(one[key] for one in described) for key in ("pairs", "read")}
    return counts | {"dropped": summed("dropped"), "tokens": summed("tokens")}


def _write_held_out(
    directory: Path, name: str, pairs: list[SentencePair], tokenizers: Tokenizers, config: PrepareConfig
) -> dict[str, Any]:
    for side, lines in zip(SIDES, zip(*[(pair.source, pair.target) for pair in pairs], strict=True), strict=True):
        write_text(directory / f"{name}.{side}", "".join(line + "\n" for line in lines))
    if name != "valid":
        return {"pairs": len(pairs)}
    # for the loss on the validation set, which reads rows, empty and too long pairs have no meaning
    only_length = Cleaner(PrepareConfig(clean=False, max_length=config.max_length))
    with _row_writers(directory / name, tokenizers) as writers:
        return _write_rows(writers, pairs, only_length, tokenizers, threads=1) | {"pairs": len(pairs)}


def rows_of(lines: Sequence[str], tokenizer: Tokenizer, threads: int = 1) -> list[list[int]]:
    """The tokens of each line with the end of the sentence, as the model reads and writes them."""
    return [[*row, END] for row in tokenizer.encode(lines, threads)]


def _counts(cleaner: Cleaner) -> str:
    return ", ".join(f"{count:,} {rule}" for rule, count in sorted(cleaner.dropped.items())) or "the files are empty"


def _description(
    directory: Path, sets: Sets, tokenizers: Tokenizers, config: PrepareConfig, counts: dict[str, Any]
) -> dict[str, Any]:
    files_of = {"train": tuple(chain(*sets.train)), "valid": sets.valid, "test": sets.test}
    return {
        "format": FORMAT,
        "nmt": nmt.__version__,
        "languages": _languages(sets.train[0], config),
        "files": {name: [str(path) for path in files] for name, files in files_of.items() if files},
        "sets": counts,
        "settings": asdict(config),
        "vocabulary": {"source": len(tokenizers.source), "target": len(tokenizers.target)},
        "tokenizer": tokenizers.fingerprint(),
        "sha256": {str(path.relative_to(directory)): sha256(path) for path in sorted(directory.rglob("*.npy"))},
    }


def _languages(files: tuple[Path, ...], config: PrepareConfig) -> dict[str, str | None]:
    guessed: list[str | None] = [None, None]
    if len(files) == 2:
        suffixes = [[s[1:] for s in path.suffixes if s not in (".gz", ".bz2", ".xz", ".zst", ".txt")] for path in files]
        guessed = [found[-1] if found else None for found in suffixes]
    return {"source": config.source_language or guessed[0], "target": config.target_language or guessed[1]}


def corpora_of(description: dict[str, Any]) -> list[dict[str, Any]]:
    """What data.json says of each corpus that the training set was made of, in their order."""
    train = description["sets"]["train"]
    return train.get("corpora") or [{"files": description["files"]["train"], **train}]


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
    return content


def fingerprint(description: dict[str, Any]) -> str:
    """What tells prepared data from other: a hash of its arrays' hashes."""
    return hashlib.sha256(json.dumps(description["sha256"], sort_keys=True).encode()).hexdigest()
