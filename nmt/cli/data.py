"""`nmt tokenizer train|encode|decode` and `nmt prepare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.options import Common, Given, command, write_line
from nmt.config import PrepareConfig, TokenizerConfig
from nmt.errors import NmtError

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
    from nmt.text.tokenizer import train_tokenizers

    _warn_of_training(common)
    tokenizers = train_tokenizers(files, given.build(TokenizerConfig))
    tokenizers.save(common.run)
    sizes = [len(tokenizers.source)] if tokenizers.shared else [len(tokenizers.source), len(tokenizers.target)]
    log(f"wrote {' and '.join(f'{size:,}' for size in sizes)} pieces to {common.run}")


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
    list[Path], typer.Argument(help="Source and target file, or one TSV file.", metavar="SOURCE TARGET")
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
    from nmt.files import available_threads
    from nmt.text.tokenizer import Tokenizers

    sets = Sets(tuple(files), _one_of("valid", valid, valid_tsv), _one_of("test", test, test_tsv))
    config = given.build(PrepareConfig)
    _warn_of_training(common)
    tokenizers = Tokenizers.load(common.run)
    with counting("pairs read", quiet=common.quiet) as progress:
        content = prepare(sets, tokenizers, common.data, config, available_threads(), progress)
    train = content["sets"]["train"]
    dropped = ", ".join(f"{count:,} {rule}" for rule, count in train["dropped"].items()) or "none"
    log(f"train: kept {train['pairs']:,} of {train['read']:,} pairs; dropped: {dropped}")
    for name in ("valid", "test"):
        if name in content["sets"]:
            log(f"{name}: {content['sets'][name]['pairs']:,} pairs")
    log(f"wrote {common.data}")


def _one_of(name: str, pair: tuple[Path, Path] | None, table: Path | None) -> tuple[Path, ...] | None:
    if pair and table:
        raise NmtError(f"--{name} and --{name}-tsv both name the {name} set", "give one of them")
    return pair or ((table,) if table else None)


def _warn_of_training(common: Common) -> None:
    """A run that was trained on other data cannot go on, and its test set may be in what it was trained on."""
    import logging

    if any((common.run / "checkpoints").glob("step-*")):
        logging.getLogger("nmt").warning(
            "%s was trained before: with other data or another tokenizer its training cannot go on, and its scores may "
            "be of sentences it was trained on; another --run keeps both",
            common.run,
        )


def log(message: str) -> None:
    """Tell the user on stderr, unless --quiet."""
    import logging

    logging.getLogger("nmt").info(message)
