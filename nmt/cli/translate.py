"""`nmt translate`: lines in, lines out."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.options import Common, Given, Input, Strict
from nmt.cli.output import warn, write_line
from nmt.config.runtime import RuntimeConfig
from nmt.config.search import SearchConfig
from nmt.errors import NmtError, counted
from nmt.text.control_characters import visible

if TYPE_CHECKING:
    from nmt.decoding.translation import Alternative
    from nmt.decoding.translator import Translator

Models = Annotated[
    list[Path] | None,
    typer.Option("--model", help="Model directory; repeat for an ensemble.", show_default="RUN/model"),
]
Average = Annotated[Literal["probabilities", "log-probabilities"], typer.Option(help="What an ensemble averages.")]
EngineName = Annotated[
    Literal["auto", "torch", "ctranslate2", "nmt"],
    typer.Option(
        help="Inference engine; auto: CTranslate2 on a CPU for what it can do, else torch.",
        metavar="[auto|torch|ctranslate2]",
    ),
]
Scores = Annotated[bool, typer.Option("--scores", help="Prepend the score and a tab to each translation.")]
Align = Annotated[bool, typer.Option("--align", help="Append a tab and word alignments (Pharaoh format, 0-0 1-2).")]
JsonLines = Annotated[
    bool,
    typer.Option(
        "--json",
        help='JSON lines in and out: {"text": ...}, optionally with "prefix" and "constraints"; other fields pass '
        "through.",
    ),
]
Prefix = Annotated[str, typer.Option(help="Force each translation to begin with this prefix.")]
Tag = Annotated[str, typer.Option(help="Target language tag of a multilingual model, such as 2en for <2en>.")]
GlossaryFile = Annotated[
    Path | None,
    typer.Option(
        "--glossary",
        help="Terminology for lexically constrained decoding: one source and target term per line, tab-separated.",
    ),
]
Buffer = Annotated[int, typer.Option(help="Lines to read, sort by length and translate together.", min=1)]
LineBuffered = Annotated[bool, typer.Option("--line-buffered", help="Print each translation before reading on.")]


def translate(
    common: Common,
    given: Annotated[Given, SearchConfig, RuntimeConfig],
    file: Input = None,
    models: Models = None,
    average: Average = "probabilities",
    engine: EngineName = "auto",
    scores: Scores = False,
    align: Align = False,
    json_lines: JsonLines = False,
    prefix: Prefix = "",
    tag: Tag = "",
    glossary: GlossaryFile = None,
    strict: Strict = False,
    buffer_lines: Buffer = 1000,
    line_buffered: LineBuffered = False,
) -> None:
    """Translate text, one sentence per line, from stdin or a file to stdout.

    With --n-best N, prints N lines per input line; with --json, one object per line.

    For example:

        nmt translate < input.de > output.en
        nmt translate input.de.gz --n-best 5 --scores
        nmt translate --model first/model --model second/model < input.de
        nmt translate --glossary terms.tsv --align < input.de
    """
    config, runtime = given.build(SearchConfig), given.build(RuntimeConfig)

    from nmt.decoding.json_lines import as_line, format_object, read_objects
    from nmt.decoding.translation import Glossary, Line
    from nmt.files.lines import name_of, read_text
    from nmt.text.corpus import warn_of_markup

    if line_buffered or (file is None and sys.stdin.isatty()):
        buffer_lines = 1
    terms = Glossary.read(glossary) if glossary else None
    translator = open_translator(models or [common.run.model], runtime, average, engine)
    text = read_text(file, strict=strict)
    if file is None and sys.stdin.isatty() and sys.stdout.isatty():
        text = _with_prompt(text, translator.language)
    objects, pending = tee(read_objects(text))
    lines = map(as_line, objects) if json_lines else map(Line, warn_of_markup(text, name_of(file)))
    if tag and not translator.tokenizers.source.symbol(tag):
        warn(f"--tag {tag} is not a symbol of the model's tokenizer: is it spelled as in training?")
    requests, failed = (replace(line, tag=tag, prefix=line.prefix or prefix) for line in lines), 0
    for translation in translator.stream(
        requests, config, buffer_lines, alignments=align, glossary=terms, token_scores=json_lines
    ):
        failed += translation.failed
        if json_lines:
            write_line(format_object(next(pending), translation, config.n_best))
        else:
            for alternative in translation.padded(config.n_best):
                write_line(_as_text(alternative, scores=scores))
        sys.stdout.flush()
    if failed:
        raise NmtError(f"{counted(failed, 'line')} could not be translated", "the messages above give their numbers")


def open_translator(
    directories: Sequence[Path], runtime: RuntimeConfig, average: str = "probabilities", engine: str = "auto"
) -> "Translator":
    """The translator of a model directory, or of several as an ensemble, with the runtime settings."""
    from nmt.decoding.translator import Translator

    engine = "torch" if engine == "nmt" else engine  # its former name
    precision, device, threads = runtime.precision, runtime.device, runtime.threads or None
    return Translator.load(
        *directories, engine=engine, precision=precision, device=device, threads=threads, average=average
    )


def _with_prompt(lines: Iterator[str], language: str | None) -> Iterator[str]:
    """Lines that are typed after a prompt on stderr, the source language of the model, until the end of input."""
    typer.echo(prompt := f"{visible(language or '')}> ", nl=False, err=True)
    for line in lines:
        yield line
        typer.echo(prompt, nl=False, err=True)
    typer.echo(err=True)


def _as_text(alternative: "Alternative", *, scores: bool) -> str:
    """An alternative as a line of text."""
    line = f"{alternative.score:.4f}\t{alternative.text}" if scores else alternative.text
    if alternative.alignment is None:
        return line
    return line + "\t" + " ".join(f"{source}-{target}" for source, target in alternative.alignment)
