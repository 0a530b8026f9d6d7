"""`nmt tokenizer train|encode|decode|report`, `nmt prepare` and `nmt check`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.options import Common, Given, command, write_line
from nmt.config import CleaningConfig, CorpusConfig, PrepareConfig, TokenizerConfig
from nmt.errors import NmtError, UsageError

if TYPE_CHECKING:
    from nmt.data.prepare import Sets
    from nmt.text.corpus import Corpus
    from nmt.text.tokenizer import Tokenizer

tokenizer_app = typer.Typer(
    name="tokenizer", help="Train a SentencePiece tokenizer, and use it as a pipe.", no_args_is_help=True
)

Files = Annotated[
    list[Path],
    typer.Argument(help="Text files, one sentence a line, or files of pairs (TSV, JSON lines, TMX, XLIFF, PO)."),
]
Side = Annotated[Literal["source", "target"], typer.Option(help="Which of two separate tokenizers.")]
Input = Annotated[Path | None, typer.Argument(help="File to read.", show_default="stdin")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse invalid UTF-8 in place of replacing it.")]
LINES_AT_ONCE = 1000


def tokenizer_train(common: Common, given: Annotated[Given, TokenizerConfig], files: Files) -> None:
    """Train on the text of both languages: RUN/tokenizer.model."""
    from nmt.data.prepare import read_description
    from nmt.files import locked
    from nmt.text.tokenizer import train_tokenizers

    config = given.build(TokenizerConfig)
    tokenizers = train_tokenizers(files, config)
    with locked(common.run):
        tokenizers.save(common.run)
    sizes = [len(tokenizers.source)] if tokenizers.shared else [len(tokenizers.source), len(tokenizers.target)]
    log(f"wrote {' and '.join(f'{size:,}' for size in sizes)} pieces to {common.run}")
    if common.data.exists():
        try:
            read_description(common.data, tokenizers)
        except NmtError as error:
            warn(str(error))


def tokenizer_encode(common: Common, file: Input = None, side: Side = "source", strict: Strict = False) -> None:
    """Cut lines of text into pieces, separated by spaces."""
    from nmt.files import chunks, read_text

    tokenizer = _tokenizer(common, side)
    for lines in chunks(read_text(file, strict=strict), LINES_AT_ONCE):
        for pieces in tokenizer.encode_pieces(lines):
            write_line(" ".join(pieces))


def tokenizer_decode(common: Common, file: Input = None, side: Side = "target", strict: Strict = False) -> None:
    """Join pieces into lines of text again."""
    from nmt.files import read_text

    tokenizer = _tokenizer(common, side)
    for line in read_text(file, strict=strict):
        write_line(tokenizer.decode_pieces(line.split(" ") if line else []))


def _tokenizer(common: Common, side: str) -> "Tokenizer":
    from nmt.text.tokenizer import Tokenizers

    tokenizers = Tokenizers.load(common.run)
    return tokenizers.source if side == "source" else tokenizers.target


def tokenizer_report(
    common: Common, given: Annotated[Given, CorpusConfig], files: Files, as_json: Json = False
) -> None:
    """Tell how the tokenizer cuts text: pieces for each word, unknown pieces, how much of the vocabulary is used."""
    from nmt.data.check import vocabulary_report
    from nmt.text.tokenizer import Tokenizers, training_sample

    tokenizers, config = Tokenizers.load(common.run), given.build(TokenizerConfig)
    sides = [("source", tokenizers.source), ("target", tokenizers.target)]
    if tokenizers.shared:
        sides = [("both", tokenizers.source)]
    texts = training_sample(files, config, separate=not tokenizers.shared)
    found = {name: vocabulary_report(tokenizer, text) for (name, tokenizer), text in zip(sides, texts, strict=True)}
    if as_json:
        write_line(json.dumps(found))
        return
    for name, one in found.items():
        write_line(f"{name}: {vocabulary_line(one)}")


def vocabulary_line(found: dict[str, float]) -> str:
    """A vocabulary report in a line."""
    return (
        f"{found['sentences']:,.0f} sentences, {found['words']:,.0f} words, "
        f"{found['pieces_per_word']:.2f} pieces a word, "
        f"at most {found['longest']:,.0f} tokens; {found['unknown']:.3%} unknown, {found['bytes']:.3%} spelt as bytes; "
        f"{found['used']:.0%} of the vocabulary used"
    )


command(tokenizer_app, "train")(tokenizer_train)
command(tokenizer_app, "encode")(tokenizer_encode)
command(tokenizer_app, "decode")(tokenizer_decode)
command(tokenizer_app, "report")(tokenizer_report)

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
    from nmt.cli.progress import counting
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

    from nmt.cli.progress import counting
    from nmt.cli.report import draw_check
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


def counted(number: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "pair"), counted(2000, "pair")
    ('1 pair', '2,000 pairs')
    """
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def log(message: str) -> None:
    """Tell the user on stderr, unless --quiet."""
    import logging

    logging.getLogger("nmt").info(message)


def warn(message: str) -> None:
    """Tell the user on stderr, with --quiet too."""
    import logging

    logging.getLogger("nmt").warning(message)
