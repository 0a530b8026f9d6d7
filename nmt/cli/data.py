"""`nmt tokenizer train|encode|decode` and `nmt prepare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.options import Common, Given, command, write_line
from nmt.config import PrepareConfig, TokenizerConfig
from nmt.errors import NmtError, UsageError

if TYPE_CHECKING:
    from nmt.text.tokenizer import Tokenizer

tokenizer_app = typer.Typer(
    name="tokenizer", help="Train a SentencePiece tokenizer, and use it as a pipe.", no_args_is_help=True
)

Files = Annotated[list[Path], typer.Argument(help="Text files, one sentence a line; .tsv gives all its columns.")]
Side = Annotated[Literal["source", "target"], typer.Option(help="Which of two separate tokenizers.")]
Input = Annotated[Path | None, typer.Argument(help="File to read.", show_default="stdin")]
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


command(tokenizer_app, "train")(tokenizer_train)
command(tokenizer_app, "encode")(tokenizer_encode)
command(tokenizer_app, "decode")(tokenizer_decode)

TrainFiles = Annotated[
    list[Path],
    typer.Argument(
        help="Source and target file, or one .tsv file; several corpora one after another are kept apart, see "
        "train --corpus-weights.",
        metavar="SOURCE TARGET",
    ),
]
Pair = tuple[Path, Path] | None
One = Path | None


def prepare(
    common: Common,
    given: Annotated[Given, PrepareConfig],
    files: TrainFiles,
    valid: Annotated[Pair, typer.Option(help="Validation set.", metavar="SOURCE TARGET")] = None,
    test: Annotated[Pair, typer.Option(help="Test set.", metavar="SOURCE TARGET")] = None,
    valid_tsv: Annotated[One, typer.Option(help="Validation set in one TSV file.")] = None,
    test_tsv: Annotated[One, typer.Option(help="Test set in one TSV file.")] = None,
) -> None:
    """Clean and tokenize sentence pairs: RUN/data, which training reads."""
    from nmt.cli.progress import counting
    from nmt.data.prepare import Sets, prepare
    from nmt.files import available_threads, locked
    from nmt.text.corpus import corpora
    from nmt.text.tokenizer import Tokenizers

    held_out = _one_of("valid", valid, valid_tsv), _one_of("test", test, test_tsv)
    sets = Sets(corpora(files), *held_out)
    config = given.build(PrepareConfig)
    tokenizers = Tokenizers.load(common.run)
    with locked(common.run), counting("pairs read", quiet=common.quiet) as progress:
        content = prepare(sets, tokenizers, common.data, config, available_threads(), progress)
    train = content["sets"]["train"]
    dropped = ", ".join(f"{count:,} {rule}" for rule, count in train["dropped"].items()) or "none"
    log(f"train: kept {train['pairs']:,} of {train['read']:,} pairs; dropped: {dropped}")
    for corpus in train.get("corpora", ()):
        tell = log if corpus["pairs"] else warn
        tell(f"  {' '.join(corpus['files'])}: {counted(corpus['pairs'], 'pair')}")
    for name in ("valid", "test"):
        if name in content["sets"]:
            log(f"{name}: {counted(content['sets'][name]['pairs'], 'pair')}")
    log(f"wrote {common.data}")
    warn_of_other_data(common.model, common.data)


def _one_of(name: str, pair: tuple[Path, Path] | None, table: Path | None) -> tuple[Path, ...] | None:
    if pair and table:
        raise UsageError(f"--{name} and --{name}-tsv both name the {name} set", "give one of them")
    if pair and any(str(path).startswith("--") for path in pair):
        raise UsageError(
            f"--{name} takes two files, source and target, but got {pair[0]} {pair[1]}",
            f"--{name}-tsv takes one file with both",
        )
    return pair or ((table,) if table else None)


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
