"""`nmt prepare` and `nmt check`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli.options import Common, Given, Json
from nmt.cli.output import counted, counting, log, warn, write_line
from nmt.config import CleaningConfig, PrepareConfig
from nmt.errors import UsageError

if TYPE_CHECKING:
    from nmt.data.prepare import Sets
    from nmt.text.corpus import Corpus

TrainFiles = Annotated[
    list[str],
    typer.Argument(
        help="Source and target file, or one file of pairs (TSV, JSON lines, TMX, XLIFF, PO); several corpora one "
        "after another are kept apart, see train --corpus-weights; NAME=FILE names one.",
        metavar="SOURCE TARGET",
    ),
]
Valid = Annotated[tuple[Path, Path] | None, typer.Option(help="Validation set.", metavar="SOURCE TARGET")]
Test = Annotated[tuple[Path, Path] | None, typer.Option(help="Test set.", metavar="SOURCE TARGET")]
ValidFile = Annotated[Path | None, typer.Option("--valid-file", "--valid-tsv", help="Validation set in one file.")]
TestFile = Annotated[Path | None, typer.Option("--test-file", "--test-tsv", help="Test set in one file.")]


def prepare(
    common: Common,
    given: Annotated[Given, PrepareConfig],
    files: TrainFiles,
    valid: Valid = None,
    test: Test = None,
    valid_file: ValidFile = None,
    test_file: TestFile = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Write what is dropped there: rule, corpus, line, source, target.")
    ] = None,
) -> None:
    """Clean and tokenize sentence pairs: RUN/data, which training reads."""
    from nmt.data.prepare import prepare
    from nmt.files import available_threads, locked
    from nmt.text.tokenizer import Tokenizers

    sets, config = _sets(files, valid, test, valid_file, test_file), given.build(PrepareConfig)
    tokenizers = Tokenizers.load(common.run)
    if rejects:
        _check_rejects(rejects, common, sets, config)
    if config.shard:  # others may be written at the same time
        with counting("pairs read", quiet=common.quiet) as progress:
            prepare(sets, tokenizers, common.data, config, available_threads(), progress)
        log(f"wrote shard {config.shard}; when all are there: --merge {config.shard_of[1]}")
        return
    with locked(common.run), counting("pairs read", quiet=common.quiet) as progress:
        content = prepare(sets, tokenizers, common.data, config, available_threads(), progress, rejects)
    train = content["sets"]["train"]
    dropped = ", ".join(f"{count:,} {rule}" for rule, count in train["dropped"].items()) or "none"
    log(f"train: kept {train['pairs']:,} of {train['read']:,} pairs; dropped: {dropped}")
    for corpus in train.get("corpora", ()):
        tell = log if corpus["pairs"] else warn
        tell(f"  {corpus['name']}: {counted(corpus['pairs'], 'pair')}")
    for name in ("valid", "test"):
        if name in content["sets"]:
            log(f"{name}: {counted(content['sets'][name]['pairs'], 'pair')}")
    log(f"wrote {common.data}")
    warn_of_other_data(common.model, common.data)


def _check_rejects(rejects: Path, common: Common, sets: "Sets", config: PrepareConfig) -> None:
    """UsageError where writing the rejected pairs would destroy something, or not happen."""
    corpora = (*sets.train, *sets.held_out.values())
    read = [path for corpus in corpora for path in corpus.files] + list(common.run.glob("*"))
    if any(path.exists() and rejects.exists() and path.samefile(rejects) for path in read):
        raise UsageError(f"--rejects {rejects} would replace what is read", "name another file")
    if config.shard:
        raise UsageError("--rejects are known when shards are put together", "give it with --merge")


def check(
    common: Common,
    given: Annotated[Given, CleaningConfig],
    files: TrainFiles,
    valid: Valid = None,
    test: Test = None,
    valid_file: ValidFile = None,
    test_file: TestFile = None,
    as_json: Json = False,
) -> None:
    """Look at sentence pairs before anything is made of them: encodings, lengths, duplicates, leaks."""
    import logging

    from nmt.cli.views.check import draw_check
    from nmt.data.check import check
    from nmt.text.tokenizer import Tokenizers

    sets, config = _sets(files, valid, test, valid_file, test_file), given.build(CleaningConfig)
    tokenizers = Tokenizers.load(common.run) if any(common.run.glob("tokenizer*.model")) else None
    with counting("pairs read", quiet=common.quiet) as progress:
        logging.getLogger("nmt").setLevel(logging.ERROR)  # what would be warned of stands in the report
        found = check(sets, config, tokenizers, progress)
    if as_json:
        write_line(json.dumps(found, ensure_ascii=False))
    else:
        draw_check(found)


def _sets(
    files: list[str],
    valid: tuple[Path, Path] | None,
    test: tuple[Path, Path] | None,
    valid_file: Path | None,
    test_file: Path | None,
) -> "Sets":
    from nmt.data.prepare import Sets
    from nmt.text.corpus import corpora

    held_out = _one_of("valid", valid, valid_file), _one_of("test", test, test_file)
    return Sets(corpora(files), *held_out)


def _one_of(name: str, pair: tuple[Path, Path] | None, file: Path | None) -> "Corpus | None":
    from nmt.text.corpus import Corpus

    if pair and file:
        raise UsageError(f"--{name} and --{name}-file both name the {name} set", "give one of them")
    if pair and any(str(path).startswith("--") for path in pair):
        raise UsageError(
            f"--{name} takes two files, source and target, but got {pair[0]} {pair[1]}",
            f"--{name}-file takes one file with both",
        )
    paths = pair or ((file,) if file else None)
    return Corpus(paths, name) if paths else None


def warn_of_other_data(model: Path, data: Path) -> None:
    """Tell where a model, if there is one, was trained on other data than what stands in a data directory."""
    from nmt.data.prepare import read_description
    from nmt.files import read_json

    if not (model / "config.json").exists() or not (data / "data.json").exists():
        return
    trained_on = read_json(model / "config.json").get("made", {}).get("data")
    if trained_on not in (None, read_description(data)["sha256"]):
        warn(f"{model} was trained on other data than {data}: it may have seen sentences of the test set there")
