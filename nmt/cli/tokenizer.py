"""`nmt tokenizer train|import|encode|decode|report`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.options import Common, Force, Given, Input, Json, Strict, command
from nmt.cli.output import log, warn, write_line
from nmt.config.corpus import CorpusConfig, TokenizerConfig
from nmt.errors import NmtError, UsageError

if TYPE_CHECKING:
    from nmt.text.tokenizer import Tokenizer, Tokenizers

tokenizer_app = typer.Typer(
    name="tokenizer", help="Train a SentencePiece tokenizer; encode and decode text.", no_args_is_help=True
)

Files = Annotated[
    list[Path],
    typer.Argument(help="Text files, one sentence per line, or files of pairs (TSV, JSON lines, TMX, XLIFF, PO)."),
]
Side = Annotated[Literal["source", "target"], typer.Option(help="Which of two separate tokenizers to use.")]
LINES_AT_ONCE = 1000


def tokenizer_train(
    common: Common, given: Annotated[Given, TokenizerConfig], files: Files, force: Force = False
) -> None:
    """Train a joint tokenizer, or one per language, and save it in the run directory."""
    from nmt.text.tokenizer import train_tokenizers

    _save(common, train_tokenizers(files, given.build(TokenizerConfig)), force=force)


def _save(common: Common, tokenizers: "Tokenizers", *, force: bool) -> None:
    """Save the run's tokenizers, and warn where prepared data no longer fits."""
    from nmt.data.description import read_description, save_tokenizers
    from nmt.files.lock import locked

    with locked(common.run.path):
        save_tokenizers(common.run, tokenizers, force=force)
    sizes = [len(tokenizers.source)] if tokenizers.shared else [len(tokenizers.source), len(tokenizers.target)]
    log(f"wrote the tokenizer to {common.run.path}: {' and '.join(f'{size:,}' for size in sizes)} pieces")
    if common.run.data.exists():
        try:
            read_description(common.run.data, tokenizers)
        except NmtError as error:
            warn(str(error))


def tokenizer_import(
    common: Common,
    files: Annotated[list[Path], typer.Argument(help="A joint SentencePiece model, or those of source and target.")],
    force: Force = False,
) -> None:
    """Take SentencePiece models that were trained elsewhere, and save them in the run directory.

    Their control symbols get the tokens 0 to 3; text is split into the same pieces as before.
    """
    from nmt.text.tokenizer import import_tokenizers

    if len(files) > 2:
        raise UsageError(f"a run has one or two tokenizers; got {len(files)} files")
    _save(common, import_tokenizers(files), force=force)


def tokenizer_encode(common: Common, file: Input = None, side: Side = "source", strict: Strict = False) -> None:
    """Encode lines of text as pieces, separated by spaces."""
    from nmt.files.lines import batched, read_text

    tokenizer = _tokenizer(common, side)
    for lines in batched(read_text(file, strict=strict), LINES_AT_ONCE):
        for pieces in tokenizer.encode_pieces(lines):
            write_line(" ".join(pieces))


def tokenizer_decode(common: Common, file: Input = None, side: Side = "target", strict: Strict = False) -> None:
    """Decode pieces into lines of text."""
    from nmt.files.lines import read_text

    tokenizer = _tokenizer(common, side)
    for line in read_text(file, strict=strict):
        write_line(tokenizer.decode_pieces(line.split(" ") if line else []))


def _tokenizer(common: Common, side: str) -> "Tokenizer":
    from nmt.text.tokenizer import Tokenizers

    tokenizers = Tokenizers.load(common.run.path)
    return tokenizers.source if side == "source" else tokenizers.target


def tokenizer_report(
    common: Common, given: Annotated[Given, CorpusConfig], files: Files, as_json: Json = False
) -> None:
    """Report on the tokenization of text: pieces per word, unknown pieces, vocabulary coverage."""
    from nmt.cli.views.check import vocabulary_line
    from nmt.data.check import vocabulary_report
    from nmt.text.tokenizer import Tokenizers, training_sample

    tokenizers, config = Tokenizers.load(common.run.path), given.build(TokenizerConfig)
    sides = [("source", tokenizers.source), ("target", tokenizers.target)]
    if tokenizers.source == tokenizers.target:
        sides = [("both", tokenizers.source)]
    texts = training_sample(files, config, separate=len(sides) > 1)
    reports = {name: vocabulary_report(tokenizer, text) for (name, tokenizer), text in zip(sides, texts, strict=True)}
    if as_json:
        write_line(json.dumps(reports))
        return
    for name, report in reports.items():
        write_line(f"{name}: {vocabulary_line(report)}")


command(tokenizer_app, "train")(tokenizer_train)
command(tokenizer_app, "import")(tokenizer_import)
command(tokenizer_app, "encode")(tokenizer_encode)
command(tokenizer_app, "decode")(tokenizer_decode)
command(tokenizer_app, "report")(tokenizer_report)
