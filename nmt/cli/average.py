"""`nmt average`: checkpoint averaging."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.options import Common
from nmt.cli.output import log
from nmt.errors import NmtError

Checkpoints = Annotated[
    list[Path] | None,
    typer.Argument(help="Checkpoint directories.", metavar="CHECKPOINT", show_default="the run's last ones"),
]
Last = Annotated[int, typer.Option(help="Number of the run's last checkpoints to average.", min=1)]
Output = Annotated[Path | None, typer.Option(help="Model directory to write.", show_default="RUN/model")]


def average(common: Common, checkpoints: Checkpoints = None, last: Last = 5, output: Output = None) -> None:
    """Average the weights of checkpoints into a model, often a better one than each; nmt train does so at its end."""
    from nmt.files.lock import locked
    from nmt.files.run_directory import list_checkpoints
    from nmt.model.model_directory import read_model_config, replace_weights
    from nmt.training.checkpoint import average_weights, load_weights

    run = common.run
    paths = checkpoints or list_checkpoints(run.checkpoints)[-last:]
    if not paths:
        raise NmtError(f"{run.checkpoints}: no checkpoints", "train first, or give their directories")
    weights = average_weights(map(load_weights, paths))
    read_model_config(run.model)
    with locked(run.path) if output is None else nullcontext():
        replace_weights(run.model, output or run.model, weights, {"averaged": [path.name for path in paths]})
    log(f"averaged {', '.join(path.name for path in paths)} into {output or run.model}")
