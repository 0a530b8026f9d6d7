"""Planning a training: how many updates it will make and how often they read the text, before the first one is made.

A learning rate that is zero at the end is worth one to three BLEU over one that is cut off, so the end must be known:
by the clock, or by how often a text of its size is worth reading.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from nmt.config import TrainingConfig, planned_batch_tokens, planned_dropout, planned_passes, planned_r_drop
from nmt.data.prepare import read_description
from nmt.settings import AUTO, Value, build
from nmt.training.distributed import Processes
from nmt.training.run import make_trainer

logger = logging.getLogger("nmt")

FULL = 0.9
"""Share of a batch that is tokens of its longer side, about; the rest is padding and what no further pair fits into."""

DECAY_START = 0.2
"""Share of the training after which the rate falls."""


class Plan(NamedTuple):
    """A training to come."""

    steps: int  # about, where it goes by the clock
    batch_tokens: int
    pairs: int
    passes: float  # over them
    r_drop: float  # weight of R-Drop
    by_time: bool  # whether the clock ends it


def plan_by_time(run: Path, settings: Mapping[str, Value], processes: Processes) -> Plan:
    """As many updates as `minutes` have room for on this machine; found by some seconds of training."""
    logger.info("measuring how long an update takes")
    config = build(TrainingConfig, settings)
    assert config.minutes is not None
    seconds = make_trainer(run, {**settings, "tensorboard": False}, processes).pace()
    steps = processes.agree(max(1, int(60 * config.minutes / seconds)))
    pairs, updates = _reading(run, config, processes)
    return Plan(steps, config.batch_tokens, pairs, steps / updates, config.r_drop, by_time=True)


def plan_by_text(run: Path, config: TrainingConfig, processes: Processes, steps: int | None) -> Plan:
    """These steps, or as many as `epochs` take, or as many passes as a text of its size is worth."""
    pairs, updates = _reading(run, config, processes)
    if steps is None:
        steps = max(1, round((config.epochs or planned_passes(pairs)) * updates))
    return Plan(steps, config.batch_tokens, pairs, steps / updates, config.r_drop, by_time=False)


def _reading(run: Path, config: TrainingConfig, processes: Processes) -> tuple[int, float]:
    """How many pairs there are, and about how many updates read all of them once."""
    described = read_description(run / "data")["sets"]["train"]
    batches = max(1, *described["tokens"].values()) / (FULL * config.batch_tokens)
    return described["pairs"], batches / (processes.world * config.accumulate)


def with_r_drop(plan: Plan) -> Plan:
    """The same with R-Drop where that pays: by the clock half as many updates then, which take twice as long."""
    drawn = plan._replace(steps=-(-plan.steps // 2), passes=plan.passes / 2) if plan.by_time else plan
    weight = planned_r_drop(drawn.pairs, drawn.passes)
    return drawn._replace(r_drop=weight) if weight else plan


def with_larger_batches(plan: Plan) -> Plan:
    """The same text in fewer updates, where that pays: not with R-Drop, whose batches are computed twice already."""
    if plan.r_drop:
        return plan
    larger = planned_batch_tokens(plan.batch_tokens, plan.pairs, plan.passes, plan.steps)
    return plan._replace(steps=-(-plan.steps * plan.batch_tokens // larger), batch_tokens=larger)


def suiting(plan: Plan, config: TrainingConfig) -> dict[str, Value]:
    """What suits a plan: a rate that falls to zero, a warm-up that is a small part of it, some lines in the log,
    checkpoints so close to each other that the last ones are worth averaging and, of auto, dropout, R-Drop and batches.

    Patience has no place in it: scores rise again when the rate falls.
    """
    found: dict[str, Value] = {
        "steps": plan.steps,
        "schedule": "linear",
        "decay_start": DECAY_START,
        "patience": 0,
        "warmup": max(1, min(config.warmup, plan.steps // 8)),
        "log_every": min(config.log_every, -(-plan.steps // 20)),
        "save_every": min(config.save_every, -(-plan.steps // 40)),
    }
    if plan.by_time:  # time will be up before the last step; and validations take time, too
        found |= {"steps": max(config.steps, 10 * plan.steps), "validate_every": -(-plan.steps * 3 // 5)}
    if config.preset == AUTO:
        found |= {
            "dropout": planned_dropout(plan.pairs, plan.passes * (2 if plan.r_drop else 1)),
            "r_drop": plan.r_drop,
            "batch_tokens": plan.batch_tokens,
        }
    return found
