"""`nmt demo`: the whole pipeline on the corpus that travels with nmt, each command shown before it runs."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

import nmt
from nmt.cli.options import Common
from nmt.cli.output import counted
from nmt.cli.views.console import Page
from nmt.errors import NmtError
from nmt.files.lines import read_text
from nmt.files.run_directory import DATA_DESCRIPTION, SIDES, RunDirectory, is_data

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
    started = time.monotonic()
    corpus = corpus_directory()
    _refuse_foreign_run(common.run, corpus)
    console = Console(stderr=True, quiet=common.quiet, highlight=False)

    def run(text: str, arguments: list[str]) -> None:
        console.print(f"\n{text}")
        shown = " ".join(arguments).replace(str(corpus), "CORPUS")
        console.print(Text(f"$ nmt {shown}", "bold cyan"), soft_wrap=True)
        arguments += ["--quiet"] if common.quiet else []
        if code := context.find_root().command.main(arguments, prog_name="nmt", standalone_mode=False):
            raise typer.Exit(code)  # its message is printed

    for text, arguments in _chapters(corpus, common.run.path, [] if threads is None else ["--threads", str(threads)]):
        run(text, arguments)
    _show_samples(common.run, Page())
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


def _show_samples(run: RunDirectory, console: Console) -> None:
    """Print some test sentences with their translations, and the attention of one of them."""
    from nmt.cli.views.heatmap import draw
    from nmt.decoding.translator import Translator
    from nmt.evaluation.attention_maps import attention_maps, by_word

    translator = Translator.load(run.model)
    sources, references = (list(read_text(run.held_out("test", side))) for side in SIDES)
    step = len(sources) // SAMPLES
    chosen = range(0, step * SAMPLES, step)
    translations = translator.translate([sources[i] for i in chosen])
    console.print("\nSome sentences of the test set:")
    for i, translation in zip(chosen, translations, strict=True):
        console.print(Text.assemble(f"  {sources[i]}\n  ", (translation.text, "bold")))
        if translation.text != references[i]:
            console.print(Text(f"  (the reference is: {references[i]})"))
    sentence = min((i for i in chosen), key=lambda i: abs(len(sources[i].split()) - 6))
    text = translations[list(chosen).index(sentence)].text
    attention = by_word(attention_maps(translator, sources[sentence], text)["cross"])
    console.print(
        "\nAttention of the last decoder layer to the Korean sentence (columns) for each English word (rows), in "
        "percent, mean of its heads; Korean puts the verb last, so attention jumps:"
    )
    shown = attention.weights[-1].mean(0)
    for line in draw(attention.keys, attention.queries, shown, color=console.is_terminal, columns=console.width):
        console.print(line, soft_wrap=True)
