"""`nmt eval`: scores of translations."""

import json
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from nmt.cli.analysis import Test, tell_alignment, tell_differences
from nmt.cli.data import warn_of_other_data
from nmt.cli.options import Common, Given, Json, Strict
from nmt.cli.output import log, write_line
from nmt.cli.translate import Model, open_translator
from nmt.config import EvalConfig, RuntimeConfig, SearchConfig
from nmt.errors import NmtError, UsageError
from nmt.settings import settings_of

if TYPE_CHECKING:
    from nmt.evaluation.metrics import Score

Hypotheses = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Translations to score, of one system or several, or - for stdin.",
        metavar="[HYPOTHESIS]...",
        show_default="stdin, or the run's model's own",
    ),
]
References = Annotated[
    list[Path] | None,
    typer.Option("--reference", help="Right translations; may be repeated.", show_default="RUN/data/test.target"),
]
Source = Annotated[
    Path | None,
    typer.Option(help="What was translated, for --diff and comet.", show_default="RUN/data/test.source"),
]
CometModel = Annotated[
    Path | None, typer.Option(help="Checkpoint of the COMET model; it is a pickle, so use only one you trust.")
]
Sentence = Annotated[
    bool,
    typer.Option("--sentence", help="Print the scores of each line, with tabs between the metrics, in place of all."),
]
Diff = Annotated[bool, typer.Option("--diff", help="Tell where the second of two systems differs from the first.")]
Alignment = Annotated[
    Path | None,
    typer.Option(
        help="True word alignments of the test set, 0-0 1-2: the error rate of each head, in place of scores.",
    ),
]


def evaluate(
    common: Common,
    given: Annotated[Given, EvalConfig, SearchConfig, RuntimeConfig],
    hypothesis: Hypotheses = None,
    reference: References = None,
    source: Source = None,
    model: Model = None,
    strict: Strict = False,
    sentence: Sentence = False,
    diff: Diff = False,
    alignment: Alignment = None,
    comet_model: CometModel = None,
    json_output: Json = False,
) -> None:
    """Score translations with BLEU, chrF and TER, and tell whether and where systems differ.

    Without arguments the run's model translates its prepared test set. With --reference alone, stdin is scored.
    """
    config = given.build(EvalConfig)
    purpose = _purpose(config, sentence=sentence, diff=diff, alignment=bool(alignment))
    _check_needs(purpose, config, hypothesis, comet_model)
    _check_ignored(purpose, given, files=bool(hypothesis or reference))
    if sentence and json_output:
        raise UsageError("--sentence prints a line for each, and no JSON", "leave out --json")

    from nmt.evaluation.metrics import require, tokenizer_for
    from nmt.files import read_text

    references = [list(read_text(path, strict=strict)) for path in reference or [_test_set(common, "target")]]
    source = source or (None if reference else _test_set(common, "source"))
    sources = list(read_text(source, strict=strict)) if source else None
    if sources is not None and len(sources) != len(references[0]):
        raise NmtError(f"{source} has {len(sources):,} lines for {len(references[0]):,} references")
    if alignment:
        tell_alignment(common, given, model or common.model, alignment, sources, references[0], as_json=json_output)
        return
    tokenizer = config.tokenize or tokenizer_for(config.target_language or (None if reference else _language(common)))
    test = Test(references, sources, tokenizer)
    judge = _Judge(config, test, comet_model)
    require(judge.metrics, tokenizer)
    recipe: dict[str, Any] = {}
    if not hypothesis and not reference:
        systems, recipe = _translate_test_set(common, given, model or common.model)
    else:
        files = hypothesis or [Path("-")]
        systems = {name: list(read_text(path, strict=strict)) for name, path in _names(files).items()}
        for name, lines in systems.items():
            if len(lines) != len(references[0]):
                counts = f"{name} has {len(lines):,} lines, and there are {len(references[0]):,} references"
                raise NmtError(counts, "line N of one must be the translation of line N of the other")
    if sentence:
        _print_sentences(systems, judge, given)
    elif diff:
        tell_differences(common, systems, test, config, as_json=json_output)
    else:
        found = _scores(systems, judge, given)
        content = {name: _as_json(scores, len(references[0]), details=config.details) for name, scores in found.items()}
        if recipe:
            _keep(common, recipe | next(iter(content.values())))
        _print(found, content, config, as_json=json_output)


class _Judge(NamedTuple):
    """What systems are scored with."""

    config: EvalConfig
    test: Test
    comet_model: Path | None

    @property
    def metrics(self) -> list[str]:
        """The metrics that look at nothing but text."""
        return [name for name in self.config.metrics if name != "comet"]

    def comet(self, lines: Sequence[str], given: Given) -> list[float]:
        """The COMET score of each line."""
        from nmt.evaluation.comet import comet_scores
        from nmt.runtime import choose_device

        sources, references = self.test.sources, self.test.references[0]
        if sources is None:
            raise UsageError("comet reads the source, too", "give --source FILE")
        assert self.comet_model is not None
        return comet_scores(self.comet_model, sources, lines, references, choose_device(str(given.values()["device"])))


class _Purpose(Enum):
    """What is printed, by the option that asks for it."""

    SCORES = "--metric"
    SENTENCE = "--sentence"
    DIFF = "--diff"
    ALIGNMENT = "--alignment"


def _purpose(config: EvalConfig, *, sentence: bool, diff: bool, alignment: bool) -> _Purpose:
    """What options ask for; UsageError where they ask for several things at once."""
    asked = {_Purpose.SENTENCE: sentence, _Purpose.DIFF: diff, _Purpose.ALIGNMENT: alignment}
    purposes = [purpose for purpose, given in asked.items() if given]
    names = [purpose.value for purpose in purposes] + ["--significance"] * (config.significance != "off")
    if len(names) > 1:
        raise UsageError(f"{' and '.join(names)} each print something of their own", "give one of them")
    return purposes[0] if purposes else _Purpose.SCORES


def _check_needs(
    purpose: _Purpose, config: EvalConfig, hypothesis: list[Path] | None, comet_model: Path | None
) -> None:
    """UsageError where what is asked for lacks something, or cannot be had."""
    if purpose is _Purpose.DIFF and len(hypothesis or []) != 2:
        raise UsageError(f"--diff compares two systems, and there are {len(hypothesis or [])}", "name two files")
    if purpose is _Purpose.DIFF and "comet" in config.metrics:
        raise UsageError("--diff compares by bleu, chrf, chrf++ and ter, not by comet", "choose with --metric")
    if purpose is _Purpose.ALIGNMENT and hypothesis:
        raise UsageError("--alignment scores the run's model, not translations", "leave out the files")
    if config.show is not None and purpose is not _Purpose.DIFF:
        raise UsageError("--show is of --diff", "give it, too")
    if ("comet" in config.metrics) != (comet_model is not None):
        raise UsageError("--metric comet and --comet-model FILE belong together", "give both")


def _check_ignored(purpose: _Purpose, given: Given, *, files: bool) -> None:
    """UsageError for an option that would do nothing."""
    ignored: set[str] = set()
    if files or purpose is _Purpose.ALIGNMENT:
        ignored |= settings_of(SearchConfig).keys()
    if purpose is not _Purpose.SCORES:
        ignored |= {"confidence", "details"}
    if purpose is _Purpose.ALIGNMENT:
        ignored |= {"metric", "tokenize"}
    if found := sorted(ignored & given.flags.keys()):
        raise UsageError(f"--{found[0].replace('_', '-')} has no meaning here", "leave it out")


def _names(files: Sequence[Path]) -> dict[str, Path]:
    """What to call the systems: by the names of their files, or by the whole paths where these are the same."""
    names = ["stdin" if str(path) == "-" else path.name for path in files]
    chosen = names if len(set(names)) == len(names) else [str(path) for path in files]
    if len(set(chosen)) < len(chosen):
        raise UsageError("the same file is named twice", "name each system once")
    return dict(zip(chosen, files, strict=True))


def _as_json(scores: "Sequence[Score]", lines: int, *, details: bool) -> dict[str, Any]:
    content: dict[str, Any] = {"lines": lines}
    for one in scores:
        content[one.name] = {"score": one.value, "signature": one.signature}
        if one.mean is not None:
            content[one.name] |= {"mean": one.mean, "interval": one.interval}
        if one.p_value is not None:
            content[one.name]["p_value"] = one.p_value
        if details and one.details:
            content[one.name]["details"] = dict(one.details)
    return content


def _scores(systems: Mapping[str, Sequence[str]], judge: _Judge, given: Given) -> "dict[str, list[Score]]":
    """The scores of each system."""
    from nmt.evaluation.metrics import compare, score

    config = judge.config
    if config.significance != "off":
        test = config.significance
        return compare(systems, judge.test.references, test, judge.metrics, judge.test.tokenizer, config.samples)
    found = {
        name: score(lines, judge.test.references, judge.metrics, judge.test.tokenizer, confidence=config.confidence)
        for name, lines in systems.items()
    }
    if judge.comet_model:
        from nmt.evaluation.comet import comet_score

        for name, lines in systems.items():
            found[name].append(comet_score(judge.comet_model, judge.comet(lines, given)))
    return found


def _print(
    found: "Mapping[str, Sequence[Score]]", content: Mapping[str, dict[str, Any]], config: EvalConfig, *, as_json: bool
) -> None:
    from nmt.cli.views.scores import draw_scores, draw_systems

    first = next(iter(found))
    if as_json:
        write_line(json.dumps(content if len(content) > 1 else content[first]))
    elif len(found) > 1:
        draw_systems(found, details=config.details)
    else:
        draw_scores(found[first], details=config.details)


def _print_sentences(systems: Mapping[str, Sequence[str]], judge: _Judge, given: Given) -> None:
    """The scores of each line, a column for each metric of each system."""
    from nmt.evaluation.metrics import sentence_scores

    columns = []
    for lines in systems.values():
        for metric in judge.config.metrics:
            if metric == "comet":
                columns.append([f"{value:.4f}" for value in judge.comet(lines, given)])
            else:
                values = sentence_scores(lines, judge.test.references, metric, judge.test.tokenizer)
                columns.append([f"{value:.2f}" for value in values])
    for row in zip(*columns, strict=True):
        write_line("\t".join(row))


def _language(common: Common) -> str | None:
    from nmt.data.prepare import read_description

    language = read_description(common.data)["languages"]["target"]
    return None if language is None else str(language)


def _test_set(common: Common, side: str) -> Path:
    path = common.data / f"test.{side}"
    if not path.exists():
        raise NmtError(f"{path}: the run has no test set", "give --reference FILE, or prepare one with --test")
    return path


def _translate_test_set(common: Common, given: Given, directory: Path) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """Translate the prepared test set, and keep the translation in RUN/eval; with it how it was made."""
    config, runtime = given.build(SearchConfig), given.build(RuntimeConfig)
    if config.n_best > 1:
        raise UsageError("eval scores one translation for each line", "leave out --n-best")
    source = _test_set(common, "source")

    from dataclasses import asdict

    from nmt.files import read_json, read_text, sha256, write_text

    warn_of_other_data(directory, common.data)
    translator = open_translator([directory], runtime)
    lines = [translation.text for translation in translator.stream(read_text(source), config)]
    output = common.run / "eval" / "test.translation"
    write_text(output, "".join(line + "\n" for line in lines))
    log(f"translated {source} with beam {config.beam} into {output}")
    recipe = {
        "model": str(directory),
        "sha256": sha256(directory / "model.safetensors"),
        "made": read_json(directory / "config.json").get("made", {}),
        "search": asdict(config),
        "precision": runtime.precision,
    }
    return {directory.name: lines}, recipe


def _keep(common: Common, content: dict[str, Any]) -> None:
    from nmt.files import write_json

    write_json(common.run / "eval" / "test.json", content)
