"""metrics.jsonl: one JSON object a line.

Its `kind` is `start` where training begins or goes on, and says on what machine; `train` has means since the line
before it, and `valid` the scores of a validation with some of its translations.
"""

import json
import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nmt.errors import NmtError
from nmt.files import append_text, parse_json, read_text, write_text

logger = logging.getLogger("nmt")


class Log:
    """The log of a run, and the same numbers for TensorBoard where that is asked for."""

    def __init__(self, path: Path, tensorboard: Path | None = None) -> None:
        """Raises NmtError when TensorBoard is asked for and not installed."""
        self.path = path
        self.board = tensorboard and _open_board(tensorboard)

    def append(self, kind: str, content: Mapping[str, Any]) -> None:
        """Write a line; a number that is not finite, which JSON does not know, becomes null."""
        if self.board:
            for key, value in content.items():
                if isinstance(value, int | float) and key != "step":
                    self.board.add_scalar(f"{kind}/{key}", value, content["step"])
            self.board.flush()
        unknown = {key for key, value in content.items() if isinstance(value, float) and not math.isfinite(value)}
        known = {key: None if key in unknown else value for key, value in content.items()}
        append_text(self.path, json.dumps({"kind": kind, **known}, ensure_ascii=False) + "\n")

    def truncate(self, step: int) -> None:
        """Take out what was logged behind the step that training goes on from."""
        if not self.path.exists():
            return
        kept = [json.dumps(line, ensure_ascii=False) + "\n" for line in read_log(self.path) if line["step"] <= step]
        write_text(self.path, "".join(kept))


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, without such as were cut when a process was killed; none where there is no log."""
    lines, strange = [], 0
    for text in read_text(path) if path.exists() else ():
        try:
            line = parse_json(text)
        except ValueError:
            line = None
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            lines.append(line)
        else:
            strange += 1
    if strange > 1:  # the last one may have been cut
        logger.warning("%s: %d lines are no lines of a log and are left out", path, strange)
    return lines


def _open_board(directory: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise NmtError("--tensorboard needs a package more", "pip install 'nmt[tensorboard]'") from None
    return SummaryWriter(directory)


class Means(NamedTuple):
    """What a line of the log says of the steps since the line before it."""

    loss: float  # for each target token, of the steps where losses were finite; else not a number
    cross_entropy: float
    source_tokens: int
    target_tokens: int
    gradient_norm: float  # before clipping, of the gradients that are finite; else not a number


class Window:
    """The steps since the last line of the log; what is on the device stays there until the line is written."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.steps: list[Tensor] = []  # [5] of each: its totals and the norm of its gradient, see `Update`

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave out the seconds of something that is not training."""
        begin = time.perf_counter()
        yield
        self.start += time.perf_counter() - begin

    def add(self, totals: Tensor, norm: Tensor) -> None:
        """Take in one step."""
        self.steps.append(torch.cat([totals, norm[None]]))

    def means(self) -> Means:
        """What is logged of the steps, in one transfer."""
        losses, cross_entropies, source, target, norms = torch.stack(self.steps).cpu().double().unbind(dim=1)
        finite = losses.isfinite() & cross_entropies.isfinite()
        loss, cross_entropy = (float(one[finite].sum() / target[finite].sum()) for one in (losses, cross_entropies))
        norm = float(norms[norms.isfinite()].mean())
        return Means(loss, cross_entropy, int(source.sum()), int(target.sum()), norm)


def perplexity(cross_entropy: float) -> float:
    """Exp of a mean cross-entropy, as far as a float goes."""
    return math.exp(min(cross_entropy, 700.0))
