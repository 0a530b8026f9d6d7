"""`nmt eval`: scores of translations."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmt.cli.data import Strict, log, warn_of_other_data
from nmt.cli.options import Common, Given, write_line
from nmt.cli.translate import Model, open_translator
from nmt.config import EvalConfig, RuntimeConfig, SearchConfig
from nmt.errors import NmtError, UsageError

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
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Sentence = Annotated[
    bool,
    typer.Option("--sentence", help="Print the scores of each line, with tabs between the metrics, in place of all."),
]


_CERTAIN = 0.05  # probability of chance below which a difference is called significant


def evaluate(
    common: Common,
    given: Annotated[Given, EvalConfig, SearchConfig, RuntimeConfig],
    hypothesis: Hypotheses = None,
    reference: References = None,
    model: Model = None,
    strict: Strict = False,
    sentence: Sentence = False,
    json_output: Json = False,
) -> None:
    """Score translations with BLEU, chrF and TER, and tell whether systems differ.

    Without arguments the run's model translates its prepared test set. With --reference alone, stdin is scored.
    """
    config = given.build(EvalConfig)

    from nmt.evaluation.metrics import compare, require, score, sentence_scores, tokenizer_for
    from nmt.files import read_text

    references = [list(read_text(path, strict=strict)) for path in reference or [_test_set(common, "target")]]
    tokenizer = config.tokenize or tokenizer_for(config.target_language or (None if reference else _language(common)))
    require(config.metrics, tokenizer)
    recipe: dict[str, Any] = {}
    if not hypothesis and not reference:
        systems, recipe = _translate_test_set(common, given, model or common.model)
    else:
        files = hypothesis or [Path("-")]
        systems = {name: list(read_text(path, strict=strict)) for name, path in _names(files).items()}
    if sentence:
        _print_sentences(systems, references, config.metrics, tokenizer, sentence_scores)
        return
    if config.significance != "off":
        found = compare(systems, references, config.significance, config.metrics, tokenizer, config.samples)
    else:
        found = {
            name: score(lines, references, config.metrics, tokenizer, confidence=config.confidence)
            for name, lines in systems.items()
        }
    content = {name: _as_json(scores, len(references[0]), details=config.details) for name, scores in found.items()}
    if recipe:
        _keep(common, recipe | next(iter(content.values())))
    if json_output:
        write_line(json.dumps(content if len(content) > 1 else next(iter(content.values()))))
    elif len(found) > 1:
        _print_table(found)
    else:
        _print_scores(next(iter(found.values())), details=config.details)


def _names(files: Sequence[Path]) -> dict[str, Path]:
    """What to call the systems: by the names of their files, or by the whole paths where these are the same."""
    names = [path.name for path in files]
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


def _print_scores(scores: "Sequence[Score]", *, details: bool) -> None:
    for one in scores:
        spread = "" if one.mean is None else f" (mean {one.mean:.2f} ± {one.interval:.2f})"
        write_line(f"{one.name:6} {one.value:6.2f}{spread}  {one.signature}")
        if details and one.details:
            precisions = " / ".join(f"{precision:.1f}" for precision in one.details["precisions"])
            write_line(
                f"       n-gram precisions {precisions}, brevity penalty {one.details['brevity_penalty']:.3f}, "
                f"{one.details['words']:,} words for {one.details['reference_words']:,} "
                f"(ratio {one.details['length_ratio']:.3f})"
            )


def _print_table(found: "Mapping[str, Sequence[Score]]") -> None:
    """A row for each system, a column for each metric; the signatures below."""
    from rich.console import Console
    from rich.table import Table

    baseline = next(iter(found.values()))
    tested = any(one.p_value is not None for scores in found.values() for one in scores)
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column("system", overflow="fold")
    for one in baseline:
        table.add_column(one.name, justify="right", no_wrap=True)
        if tested:
            table.add_column("p", no_wrap=True)
    for name, scores in found.items():
        cells = []
        for one in scores:
            cells.append(f"{one.value:.2f}" + (f" ± {one.interval:.2f}" if one.interval is not None else ""))
            if tested:
                certain = "*" if one.p_value is not None and one.p_value < _CERTAIN else ""
                cells.append("" if one.p_value is None else f"{one.p_value:.4f}{certain}")
        table.add_row(name, *cells)
    console = Console(highlight=False)
    console.print(table)
    if tested:
        console.print(f"p: how likely chance makes a difference from {next(iter(found))} as large; * below {_CERTAIN}")
    for one in baseline:
        console.print(f"{one.name}: {one.signature}", soft_wrap=True)


def _print_sentences(
    systems: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str],
    tokenizer: str,
    scores: Any,
) -> None:
    columns = [scores(lines, references, metric, tokenizer) for lines in systems.values() for metric in metrics]
    for row in zip(*columns, strict=True):
        write_line("\t".join(f"{value:.2f}" for value in row))


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
