"""The `nmt` program and its commands, in the order of use."""

import os
import sys
from collections.abc import Callable

import typer
from typer.core import TyperGroup

from nmt import __version__
from nmt.cli.attention import attention
from nmt.cli.average import average
from nmt.cli.check import check
from nmt.cli.compare import compare
from nmt.cli.demo import demo
from nmt.cli.eval import evaluate
from nmt.cli.export import export_app
from nmt.cli.import_model import import_model
from nmt.cli.info import info
from nmt.cli.options import command
from nmt.cli.prepare import prepare
from nmt.cli.report import report
from nmt.cli.score import score
from nmt.cli.synthesize import synthesize
from nmt.cli.tokenizer import tokenizer_app
from nmt.cli.train import train
from nmt.cli.translate import translate

DATA, TRAINING, TRANSLATION, EVALUATION = "Data", "Training", "Translation", "Evaluation and inspection"
COMMANDS: dict[str, tuple[str, Callable[..., None] | typer.Typer]] = {
    "demo": ("Start here", demo),
    "tokenizer": (DATA, tokenizer_app),
    "check": (DATA, check),
    "prepare": (DATA, prepare),
    "train": (TRAINING, train),
    "report": (TRAINING, report),
    "average": (TRAINING, average),
    "translate": (TRANSLATION, translate),
    "synthesize": (TRANSLATION, synthesize),
    "score": (TRANSLATION, score),
    "import": (TRANSLATION, import_model),
    "export": (TRANSLATION, export_app),
    "eval": (EVALUATION, evaluate),
    "compare": (EVALUATION, compare),
    "attention": (EVALUATION, attention),
    "info": (EVALUATION, info),
}


class _InOrder(TyperGroup):
    def list_commands(self, _: object) -> list[str]:
        return list(COMMANDS)


app = typer.Typer(
    cls=_InOrder,
    help="Neural machine translation: train a Transformer on your parallel corpus, translate and evaluate.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for name, (panel, run) in COMMANDS.items():
    if isinstance(run, typer.Typer):
        app.add_typer(run, name=name, rich_help_panel=panel)
    else:
        command(app, name, panel=panel, run="nmt-demo" if run is demo else "run")(run)


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
