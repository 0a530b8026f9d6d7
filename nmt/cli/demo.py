"""`nmt demo`: the whole pipeline on the corpus that travels with nmt, each command shown before it runs."""

import sys
import time
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

import nmt
from nmt.cli.options import Common
from nmt.cli.views.console import Page
from nmt.errors import NmtError
from nmt.files import read_text

SAMPLES = 6
"""Sentences of the test set that are shown."""

TRAINING = (
    "--preset tiny --encoder-layers 2 --decoder-layers 2 --optimizer adam --batch-tokens 1024 --steps 2000 "
    "--peak-rate 4e-3 --warmup 200 --schedule linear --validate-every 500 --save-every 500 --average 1"
)


def corpus_directory() -> Path:
    """Where the embedded corpus is: inside the installed package, or beside it in a checkout."""
    package = Path(nmt.__file__).parent
    return next(place for place in (package / "corpus", package.parent / "data") if (place / "train.ko").exists())


def demo(common: Common, context: typer.Context) -> None:
    """Train a Korean-English translator on the embedded corpus, in minutes, showing each command.

    The run is kept: `nmt translate --run nmt-demo` goes on with it.
    """
    started = time.monotonic()
    corpus = corpus_directory()
    _refuse_a_foreign_run(common.run, corpus)
    console = Console(stderr=True, quiet=common.quiet, highlight=False)
    for text, arguments in _chapters(corpus, common.run):
        console.print(f"\n{text}", soft_wrap=True)
        shown = " ".join(arguments).replace(str(corpus), "CORPUS")
        console.print(f"[bold cyan]$ nmt {shown}[/]", soft_wrap=True)
        _run(context, [*arguments, *(["--quiet"] if common.quiet else [])])
    _show_samples(common.run, Page())
    seconds = time.monotonic() - started
    console.print(f"\nAll of this took {seconds:.0f} seconds. The translator is {common.run / 'model'}:")
    console.print(f"[bold cyan]$ nmt translate --run {common.run} < korean.txt[/]")
    if sys.stdin.isatty() and sys.stdout.isatty():
        _answer_the_user(common.run, console)


def _run(context: typer.Context, arguments: list[str]) -> None:
    if code := context.find_root().command.main(arguments, prog_name="nmt", standalone_mode=False):
        raise typer.Exit(code)  # it has told why


def _refuse_a_foreign_run(run: Path, corpus: Path) -> None:
    """A run directory that holds something else must not be trained over."""
    from nmt.files import read_json

    if not run.exists() or not any(run.iterdir()):
        return
    description = run / "data" / "data.json"
    files = read_json(description).get("files", {}) if description.exists() else {}
    if files.get("train") != [str(corpus / "train.ko"), str(corpus / "train.en")]:
        raise NmtError(f"{run} exists and is no earlier demo", "name another directory with --run")


def _chapters(corpus: Path, run: Path) -> list[tuple[str, list[str]]]:
    """What the demo tells, and the command that does it."""

    def pair(name: str) -> list[str]:
        return [str(corpus / f"{name}.ko"), str(corpus / f"{name}.en")]

    where = ["--run", str(run)]
    return [
        (
            "1. A tokenizer cuts text into pieces of words. One SentencePiece model serves both languages.",
            ["tokenizer", "train", *pair("train"), "--vocab-size", "2000", *where],
        ),
        (
            "2. Sentence pairs are cleaned, cut into pieces and stored as arrays that training can map into memory.",
            ["prepare", *pair("train"), "--valid", *pair("valid"), "--test", *pair("test"), *where],
        ),
        (
            "3. The Transformer learns: it reads Korean and predicts each next piece of English. Now and then it\n"
            "   translates the validation set; the model that does so best is kept.",
            ["train", *TRAINING.split(), *where],
        ),
        (
            "4. Beam search translates the test set, 500 sentences with combinations of words never seen in training,\n"
            "   and the translations are scored against the right ones.",
            ["eval", *where],
        ),
    ]


def _show_samples(run: Path, console: Console) -> None:
    """A handful of test sentences with translation and reference, and what one of them attends to."""
    from nmt.cli.views.heatmap import draw
    from nmt.decoding.translate import Translator
    from nmt.evaluation.attention_maps import attention_maps, by_word

    translator = Translator.load(run / "model")
    sources, references = (list(read_text(run / "data" / f"test.{side}")) for side in ("source", "target"))
    step = len(sources) // SAMPLES
    chosen = range(0, step * SAMPLES, step)
    found = translator.translate([sources[i] for i in chosen])
    console.print("\nSome sentences of the test set:")
    for i, translation in zip(chosen, found, strict=True):
        console.print(f"  {sources[i]}\n  [bold]{translation.text}[/]")
        if translation.text != references[i]:
            console.print(f"  (the reference is: {references[i]})")
    sentence = min((i for i in chosen), key=lambda i: abs(len(sources[i].split()) - 6))
    text = found[list(chosen).index(sentence)].text
    attention = by_word(attention_maps(translator, sources[sentence], text)["cross"])
    console.print(
        "\nWhere the last decoder layer looks in the Korean sentence (columns) to write each English word (rows), in\n"
        "percent, mean of its heads; Korean puts the verb last, so attention jumps:"
    )
    shown = attention.weights[-1].mean(0)
    for line in draw(attention.keys, attention.queries, shown, colour=console.is_terminal, columns=console.width):
        console.print(line, soft_wrap=True)


def _answer_the_user(run: Path, console: Console) -> None:
    """Translate what is typed, until an empty line."""
    from nmt.decoding.translate import Translator

    translator = Translator.load(run / "model")
    console.print("\nType a Korean sentence in the words of this corpus (an empty line ends):")
    while line := _typed(console):
        console.print(f"  [bold]{escape(translator.translate([line])[0].text)}[/]")


def _typed(console: Console) -> str:
    """A line from the terminal; empty at its end."""
    try:
        return console.input("> ").strip()
    except EOFError:
        return ""
