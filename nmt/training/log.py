"""metrics.jsonl: one JSON object a line, of training (`"kind": "train"`) and of validations (`"kind": "valid"`)."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nmt.files import append_text, write_text


class Log:
    """The log of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, kind: str, content: Mapping[str, Any]) -> None:
        """Write a line."""
        append_text(self.path, json.dumps({"kind": kind, **content}, ensure_ascii=False) + "\n")

    def truncate(self, step: int) -> None:
        """Take out what was logged behind the step that training goes on from."""
        if not self.path.exists():
            return
        kept = []
        for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True):
            try:
                if line.endswith("\n") and json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut when the process was killed
        write_text(self.path, "".join(kept))


class Window:
    """Sums since the last line of the log; what is on the device stays there until the line is written."""

    def __init__(self, start: float) -> None:
        self.start = start  # seconds of training before
        self.losses: list[Tensor] = []
        self.cross_entropies: list[Tensor] = []
        self.target_tokens: list[int] = []
        self.tokens = 0

    def add(self, smoothed: Tensor, cross_entropy: Tensor, target_tokens: int, tokens: int) -> None:
        """Take in one update."""
        self.losses.append(smoothed)
        self.cross_entropies.append(cross_entropy)
        self.target_tokens.append(target_tokens)
        self.tokens += tokens

    def means(self) -> tuple[float, float]:
        """Loss and cross-entropy for each target token, of the updates where they were finite; else not a number."""
        losses, cross_entropies = (torch.stack(parts).double() for parts in (self.losses, self.cross_entropies))
        finite = losses.isfinite() & cross_entropies.isfinite()
        tokens = torch.tensor(self.target_tokens, device=losses.device)[finite].sum()
        loss, cross_entropy = (float(parts[finite].sum() / tokens) for parts in (losses, cross_entropies))
        return loss, cross_entropy


def perplexity(cross_entropy: float) -> float:
    """Exp of a mean cross-entropy, as far as a float goes."""
    return math.exp(min(cross_entropy, 700.0))
