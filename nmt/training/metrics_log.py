"""metrics.jsonl: one JSON object a line.

Its `kind` is `start` where training begins or resumes, with the machine; `train` with means over the steps since the
line before it; `valid` with the scores of a validation and some translations; `average` the same for averaged
checkpoints.
"""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.errors import NmtError, counted
from nmt.files.atomic import append_text, write_text
from nmt.files.json import parse_json
from nmt.files.lines import read_text

logger = logging.getLogger("nmt")

FORMER = {"rate": "learning_rate", "utilisation": "mfu", "matrix_rate": "peak_flops"}
"""Keys of release 0.1 and their present names; its averaged checkpoints were of kind `mean`."""


class MetricsLog:
    """The log of a run, which TensorBoard can show as well."""

    def __init__(self, path: Path, tensorboard: Path | None = None) -> None:
        """Raises NmtError when TensorBoard is asked for and not installed."""
        self.path = path
        self.board = tensorboard and _open_board(tensorboard)

    def append(self, kind: str, content: Mapping[str, Any]) -> None:
        """Write a line; a number that is not finite, which JSON cannot hold, becomes null."""
        if self.board:
            for key, value in content.items():
                if isinstance(value, int | float) and key != "step":
                    self.board.add_scalar(f"{kind}/{key}", value, content["step"])
            self.board.flush()
        infinite = {key for key, value in content.items() if isinstance(value, float) and not math.isfinite(value)}
        line = {"kind": kind, **content, **dict.fromkeys(infinite)}
        append_text(self.path, json.dumps(line, ensure_ascii=False) + "\n")

    def truncate(self, step: int) -> None:
        """Remove what was logged after the step from which training resumes."""
        if self.path.exists():
            kept = [line for line in read_log(self.path) if line["step"] <= step]
            write_text(self.path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept))


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, without any that were cut off when a process was killed; empty where there is no log."""
    lines, damaged = [], 0
    for text in read_text(path) if path.exists() else ():
        try:
            line = parse_json(text)
        except ValueError:
            line = None
        if isinstance(line, dict) and isinstance(line.get("step"), int):
            renamed: dict[str, Any] = {FORMER.get(str(key), str(key)): value for key, value in line.items()}
            lines.append(renamed | {"kind": "average"} if line.get("kind") == "mean" else renamed)
        else:
            damaged += 1
    if damaged > 1:  # the last one may have been cut off
        logger.warning("%s: skipped %s that are not part of a log", path, counted(damaged, "line"))
    return lines


def _open_board(directory: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise NmtError("--tensorboard requires an extra package", "pip install 'nmt[tensorboard]'") from None
    return SummaryWriter(directory)


def perplexity(cross_entropy: float) -> float:
    """Exp of a mean cross-entropy, as far as a float reaches."""
    return math.exp(min(cross_entropy, 700.0))
