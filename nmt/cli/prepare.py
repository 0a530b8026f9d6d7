"""`nmt prepare`: clean and tokenize a parallel corpus."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmt.cli.options import Common, Force, Given
from nmt.cli.output import counting, log, warn
from nmt.config.corpus import CorpusConfig, PrepareConfig
from nmt.errors import UsageError, counted
from nmt.text.control_characters import visible

if TYPE_CHECKING:
    from nmt.data.prepare import Sets
    from nmt.text.corpus import Corpus

TrainFiles = Annotated[
    list[str],
    typer.Argument(
        help="Source and target file, or one file of pairs (TSV, JSON lines, TMX, XLIFF, PO). Several corpora "
        "can be weighted by train --corpus-weights; NAME=SOURCE TARGET or NAME=FILE names one.",
        metavar="SOURCE TARGET",
    ),
]
Valid = Annotated[tuple[Path, Path] | None, typer.Option(help="Validation set.", metavar="SOURCE TARGET")]
Test = Annotated[tuple[Path, Path] | None, typer.Option(help="Test set.", metavar="SOURCE TARGET")]
ValidFile = Annotated[
    Path | None, typer.Option("--valid-file", "--valid-tsv", help="Validation set, one file of pairs.")
]
TestFile = Annotated[Path | None, typer.Option("--test-file", "--test-tsv", help="Test set, one file of pairs.")]
Rejects = Annotated[Path | None, typer.Option(help="Write dropped pairs here: rule, corpus, line, source, target.")]
Tokenizer = Annotated[
    Path | None, typer.Option(help="Tokenizer: of this model or run (and its languages, if none show), or this file.")
]


def prepare(
    common: Common,
    given: Annotated[Given, PrepareConfig],
    files: TrainFiles,
    valid: Valid = None,
    test: Test = None,
    valid_file: ValidFile = None,
    test_file: TestFile = None,
    rejects: Rejects = None,
    tokenizer: Tokenizer = None,
    force: Force = False,
) -> None:
    """Clean and tokenize a parallel corpus, with the run's tokenizer, and write the training data to RUN/data.

    For example:

        nmt prepare train.de train.en --valid valid.de valid.en --test test.de test.en
        nmt prepare memory.tmx --split 1000 --rejects dropped.tsv
        nmt prepare news=news.de news.en web=web.de web.en --split 1000
    """
    from nmt.data.description import languages_in, save_tokenizers, warn_of_other_data
    from nmt.data.prepare import prepare
    from nmt.files.lock import locked
    from nmt.text.tokenizer import Tokenizers
    from nmt.workers import available_threads

    config, run = given.build(PrepareConfig), common.run
    sets = make_sets(config, files, valid, test, valid_file, test_file)
    tokenizers = Tokenizers.load(tokenizer or run.path)
    if rejects:
        _check_rejects(rejects, sets, config, run.path, force=force)
    if tokenizer:
        save_tokenizers(run, tokenizers, force=force)
    options: dict[str, Any] = {"languages": languages_in(tokenizer), "force": force}
    if config.shard:  # several may be written at the same time, so there is no lock
        with counting("pairs read", quiet=common.quiet) as progress:
            prepare(sets, tokenizers, run.data, config, available_threads(), progress, **options)
        log(f"wrote shard {config.shard}; when all are written: --merge {config.shard_of[1]}")
        return
    with locked(run.path), counting("pairs read", quiet=common.quiet) as progress:
        content = prepare(sets, tokenizers, run.data, config, available_threads(), progress, rejects, **options)
    train = content["sets"]["train"]
    dropped = ", ".join(f"{count:,} {rule}" for rule, count in train["dropped"].items()) or "none"
    log(f"train: kept {train['pairs']:,} of {counted(train['read'], 'pair')}; dropped: {dropped}")
    if "repairs" in train:
        examples = "; ".join(map(visible, train["repairs"]))
        log(f"repaired the encoding of {counted(train['repaired'], 'pair')}, such as {examples}")
    for corpus in train.get("corpora", ()):
        (log if corpus["pairs"] else warn)(f"  {corpus['name']}: {counted(corpus['pairs'], 'pair')}")
    for name in ("valid", "test"):
        if name in content["sets"]:
            log(f"{name}: {counted(content['sets'][name]['pairs'], 'pair')}")
    log(f"wrote {run.data}")
    warn_of_other_data(run.model, run.data)


def _check_rejects(rejects: Path, sets: "Sets", config: PrepareConfig, run: Path, *, force: bool) -> None:
    """NmtError where writing the rejected pairs would destroy something, or would not happen."""
    from nmt.data.prepare import is_rejects
    from nmt.files.run_directory import check_output

    inputs = [path for corpus in (*sets.train, *sets.held_out.values()) for path in corpus.files]
    check_output(rejects, is_rejects, force=force, new=run, inputs=inputs)
    if config.shard:
        raise UsageError("--rejects are known when shards are merged", "give it with --merge")


def make_sets(
    config: CorpusConfig,
    files: list[str],
    valid: tuple[Path, Path] | None,
    test: tuple[Path, Path] | None,
    valid_file: Path | None,
    test_file: Path | None,
) -> "Sets":
    """The corpora of the training set and the held-out sets."""
    from nmt.data.prepare import Sets
    from nmt.text.corpus import corpora

    held_out = _held_out("valid", valid, valid_file), _held_out("test", test, test_file)
    return Sets(corpora(files, config.format), *held_out)


def _held_out(name: str, pair: tuple[Path, Path] | None, file: Path | None) -> "Corpus | None":
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
