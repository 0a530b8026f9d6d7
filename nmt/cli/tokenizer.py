"""`nmt tokenizer train|encode|decode|report`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.options import Common, Given, Input, Json, Strict, command
from nmt.cli.output import log, warn, write_line
from nmt.config import CorpusConfig, TokenizerConfig
from nmt.errors import NmtError

if TYPE_CHECKING:
    from nmt.text.tokenizer import Tokenizer

tokenizer_app = typer.Typer(
    name="tokenizer", help="Train a SentencePiece tokenizer, and use it as a pipe.", no_args_is_help=True
)

Files = Annotated[
    list[Path],
    typer.Argument(help="Text files, one sentence a line, or files of pairs (TSV, JSON lines, TMX, XLIFF, PO)."),
]
Side = Annotated[Literal["source", "target"], typer.Option(help="Which of two separate tokenizers.")]
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
    from nmt.cli.views.check import vocabulary_line
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


command(tokenizer_app, "train")(tokenizer_train)
command(tokenizer_app, "encode")(tokenizer_encode)
command(tokenizer_app, "decode")(tokenizer_decode)
command(tokenizer_app, "report")(tokenizer_report)
