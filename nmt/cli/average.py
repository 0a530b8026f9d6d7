"""`nmt average`: checkpoint averaging."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.options import Common, Force
from nmt.cli.output import log
from nmt.errors import NmtError

Checkpoints = Annotated[
    list[Path] | None,
    typer.Argument(help="Checkpoint directories.", metavar="CHECKPOINT", show_default="the run's last ones"),
]
Last = Annotated[int, typer.Option(help="Number of the run's last checkpoints to average.", min=1)]
Output = Annotated[Path | None, typer.Option(help="Model directory to write.", show_default="RUN/model")]


def average(
    common: Common, checkpoints: Checkpoints = None, last: Last = 5, output: Output = None, force: Force = False
) -> None:
    """Average the weights of checkpoints into a model, often a better one than each; nmt train does so at its end."""
    from nmt.files.json import read_json
    from nmt.files.lock import locked
    from nmt.files.run_directory import OUR_MODEL, STATE, check_output, list_checkpoints
    from nmt.training.checkpoint import average_weights, load_weights
    from nmt.training.recipe import save_average

    run = common.run
    paths = checkpoints or list_checkpoints(run.checkpoints)[-last:]
    if not paths:
        raise NmtError(f"{run.checkpoints}: no checkpoints", "train first, or give their directories")
    output = output or run.model
    of_run = output.resolve() == run.model.resolve()
    check_output(output, OUR_MODEL, force=force, of_run=of_run)
    weights = average_weights(map(load_weights, paths))
    made = {"averaged": [path.name for path in paths], "step": read_json(paths[-1] / STATE).get("step")}
    with locked(run.path) if of_run else nullcontext():
        save_average(run, output, weights, made)
    log(f"averaged {', '.join(path.name for path in paths)} into {output}")
