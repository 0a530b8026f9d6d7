"""`nmt synthesize`."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from nmt.cli.options import Common, Given, Strict
from nmt.cli.output import counting, log
from nmt.cli.translate import Models, open_translator
from nmt.config.corpus import CorpusConfig
from nmt.config.runtime import RuntimeConfig
from nmt.config.search import SearchConfig
from nmt.config.synthesis import SynthesisConfig
from nmt.errors import UsageError, counted

if TYPE_CHECKING:
    from nmt.decoding.synthesis import Example, Teacher

Method = Annotated[
    Literal["back", "forward", "diversify"],
    typer.Argument(help="back: translate target text into sources; forward: sources into targets; diversify: both."),
]
Files = Annotated[list[Path], typer.Argument(help="Text, or a parallel corpus: two files, or one (TSV, TMX ...).")]
Output = Annotated[Path, typer.Option("--output", "-o", help="TSV file of synthetic pairs, a corpus for nmt prepare.")]
Rejects = Annotated[Path | None, typer.Option(help="TSV file of the pairs left out, each with its reason.")]
Forward = Annotated[list[Path] | None, typer.Option(help="For diversify: a model of the same direction; repeat it.")]
Backward = Annotated[list[Path] | None, typer.Option(help="For diversify: a model of the other direction; repeat it.")]
Command = Annotated[
    str, typer.Option(help="Program to translate with instead of a model: it writes a line for each that it reads.")
]


def synthesize(
    common: Common,
    given: Annotated[Given, SynthesisConfig, SearchConfig, CorpusConfig, RuntimeConfig],
    method: Method,
    files: Files,
    output: Output,
    models: Models = None,
    forward: Forward = None,
    backward: Backward = None,
    teacher_command: Command = "",
    rejects: Rejects = None,
    strict: Strict = False,
) -> None:
    """Make training pairs with models: back-translation, distillation or data diversification.

    Killed and run again, it continues. Where a corpus has translations, forward takes the hypothesis nearest to each.

    For example:

        nmt synthesize back mono.en --model reverse/model --sample --top-k 10 --tag '<bt>' -o back.tsv
        nmt synthesize forward train.de train.en --model a/model --model b/model --n-best 5 -o distilled.tsv
        nmt synthesize diversify train.de train.en --forward a/model --backward reverse/model -o diverse.tsv
    """
    config, search = given.build(SynthesisConfig), given.build(SearchConfig)
    reading, runtime = given.build(CorpusConfig), given.build(RuntimeConfig)
    if (method == "diversify") != bool(forward or backward) or ((forward or backward) and (models or teacher_command)):
        raise UsageError("--forward and --backward are the models of diversify, --model those of back and forward")

    from nmt.decoding.synthesis import command_teacher, model_teacher
    from nmt.files.run_directory import check_output
    from nmt.runs.synthesis import Pass, write_synthetic

    outputs = [path for path in (output, rejects) if path]
    for path in outputs:
        check_output(path, lambda _: True)

    def teacher(directories: Sequence[Path]) -> "Teacher":
        if teacher_command:
            return command_teacher(teacher_command)
        translator = open_translator(directories, runtime)
        return model_teacher(lambda texts: translator.stream(texts, search, token_scores=False))

    teams = [(False, [model]) for model in forward or []] + [(True, [model]) for model in backward or []]
    teams = teams or [(method == "back", models or [common.run.model])]
    passes = [
        Pass(is_back, partial(_examples, files, reading, is_back=is_back, strict=strict), partial(teacher, team))
        for is_back, team in teams
    ]
    settings = {**asdict(config), **asdict(search), "precision": runtime.precision, "rejects": bool(rejects)}
    used = [*files, *(file for _, team in teams for path in team for file in sorted(path.glob("*")))]
    made_by = {"method": [method, teacher_command, len(teams)], "settings": settings, "files": _fingerprint(used)}
    with counting("pairs", quiet=common.quiet) as report:
        counts = write_synthetic(passes, config, search.seed, outputs, made_by, report)
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common() if reason != "kept")
    log(
        f"wrote {output}: {counts['kept']:,} of {counted(counts.total(), 'pair')}{reasons and f'; left out: {reasons}'}"
    )


def _examples(files: Sequence[Path], reading: CorpusConfig, *, is_back: bool, strict: bool) -> Iterator["Example"]:
    """The texts of files to translate, with the other side of a corpus as reference."""
    from nmt.decoding.synthesis import Example
    from nmt.files.lines import read_text
    from nmt.text.corpus import corpora, format_of, read_pairs

    if len(files) == 1 and format_of(files[0], reading.format) == "plain":
        yield from map(Example, read_text(files[0], strict=strict))
        return
    for corpus in corpora(files, reading.format):
        for pair in read_pairs(corpus, reading):
            yield Example(pair.target, pair.source) if is_back else Example(pair.source, pair.target)


def _fingerprint(paths: Sequence[Path]) -> list[list[str | int]]:
    """What changes when files do: their sizes and times."""
    return [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in paths if path.is_file()]
