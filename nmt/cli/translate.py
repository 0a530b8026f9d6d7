"""`nmt translate`: lines in, lines out."""

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nmt.cli.options import Common, Given, Input, Strict
from nmt.cli.output import write_line
from nmt.config import RuntimeConfig, SearchConfig
from nmt.errors import NmtError, UsageError

if TYPE_CHECKING:
    from nmt.decoding.lines import Alternative, Line, Translation
    from nmt.decoding.translate import Translator

Model = Annotated[Path | None, typer.Option(help="Model directory.", show_default="RUN/model")]
Models = Annotated[
    list[Path] | None,
    typer.Option("--model", help="Model directory; several are averaged, an ensemble.", show_default="RUN/model"),
]
Average = Annotated[Literal["probabilities", "log-probabilities"], typer.Option(help="What an ensemble averages.")]
EngineName = Annotated[
    Literal["nmt", "ctranslate2"], typer.Option(help="What computes: nmt, or CTranslate2 with a model from nmt export.")
]
Scores = Annotated[bool, typer.Option("--scores", help="Put each translation's score and a tab before it.")]
Align = Annotated[
    bool, typer.Option("--align", help="Put a tab and word alignments behind each translation: 0-0 1-2, source first.")
]
JsonLines = Annotated[
    bool,
    typer.Option(
        "--json",
        help='Read and write a JSON object a line: {"text": ...} with "prefix" and "constraints" as you like, and '
        "anything else, which is passed on.",
    ),
]
Prefix = Annotated[str, typer.Option(help="What each translation begins with.")]
GlossaryFile = Annotated[
    Path | None,
    typer.Option("--glossary", help="Terms and their translations, a pair a line with a tab between them."),
]
Buffer = Annotated[int, typer.Option(help="Lines that are read, sorted by length and translated at a time.", min=1)]
LineBuffered = Annotated[bool, typer.Option("--line-buffered", help="Answer each line before the next is read.")]


def translate(
    common: Common,
    given: Annotated[Given, SearchConfig, RuntimeConfig],
    file: Input = None,
    models: Models = None,
    average: Average = "probabilities",
    engine: EngineName = "nmt",
    scores: Scores = False,
    align: Align = False,
    json_lines: JsonLines = False,
    prefix: Prefix = "",
    glossary: GlossaryFile = None,
    strict: Strict = False,
    buffer_lines: Buffer = 1000,
    line_buffered: LineBuffered = False,
) -> None:
    """Translate text, one sentence a line, from stdin or a file to stdout.

    With --n-best N each input line gives N lines; with --json always one.
    """
    config, runtime = given.build(SearchConfig), given.build(RuntimeConfig)

    from nmt.decoding.lines import Glossary, without_surrogates
    from nmt.files import read_text

    if line_buffered or (file is None and sys.stdin.isatty()):
        buffer_lines = 1
    terms = Glossary.read(glossary) if glossary else Glossary({})
    if engine == "nmt":
        translator = open_translator(models or [common.model], runtime, average)
    else:
        translator = _open_export(models or [], runtime)
    objects: deque[dict[str, Any] | None] = deque()  # of the lines that are being translated
    text = read_text(file, strict=strict)
    lines = _read_objects(text, objects) if json_lines else _read_plain(text, objects)
    asked = (terms.apply(line, prefix) for line in lines)
    failed = 0
    for translation in translator.stream(asked, config, buffer_lines, alignments=align):
        given_object = objects.popleft()
        failed += translation.failed
        if json_lines and given_object is None:
            write_line("")
        elif json_lines:
            content = {**(given_object or {}), **_object(translation, config.n_best)}
            write_line(without_surrogates(json.dumps(content, ensure_ascii=False)))
        else:
            for one in translation.padded(config.n_best):
                write_line(_plain(one, scores=scores))
        sys.stdout.flush()
    if failed:
        raise NmtError(f"{failed} lines could not be translated", "the messages above name them")


def open_translator(
    directories: Sequence[Path], runtime: RuntimeConfig, average: str = "probabilities"
) -> "Translator":
    """The translator of a model directory, or of several as an ensemble, computing as the runtime settings say."""
    from nmt.decoding.translate import Translator
    from nmt.runtime import keep_freed_memory, use_threads

    keep_freed_memory()
    threads = use_threads(runtime)
    return Translator.load(
        *directories, precision=runtime.precision, device=runtime.device, threads=threads, average=average
    )


def _open_export(directories: Sequence[Path], runtime: RuntimeConfig) -> "Translator":
    """The translator of an export for CTranslate2."""
    from nmt.decoding.translate import Translator
    from nmt.export.ctranslate2 import CTranslate2Engine
    from nmt.runtime import use_threads

    if len(directories) != 1:
        raise UsageError("--engine ctranslate2 runs one export", "name its directory with --model")
    engine = CTranslate2Engine(directories[0], runtime.precision, runtime.device, use_threads(runtime))
    return Translator(engine, engine.tokenizers)


def _plain(one: "Alternative", *, scores: bool) -> str:
    """An alternative as a line of text."""
    line = f"{one.score:.4f}\t{one.text}" if scores else one.text
    return line if one.alignment is None else line + "\t" + " ".join(f"{i}-{j}" for i, j in one.alignment)


def _object(translation: "Translation", n_best: int) -> dict[str, Any]:
    """A translation as the fields of a JSON object."""
    found = _fields(translation.best)
    if n_best > 1:
        found["n_best"] = [_fields(one) for one in translation.alternatives]
    return found


def _fields(one: "Alternative") -> dict[str, Any]:
    fields: dict[str, Any] = {
        "translation": one.text,
        "score": one.score,
        "log_prob": one.log_prob,
        "tokens": one.tokens,
        "token_scores": one.token_scores,
    }
    if one.alignment is not None:
        fields["alignment"] = one.alignment
    return {**fields, "truncated": one.truncated, "loop": one.loop, "unknown": one.unknown}


# ----------------------------------------------------------------------------------------------------------- reading


def _read_plain(text: Iterable[str], objects: deque[dict[str, Any] | None]) -> Iterator["Line"]:
    from nmt.decoding.lines import Line

    for line in text:
        objects.append(None)
        yield Line(line)


def _read_objects(text: Iterable[str], objects: deque[dict[str, Any] | None]) -> Iterator["Line"]:
    from nmt.decoding.lines import Line

    for number, line in enumerate(text, start=1):
        found = _parse(line, number) if line.strip() else None
        objects.append(found)
        if found is None:
            yield Line("")
            continue
        yield Line(found["text"], prefix=found.get("prefix") or "", terms=found.get("constraints") or ())


def _parse(line: str, number: int) -> dict[str, Any]:
    """The object on a line; NmtError when it is none, or its fields are of the wrong type."""
    try:
        found = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise NmtError(f"line {number}: no JSON: {error}", 'each line is an object, {"text": "..."}') from None
    if not isinstance(found, dict) or "text" not in found:
        raise NmtError(f"line {number}: no object with a text", 'each line is an object, {"text": "..."}')
    if not isinstance(found["text"], str):
        raise NmtError(f"line {number}: text is no string")
    if not isinstance(found.get("prefix") or "", str):
        raise NmtError(f"line {number}: prefix is no string")
    terms = found.get("constraints") or []
    if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
        raise NmtError(f"line {number}: constraints are no list of strings")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")
