"""`nmt eval`: scores of translations."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.data import Strict, log, warn_of_other_data
from nmt.cli.options import Common, Given, write_line
from nmt.cli.translate import Model, open_translator
from nmt.config import RuntimeConfig, SearchConfig
from nmt.errors import NmtError, UsageError

Hypothesis = Annotated[
    Path | None,
    typer.Argument(help="Translations to score, or - for stdin.", show_default="stdin, or the run's model's own"),
]
References = Annotated[
    list[Path] | None,
    typer.Option("--reference", help="Right translations; may be repeated.", show_default="RUN/data/test.target"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def evaluate(
    common: Common,
    given: Annotated[Given, SearchConfig, RuntimeConfig],
    hypothesis: Hypothesis = None,
    reference: References = None,
    model: Model = None,
    strict: Strict = False,
    json_output: Json = False,
) -> None:
    """Score translations with BLEU, chrF and TER.

    Without arguments the run's model translates its prepared test set. With --reference alone, stdin is scored.
    """
    from nmt.evaluation.metrics import score
    from nmt.files import read_text

    references = reference or [_test_set(common, "target")]
    if hypothesis is None and reference is None:
        lines = _translate_test_set(common, given, model or common.model)
    else:
        lines = list(read_text(hypothesis, strict=strict))
    found = score(lines, [list(read_text(path, strict=strict)) for path in references])
    if json_output:
        content = {one.name: {"score": one.value, "signature": one.signature} for one in found}
        write_line(json.dumps({"lines": len(lines), **content}))
        return
    for one in found:
        write_line(f"{one.name:6} {one.value:6.2f}  {one.signature}")


def _test_set(common: Common, side: str) -> Path:
    path = common.data / f"test.{side}"
    if not path.exists():
        raise NmtError(f"{path}: the run has no test set", "give --reference FILE, or prepare one with --test")
    return path


def _translate_test_set(common: Common, given: Given, directory: Path) -> list[str]:
    """Translate the prepared test set, and keep what was scored in RUN/eval."""
    config, runtime = given.build(SearchConfig), given.build(RuntimeConfig)
    if config.n_best > 1:
        raise UsageError("eval scores one translation for each line", "leave out --n-best")
    source = _test_set(common, "source")

    from nmt.files import read_text, write_text

    warn_of_other_data(directory, common.data)
    translator = open_translator([directory], runtime)
    lines = [translation.text for translation in translator.stream(read_text(source), config)]
    output = common.run / "eval" / "test.translation"
    write_text(output, "".join(line + "\n" for line in lines))
    log(f"translated {source} with beam {config.beam} into {output}")
    return lines
