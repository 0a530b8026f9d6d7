"""`nmt demo`: the whole pipeline on the corpus that travels with nmt, each command shown before it runs."""

import sys
import time
from pathlib import Path
from shlex import join
from typing import TYPE_CHECKING, Annotated

import typer

import nmt
from nmt.cli.options import Common
from nmt.errors import NmtError, counted
from nmt.files.lines import read_text
from nmt.files.run_directory import DATA_DESCRIPTION, RunDirectory, is_data

if TYPE_CHECKING:
    from rich.console import Console

Threads = Annotated[int | None, typer.Option(help="CPU threads.", min=0, show_default="one per core")]
SAMPLES = 6  # sentences of the test set that are shown

TRAINING = (
    "--preset tiny --encoder-layers 2 --decoder-layers 2 --optimizer adam --batch-tokens 1024 --steps 2000 "
    "--learning-rate 4e-3 --warmup 200 --schedule linear --validate-every 500 --save-every 500 --average 1"
)


def corpus_directory() -> Path:
    """The directory of the embedded corpus: inside the installed package, or beside it in a checkout."""
    package = Path(nmt.__file__).parent
    return next(place for place in (package / "corpus", package.parent / "data") if (place / "train.ko").exists())


def demo(common: Common, context: typer.Context, threads: Threads = None) -> None:
    """Train a Korean-English translation model on a bundled corpus in minutes, printing each command.

    The run directory stays, for nmt translate --run nmt-demo.
    """
    from rich.console import Console
    from rich.text import Text

    from nmt.cli.views.console import Page

    started = time.monotonic()
    corpus = corpus_directory()
    _refuse_foreign_run(common.run, corpus)
    console = Console(stderr=True, quiet=common.quiet, highlight=False)

    def run(text: str, arguments: list[str]) -> None:
        console.print(f"\n{text}")
        shown = join(arguments).replace(str(corpus), "CORPUS")
        console.print(Text(f"$ nmt {shown}", "bold cyan"), soft_wrap=True)
        arguments += ["--quiet"] if common.quiet else []
        if code := context.find_root().command.main(arguments, prog_name="nmt", standalone_mode=False):
            raise typer.Exit(code)  # its message is printed

    for text, arguments in _chapters(corpus, common.run.path, [] if threads is None else ["--threads", str(threads)]):
        run(text, arguments)
    sentence = _show_samples(common.run, Page())
    run(
        "5. Attention of the last decoder layer to the Korean sentence (columns) for each English word (rows). Korean "
        "puts the verb last, so attention jumps.",
        ["attention", sentence, "--run", str(common.run.path)],
    )
    console.print(f"\nAll of this took {counted(round(time.monotonic() - started), 'second')}.")
    translate = ["translate", "--run", str(common.run.path)]
    if sys.stdin.isatty() and sys.stdout.isatty():
        run("Type Korean sentences in the words of this corpus (Ctrl-D ends):", translate)
    else:
        console.print(f"The translator is {common.run.model}: nmt {' '.join(translate)} < korean.txt", soft_wrap=True)


def _refuse_foreign_run(run: RunDirectory, corpus: Path) -> None:
    """Raise NmtError for a run directory that holds something else."""
    from nmt.files.json import read_json

    if not run.path.exists() or not any(run.path.iterdir()):
        return
    files = read_json(run.data / DATA_DESCRIPTION).get("files", {}) if is_data(run.data) else {}
    if files.get("train") != [str(corpus / "train.ko"), str(corpus / "train.en")]:
        raise NmtError(f"{run.path} exists and is not an earlier demo", "name another directory with --run")


def _chapters(corpus: Path, run: Path, threads: list[str]) -> list[tuple[str, list[str]]]:
    """The chapters of the demo: a text, and a command."""

    def pair(name: str) -> list[str]:
        return [str(corpus / f"{name}.ko"), str(corpus / f"{name}.en")]

    where = ["--run", str(run)]
    return [
        (
            "1. A tokenizer splits text into subwords. One SentencePiece model serves both languages.",
            ["tokenizer", "train", *pair("train"), "--vocab-size", "2000", *where],
        ),
        (
            "2. Sentence pairs are cleaned, tokenized and stored as arrays that training maps into memory.",
            ["prepare", *pair("train"), "--valid", *pair("valid"), "--test", *pair("test"), *where],
        ),
        (
            "3. The Transformer is trained to predict each next English piece from the Korean sentence and the pieces "
            "before it. Every 500 steps it translates the validation set, and the best model so far is kept.",
            ["train", *TRAINING.split(), *where, *threads],
        ),
        (
            "4. Beam search translates the test set, 500 sentences with combinations of words unseen in "
            "training, and the translations are scored against the references.",
            ["eval", *where, *threads],
        ),
    ]


def _show_samples(run: RunDirectory, console: "Console") -> str:
    """Print some test sentences with their translations; return a short one of them."""
    from rich.text import Text

    files = run.held_out("test", "source"), run.translation, run.held_out("test", "target")
    lines = list(zip(*map(read_text, files), strict=True))
    console.print("\nSome sentences of the test set:")
    chosen = lines[:: len(lines) // SAMPLES][:SAMPLES]
    for source, translation, reference in chosen:
        console.print(Text.assemble(f"  {source}\n  ", (translation, "bold")))
        if translation != reference:
            console.print(Text(f"  (the reference is: {reference})"))
    return min((source for source, _, _ in chosen), key=lambda source: abs(len(source.split()) - 6))
