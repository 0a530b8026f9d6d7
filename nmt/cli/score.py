"""`nmt score`: score given translations with a model."""

import json
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.options import Common, Given, Model
from nmt.cli.output import write_line
from nmt.cli.translate import open_translator
from nmt.config.corpus import CorpusConfig
from nmt.config.evaluation import ScoreConfig
from nmt.config.runtime import RuntimeConfig
from nmt.errors import UsageError

Files = Annotated[
    list[Path],
    typer.Argument(
        help="Source and target file, or one file of pairs (TSV, TMX ...); - for stdin.", metavar="SOURCE TARGET"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print a JSON object for each pair.")]
PerToken = Annotated[bool, typer.Option("--tokens", help="Also print each target piece with its log-probability.")]


def score(
    common: Common,
    given: Annotated[Given, ScoreConfig, CorpusConfig, RuntimeConfig],
    files: Files,
    model: Model = None,
    per_token: PerToken = False,
    json_output: Json = False,
) -> None:
    """Print the log-probability and the length-normalized score of given translations, tab-separated.

    Both equal the scores that nmt translate computes for its own output.
    """
    config, reading, runtime = given.build(ScoreConfig), given.build(CorpusConfig), given.build(RuntimeConfig)

    from nmt.decoding.score import score_pairs
    from nmt.text.corpus import corpora, read_pairs

    translator = open_translator([model or common.run.model], runtime, engine="torch")
    if len(corpus := corpora(files, reading.format)) != 1:
        raise UsageError(f"got {len(files)} files", "give a source and a target file, or one file with both")
    pairs = ((pair.source, pair.target) for pair in read_pairs(corpus[0], reading))
    for scored in score_pairs(translator, pairs, config):
        if json_output:
            write_line(json.dumps(scored._asdict(), ensure_ascii=False))
            continue
        line = f"{scored.log_prob:.6f}\t{scored.score:.6f}"
        if per_token:
            tokens = zip(scored.tokens, scored.token_scores, strict=True)
            line += "\t" + " ".join(f"{piece}:{log_prob:.4f}" for piece, log_prob in tokens)
        write_line(line)
