"""`nmt score`: what a model thinks of translations that are there already."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.options import Common, Given
from nmt.cli.output import write_line
from nmt.cli.translate import Model, open_translator
from nmt.config import CorpusConfig, RuntimeConfig, ScoreConfig
from nmt.errors import UsageError

Files = Annotated[
    list[Path], typer.Argument(help="Source and target file, or one TSV file; - for stdin.", metavar="SOURCE TARGET")
]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON object for each pair.")]
PerToken = Annotated[bool, typer.Option("--tokens", help="Print each target piece with its log-probability, too.")]


def score(
    common: Common,
    given: Annotated[Given, ScoreConfig, RuntimeConfig],
    files: Files,
    model: Model = None,
    per_token: PerToken = False,
    json_output: Json = False,
) -> None:
    """Log-probabilities of given translations: a line for each pair, its total before a tab and the ranking score.

    Both are the numbers that `nmt translate` has for the translation it writes.
    """
    config, runtime = given.build(ScoreConfig), given.build(RuntimeConfig)

    from nmt.decoding.score import score_pairs
    from nmt.text.corpus import corpora, read_pairs

    translator = open_translator([model or common.model], runtime)
    if len(found := corpora(files)) != 1:
        raise UsageError(f"got {len(files)} files", "name a source and a target file, or one file that holds both")
    pairs = ((pair.source, pair.target) for pair in read_pairs(found[0], CorpusConfig()))
    for one in score_pairs(translator, pairs, config):
        if json_output:
            write_line(json.dumps(one._asdict(), ensure_ascii=False))
            continue
        line = f"{one.log_prob:.6f}\t{one.score:.6f}"
        if per_token:
            both = zip(one.tokens, one.token_scores, strict=True)
            line += "\t" + " ".join(f"{piece}:{log_prob:.4f}" for piece, log_prob in both)
        write_line(line)
