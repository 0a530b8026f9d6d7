"""`nmt compare`: whether systems differ, and where."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmt.cli.options import Common, Given, Json, References, Source, Strict
from nmt.cli.output import counting, working, write_line
from nmt.config.evaluation import CompareConfig
from nmt.errors import UsageError

if TYPE_CHECKING:
    from nmt.evaluation.evaluation_set import EvaluationSet

Systems = Annotated[
    list[Path],
    typer.Argument(help="Translations of two or more systems; the first is the baseline.", metavar="HYPOTHESIS"),
]


def compare(
    common: Common,
    given: Annotated[Given, CompareConfig],
    systems: Systems,
    reference: References = None,
    source: Source = None,
    strict: Strict = False,
    json_output: Json = False,
) -> None:
    """Compare systems: significance tests against the first, the baseline; for two systems, also where they differ.

    Differences are broken down by length, by word frequency and test-set overlap in the training data, and by sentence.
    """
    config = given.build(CompareConfig)
    if len(systems) < 2:
        raise UsageError("compare needs at least two translation files; got one")

    from nmt.evaluation.evaluation_set import read_evaluation_set, read_systems

    test = read_evaluation_set(common.run, reference or [], source, config, strict=strict)
    translations = read_systems(systems, test, strict=strict)
    print_comparison(common, translations, test, config, differences=len(systems) == 2, as_json=json_output)


def print_comparison(
    common: Common,
    systems: Mapping[str, Sequence[str]],
    test: "EvaluationSet",
    config: CompareConfig,
    *,
    scores: bool = True,
    differences: bool = True,
    as_json: bool = False,
) -> None:
    """Print the scores of systems with their significance, and where the second of two differs from the first."""
    from nmt.cli.views.scores import draw_differences, draw_systems
    from nmt.evaluation.comparison import compare_two
    from nmt.evaluation.metrics import score, scores_as_json, significance

    content: dict[str, Any] = {}
    if scores:
        with working(quiet=common.quiet) as show:
            show(f"computing {', '.join(config.metrics)}")
            if config.significance == "off":
                basis = test.references, config.metrics, test.tokenizer
                table = {name: score(lines, *basis) for name, lines in systems.items()}
            else:
                how = config.significance, config.metrics, test.tokenizer, config.samples
                table = significance(systems, test.references, *how)
        count = len(test.references[0])
        content = {name: scores_as_json(row, count, details=config.details) for name, row in table.items()}
        if not as_json:
            draw_systems(table, details=config.details)
    if differences:
        with counting("sentences of the training data read", quiet=common.quiet) as progress:
            comparison = compare_two(common.run, systems, test, config, progress)
        content = {**({"scores": content} if scores else {}), **comparison.as_json()}
        if not as_json:
            draw_differences(comparison)
    if as_json:
        write_line(json.dumps(content, ensure_ascii=False))
