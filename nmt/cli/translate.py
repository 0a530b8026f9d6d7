"""`nmt translate`: lines in, lines out."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nmt.cli.data import Input, Strict
from nmt.cli.options import Common, Given, write_line
from nmt.config import RuntimeConfig, SearchConfig

if TYPE_CHECKING:
    from nmt.decoding.translate import Translator

Model = Annotated[Path | None, typer.Option(help="Model directory.", show_default="RUN/model")]
Scores = Annotated[bool, typer.Option("--scores", help="Put each translation's score and a tab before it.")]
Buffer = Annotated[int, typer.Option(help="Lines that are read, sorted by length and translated at a time.", min=1)]


def translate(
    common: Common,
    given: Annotated[Given, SearchConfig, RuntimeConfig],
    file: Input = None,
    model: Model = None,
    scores: Scores = False,
    strict: Strict = False,
    buffer_lines: Buffer = 1000,
) -> None:
    """Translate text, one sentence a line, from stdin or a file to stdout.

    With --n-best N each input line gives N lines.
    """
    config, runtime = given.build(SearchConfig), given.build(RuntimeConfig)

    from nmt.files import read_text

    if file is None and sys.stdin.isatty():
        buffer_lines = 1  # answer each line that is typed
    translator = open_translator(model or common.model, runtime)
    for translation in translator.stream(read_text(file, strict=strict), config, buffer_lines):
        for one in translation.padded(config.n_best):
            write_line(f"{one.score:.4f}\t{one.text}" if scores else one.text)
        sys.stdout.flush()


def open_translator(directory: Path, runtime: RuntimeConfig) -> "Translator":
    """The translator of a model directory, computing as the runtime settings say."""
    from nmt.decoding.translate import Translator
    from nmt.model.device import prepare_runtime
    from nmt.model.weights import load_model

    device, dtype = prepare_runtime(runtime, exact=True)
    loaded = load_model(directory, device, dtype)
    return Translator(loaded.model, loaded.tokenizers, device)
