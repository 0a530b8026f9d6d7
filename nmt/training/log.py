"""metrics.jsonl: one JSON object a line.

Its `kind` is `start` where training begins or goes on, and says on what machine; `train` has means since the line
before it, and `valid` the scores of a validation with some of its translations.
"""

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


class Window:
    """Sums since the last line of the log; what is on the device stays there until the line is written."""

    def __init__(self, start: float) -> None:
        self.start = start  # seconds of training before
        self.losses: list[Tensor] = []
        self.cross_entropies: list[Tensor] = []
        self.norms: list[Tensor] = []  # of the gradients
        self.target_tokens: list[int] = []
        self.source_tokens = 0

    def add(
        self, smoothed: Tensor, cross_entropy: Tensor, source_tokens: int, target_tokens: int, norm: Tensor
    ) -> None:
        """Take in one update."""
        self.losses.append(smoothed)
        self.cross_entropies.append(cross_entropy)
        self.norms.append(norm)
        self.target_tokens.append(target_tokens)
        self.source_tokens += source_tokens

    def tokens(self) -> tuple[int, int]:
        """Source and target tokens."""
        return self.source_tokens, sum(self.target_tokens)

    def means(self) -> tuple[float, float]:
        """Loss and cross-entropy for each target token, of the updates where they were finite; else not a number."""
        losses, cross_entropies = (torch.stack(parts).double() for parts in (self.losses, self.cross_entropies))
        finite = losses.isfinite() & cross_entropies.isfinite()
        tokens = torch.tensor(self.target_tokens, device=losses.device)[finite].sum()
        loss, cross_entropy = (float(parts[finite].sum() / tokens) for parts in (losses, cross_entropies))
        return loss, cross_entropy

    def gradient_norm(self) -> float:
        """Mean norm of the gradients before they are clipped, of those that are finite; else not a number."""
        norms = torch.stack(self.norms).double()
        return float(norms[norms.isfinite()].mean())


def perplexity(cross_entropy: float) -> float:
    """Exp of a mean cross-entropy, as far as a float goes."""
    return math.exp(min(cross_entropy, 700.0))
