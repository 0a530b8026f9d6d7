"""`nmt train`."""

import signal
from pathlib import Path
from typing import Annotated

import typer

from nmt.cli.options import Common, Given
from nmt.cli.output import log
from nmt.config.model import ModelConfig
from nmt.config.runtime import RuntimeConfig
from nmt.config.training import TrainingConfig
from nmt.errors import ProcessLost, StoppedBySignal

ReverseOf = Annotated[
    Path | None,
    typer.Option(
        help="Train on the prepared data of this other run, from target to source.", rich_help_panel="Data and batches"
    ),
]


def train(
    common: Common,
    given: Annotated[Given, TrainingConfig, ModelConfig, RuntimeConfig],
    reverse_of: ReverseOf = None,
) -> None:
    """Train a Transformer on the prepared data, or resume from the latest checkpoint; saves the best as RUN/model.

    For example:

        nmt train --minutes 30
        nmt train --run big --preset big --batch-tokens auto
        nmt train --run tuned --init-from run/model --epochs 3
        nmt train --run reverse --reverse-of run
    """
    from nmt.files.run_directory import RunDirectory, checkpoint_name, list_checkpoints
    from nmt.model.model_files import describe_weights
    from nmt.training.progress import make_reporter
    from nmt.training.recipe import open_training

    run = common.run
    with open_training(run, given.values, RunDirectory(reverse_of) if reverse_of else None) as trainer:
        if trainer.state.step and (reason := trainer.reason_to_stop()):
            log(f"nothing to do: this run {reason}; raise the limit or use another --run")
            return
        try:
            reason = trainer.train(make_reporter(quiet=common.quiet or not trainer.processes.first))
        except StoppedBySignal:
            newest = ["the start", *(path.name for path in list_checkpoints(run.checkpoints))][-1]
            lost = "" if newest == checkpoint_name(trainer.state.step) else f" at once, losing the steps since {newest}"
            log(f"stopped{lost}; run the same command to resume from {newest}")
            raise
        except ProcessLost:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which torchrun is about to send: the message comes first
            raise
    log(f"training finished: it {reason}; best model: {run.model}, {describe_weights(run.model)}")
