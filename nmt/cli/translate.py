"""`nmt translate`: lines in, lines out."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from itertools import tee
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.options import Common, Given, Input, Strict
from nmt.cli.output import counting, log, warn, write_line, written_lines
from nmt.config.runtime import RuntimeConfig
from nmt.config.search import SearchConfig
from nmt.errors import NmtError, UsageError, counted
from nmt.files.lines import STDIN
from nmt.text.control_characters import visible

if TYPE_CHECKING:
    from nmt.decoding.documents import Document, Translate
    from nmt.decoding.translation import Alternative, Line, Translation
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


OutputFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="File to write, complete or not at all.",
        show_default="stdout",
        callback=lambda path: None if path == STDIN else path,
    ),
]
InputFormat = Annotated[
    Literal["auto", "plain", "po", "xliff"],
    typer.Option(help="Format of the input; auto: that of a file's name or content, and plain lines on stdin."),
]
Retranslate = Annotated[bool, typer.Option("--retranslate", help="Replace the translations of a document, too.")]
Fuzzy = Annotated[bool, typer.Option(help="Mark the entries of a PO file that are filled as fuzzy.")]
AllowIncomplete = Annotated[
    bool, typer.Option("--allow-incomplete", help="Exit with 0 even where text stays untranslated to keep its codes.")
]


def translate(
    common: Common,
    given: Annotated[Given, SearchConfig, RuntimeConfig],
    file: Input = None,
    output: OutputFile = None,
    format: InputFormat = "auto",
    models: Models = None,
    average: Average = "probabilities",
    engine: EngineName = "auto",
    scores: Scores = False,
    align: Align = False,
    json_lines: JsonLines = False,
    prefix: Prefix = "",
    tag: Tag = "",
    glossary: GlossaryFile = None,
    retranslate: Retranslate = False,
    fuzzy: Fuzzy = True,
    allow_incomplete: AllowIncomplete = False,
    strict: Strict = False,
    buffer_lines: Buffer = 1000,
    line_buffered: LineBuffered = False,
) -> None:
    """Translate text, one sentence per line, from stdin or a file to stdout; or fill in a PO or XLIFF file.

    With --n-best N, prints N lines per input line; with --json, one object per line.

    For example:

        nmt translate < input.de > output.en
        nmt translate app.po -o app.de.po
        nmt translate input.de.gz --n-best 5 --scores
        nmt translate --glossary terms.tsv --align < input.de
    """
    config, runtime = given.build(SearchConfig), given.build(RuntimeConfig)

    from nmt.decoding.translation import Glossary

    buffer = 1 if line_buffered or (file is None and sys.stdin.isatty()) else buffer_lines
    several = config.n_best > 1 and not json_lines
    options = {"--scores": scores, "--align": align, "--n-best": several, "--json": json_lines and not output}
    document = _open_document(file, format, output, options, retranslate=retranslate, fuzzy=fuzzy)
    config = _for_documents(config, given) if document else config
    terms = Glossary.read(glossary) if glossary else None
    translator = open_translator(models or [common.run.model], runtime, average, engine)
    if tag and not translator.tokenizers.source.symbol(tag):
        warn(f"--tag {tag} is not a symbol of the model's tokenizer: is it spelled as in training?")

    def translated(lines: Iterable["Line"]) -> Iterator["Translation"]:
        lines = (replace(line, tag=tag, prefix=line.prefix or prefix) for line in lines)
        return translator.stream(lines, config, buffer, alignments=align, glossary=terms, token_scores=json_lines)

    if document:
        untranslated = _fill(document, translated, output, config.n_best if json_lines else 0, quiet=common.quiet)
    else:
        text = _read(file, translator.language, strict=strict)
        form = _objects(text, config.n_best) if json_lines else _plain(text, file, config.n_best, scores=scores)
        untranslated = _translate_lines(*form, translated, output)
    if untranslated and not allow_incomplete:
        problem = f"{counted(untranslated, 'text')} stayed untranslated"
        raise NmtError(problem, "the messages above say where and why; --allow-incomplete accepts that")


def _for_documents(config: SearchConfig, given: Given) -> SearchConfig:
    """The search of a document: each sentence on its own, unless that is given, and no inline code is lost."""
    split, protect = given.values.get("split_sentences", True), config.protect
    return replace(config, split_sentences=bool(split), protect="on" if protect == "auto" else protect)


def _open_document(
    file: Path | None, format: str, output: Path | None, options: dict[str, bool], *, retranslate: bool, fuzzy: bool
) -> "Document | None":
    """The document to fill, if the input is one; `options` are given for lines of text only."""
    from nmt.decoding.documents import Document, document_format
    from nmt.files.run_directory import check_output

    if output:
        check_output(output, lambda _: True)
    if (kind := document_format(file, format)) == "plain":
        _refuse({"--retranslate": retranslate, "--no-fuzzy": not fuzzy}, "lines of text")
        return None
    _refuse(options, f"a file in {kind.upper()}")
    return Document(file, kind, retranslate=retranslate, fuzzy=fuzzy)


def _refuse(options: dict[str, bool], of_what: str) -> None:
    """UsageError for options that are given and do not belong to the input."""
    if refused := [name for name, is_given in options.items() if is_given]:
        raise UsageError(
            f"{', '.join(refused)}: not for {of_what}",
            "leave it out (--json and --n-best go with --output), or set --format",
        )


def _fill(document: "Document", translated: "Translate", output: Path | None, n_best: int, *, quiet: bool) -> int:
    """Fill a document, and print each text with its n-best list as JSON if it has a size; return the texts left."""
    from nmt.decoding.json_lines import format_object
    from nmt.files.atomic import compressed_write

    with counting("texts", quiet=quiet) as report:
        for count, (line, text, translation) in enumerate(document.fill(translated), start=1):
            report(count)
            if n_best:
                write_line(format_object({"line": line, "text": text}, translation, n_best))
    with compressed_write(output) if output else nullcontext(sys.stdout.buffer) as stream:
        stream.write(document.content())
    log(f"filled {document.filled:,} of {counted(len(document.slots), 'untranslated entry', 'untranslated entries')}")
    return len(document.slots) - document.filled


def _plain(
    text: Iterator[str], file: Path | None, n_best: int, *, scores: bool
) -> tuple[Iterator["Line"], Callable[["Translation"], list[str]]]:
    """The lines of a text, and what a translation is printed as."""
    from nmt.decoding.translation import Line
    from nmt.files.lines import name_of
    from nmt.text.corpus import warn_of_markup

    def printed(translation: "Translation") -> list[str]:
        return [_as_text(alternative, scores=scores) for alternative in translation.padded(n_best)]

    return map(Line, warn_of_markup(text, name_of(file))), printed


def _objects(text: Iterator[str], n_best: int) -> tuple[Iterator["Line"], Callable[["Translation"], list[str]]]:
    """The lines in JSON objects, and the objects with their translations."""
    from nmt.decoding.json_lines import as_line, format_object, read_objects

    objects, pending = tee(read_objects(text))
    return map(as_line, objects), lambda translation: [format_object(next(pending), translation, n_best)]


def _translate_lines(
    lines: Iterator["Line"],
    printed: Callable[["Translation"], list[str]],
    translated: "Translate",
    output: Path | None,
) -> int:
    """Translate and print lines; return the number of those that were left untranslated."""
    failed = untranslated = 0
    with written_lines(output) as write:
        for number, translation in enumerate(translated(lines), start=1):
            failed += translation.failed
            if translation.best.untranslated:
                untranslated += 1
                warn(f"line {number} stays untranslated in part: no translation has all of its placeholders and tags")
            for line in printed(translation):
                write(line)
            sys.stdout.flush()
    if failed:
        raise NmtError(f"{counted(failed, 'line')} could not be translated", "the messages above give their numbers")
    return untranslated


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


def _read(file: Path | None, language: str | None, *, strict: bool) -> Iterator[str]:
    """The lines of a file; those that are typed after a prompt on stderr, the source language of the model."""
    from nmt.files.lines import read_text

    lines = read_text(file, strict=strict)
    if file or not (sys.stdin.isatty() and sys.stdout.isatty()):
        yield from lines
        return
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
