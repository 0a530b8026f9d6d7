"""The `nmt` program and its commands."""

import os
import sys

import typer

from nmt import __version__
from nmt.cli import options
from nmt.cli.attention import attention
from nmt.cli.data import check, prepare
from nmt.cli.demo import demo
from nmt.cli.evaluate import evaluate
from nmt.cli.export import export_app
from nmt.cli.inspect import info
from nmt.cli.report import report
from nmt.cli.score import score
from nmt.cli.tokenizer import tokenizer_app
from nmt.cli.train import average, train
from nmt.cli.translate import translate

app = typer.Typer(
    help="Neural machine translation: train a Transformer on your sentence pairs, translate, evaluate.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(tokenizer_app, name="tokenizer")
app.add_typer(export_app, name="export")
for name, function in (
    ("prepare", prepare),
    ("check", check),
    ("train", train),
    ("translate", translate),
    ("score", score),
    ("eval", evaluate),
    ("attention", attention),
    ("report", report),
    ("average", average),
    ("info", info),
):
    options.command(app, name)(function)
options.command(app, "demo", run="nmt-demo")(demo)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"nmt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version and exit."
    ),
) -> None:
    pass


def main() -> None:
    """Run a command and exit with its code."""
    if sys.platform == "linux":
        # read when torch first uses a GPU: without it, batches of all sizes fragment its memory
        os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    app(prog_name="nmt")
