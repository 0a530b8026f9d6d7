"""`nmt synthesize`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from nmt.cli.options import Common, Given
from nmt.cli.output import counting, log, warn
from nmt.cli.translate import Models, open_translator
from nmt.config.corpus import CorpusConfig
from nmt.config.runtime import RuntimeConfig
from nmt.config.search import SearchConfig
from nmt.config.setting import settings_of
from nmt.config.synthesis import SynthesisConfig
from nmt.errors import StoppedBySignal, UsageError, counted
from nmt.files.lines import COMPRESSED, STDIN

if TYPE_CHECKING:
    from nmt.decoding.synthesis import Example, Teacher
    from nmt.text.corpus import Corpus

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
    str | None,
    typer.Option(help="Program to translate with instead of a model: it writes a line for each it reads."),
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
    teacher_command: Command = None,
    rejects: Rejects = None,
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
    _check_options(given, method, models or [], [*(forward or []), *(backward or [])], teacher_command)
    outputs = [path for path in (output, rejects) if path]
    _check_outputs(outputs, files)

    from nmt.decoding.synthesis import command_teacher, model_teacher
    from nmt.runs.synthesis import Pass, write_synthetic

    corpora = _corpora(files, reading)
    if method == "diversify" and not corpora:
        raise UsageError(f"diversify needs pairs, and {files[0]} is text", "give two files, or one that has both sides")
    teams = [(False, [model]) for model in forward or []] + [(True, [model]) for model in backward or []]
    teams = teams or [(method == "back", [] if teacher_command else models or [common.run.model])]
    for is_back, team in teams:
        _check_direction(team, files[0], corpora, reading, is_back=is_back)
    config = replace(config, tag=_known_tag(config.tag, [model for _, team in teams for model in team]))

    def teacher(team: Sequence[Path]) -> "Teacher":
        if teacher_command:
            return command_teacher(teacher_command)
        translator = open_translator(team, runtime)
        return model_teacher(lambda texts: translator.stream(texts, search, token_scores=False))

    passes = [
        Pass(is_back, partial(_examples, files[0], corpora, reading, is_back=is_back), partial(teacher, team))
        for is_back, team in teams
    ]
    settings = {**asdict(config), **asdict(search), **asdict(reading), "precision": runtime.precision}
    settings |= {"method": method, "teacher": teacher_command, "models": len(teams), "rejects": bool(rejects)}
    read = [*files, *(file for _, team in teams for model in team for file in sorted(model.glob("*")))]
    with counting("pairs", quiet=common.quiet) as report:
        try:
            counts = write_synthetic(passes, config, search.seed, outputs, _identity(settings, read), report)
        except (KeyboardInterrupt, StoppedBySignal):
            log("stopped; the same command continues, unless it reads or writes a pipe")
            raise
    _report(counts, output)


def _report(counts: Counter[str], output: Path) -> None:
    """Say how many pairs were written, and why others were not."""
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.most_common() if reason != "kept")
    left_out = f"; left out: {reasons}" if reasons else ""
    log(f"wrote {output}: {counts['kept']:,} of {counted(counts.total(), 'pair')}{left_out}")
    if counts and not counts["kept"]:
        warn("no pair was kept; --rejects FILE shows them all")


def _check_options(
    given: Given, method: str, models: Sequence[Path], of_both: Sequence[Path], teacher_command: str | None
) -> None:
    """UsageError for options that do not belong together."""
    if method == "diversify" and not (of_both and not models and teacher_command is None):
        raise UsageError("diversify has models of both directions", "give --forward MODEL and --backward MODEL")
    if method != "diversify" and of_both:
        raise UsageError("--forward and --backward are for diversify", "give --model")
    if teacher_command is None:
        return
    if not teacher_command.strip():
        raise UsageError("--teacher-command is empty", "name a program, or leave it out")
    given.refuse(settings_of(SearchConfig).keys() - {"seed"} | {"min_score"}, "with --teacher-command")
    if models:
        raise UsageError("--model has no meaning with --teacher-command", "leave it out")


def _check_outputs(outputs: Sequence[Path], files: Sequence[Path]) -> None:
    """UsageError where an output would destroy something, or would have to be compressed."""
    from nmt.files.run_directory import check_output

    for path in outputs:
        if path == STDIN:
            raise UsageError("- does not name a file", "/dev/stdout does")
        check_output(path, lambda _: True, inputs=files)
        if path.suffix in COMPRESSED:
            raise UsageError(f"{path}: what is continued is not compressed", f"name it {path.with_suffix('')}")
    if len({path.resolve() for path in outputs}) < len(outputs):
        raise UsageError("--output and --rejects are the same file", "name two")


def _corpora(files: Sequence[Path], reading: CorpusConfig) -> "Sequence[Corpus]":
    """The corpora in files; none where these are one text."""
    from nmt.text.corpus import corpora, format_of

    is_text = len(files) == 1 and format_of(files[0], reading.format) == "plain"
    return [] if is_text else corpora(files, reading.format)


def _examples(text: Path, corpora: "Sequence[Corpus]", reading: CorpusConfig, *, is_back: bool) -> Iterator["Example"]:
    """The texts to translate, those of corpora with the other side as reference."""
    from nmt.decoding.synthesis import Example
    from nmt.files.lines import read_text
    from nmt.text.corpus import read_pairs

    if not corpora:
        yield from map(Example, read_text(text))
    for corpus in corpora:
        for pair in read_pairs(corpus, reading):
            yield Example(pair.target, pair.source) if is_back else Example(pair.source, pair.target)


def _check_direction(
    team: Sequence[Path], text: Path, corpora: "Sequence[Corpus]", reading: CorpusConfig, *, is_back: bool
) -> None:
    """Warn where the language of the texts is the one that a model translates into."""
    from nmt.data.description import languages_in
    from nmt.text.corpus import language_in_name, languages_of

    language = languages_of(corpora[0], reading)[is_back] if corpora else language_in_name(text)
    for model in team:
        source, target = languages_in(model)
        if source and target and source != target == language:
            warn(f"{model} translates {source} into {target}, and the text is in {language}: is it the right model?")


def _known_tag(tag: str, models: Sequence[Path]) -> str:
    """A tag as the tokenizers of models spell it; a warning where none of them has it, UsageError for several words."""
    from nmt.text.tokenizer import Tokenizers

    if tag and tag.split() != [tag]:
        raise UsageError(f"--tag {tag!r} is not one word", "give a symbol of the tokenizer, such as <bt>")
    if not tag or not models:
        return tag
    for tokenizer in (tokenizer for model in models for tokenizer in Tokenizers.load(model)):
        if symbol := tokenizer.symbol(tag):
            return symbol
    warn(f"--tag {tag} is not a symbol of a model's tokenizer: that of the next model needs --symbol '{tag}'")
    return tag


def _identity(settings: dict[str, Any], paths: Sequence[Path]) -> dict[str, Any] | None:
    """What changes when settings or files do, of which sizes and times are compared; None where one is a pipe."""
    from nmt.text.corpus import is_pipe

    if any(map(is_pipe, paths)):
        return None
    files = [(str(path.absolute()), path.stat()) for path in paths if path.is_file()]
    return {"settings": settings, "files": [[name, stat.st_size, stat.st_mtime_ns] for name, stat in files]}
