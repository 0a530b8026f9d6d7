"""Candidates: hypotheses extended by one token, on the device and on the host."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nmt.decoding.engine import Array
from nmt.text.tokenizer import END

HOST_CANDIDATE = np.dtype([("path_score", "f4"), ("log_prob", "f4"), ("parent", "i4"), ("token", "i4")])
IMPOSSIBLE = np.array((-math.inf, 0, 0, 0), HOST_CANDIDATE)


class Candidates(NamedTuple):
    """Candidates on the device, best first; each field [batch, count]."""

    path_score: Tensor  # sum of the scores that search ranks by, the extension included
    log_prob: Tensor  # of the extension alone
    parent: Tensor  # the extended hypothesis, an index into the beam
    token: Tensor

    def packed(self) -> Tensor:
        """The bits of all fields in one tensor, for one transfer: int32 [batch, count, 4]."""
        bits = [field.view(torch.int32) if field.is_floating_point() else field.int() for field in self]
        return torch.stack(bits, dim=-1)


class Choice(NamedTuple):
    """The candidates chosen in a beam group, on the host: HOST_CANDIDATE [batch, width]."""

    finishing: Array  # those whose token is END finish a hypothesis; after the first `width`, at the last position only
    continuing: Array  # the next hypotheses of the group


class Choices(NamedTuple):
    """The choice in each beam group, and the attention [batch, beam, source] fetched along with it, if any."""

    groups: list[Choice]
    attention: Array | None


def choose(candidates: Array, width: int, *, sample: bool) -> Choice:
    """Choose the `width` best candidates that continue; all may finish."""
    impossible = (candidates["token"] == END) | np.isneginf(candidates["path_score"])
    if sample:
        continuing = candidates.copy()  # samples keep their places
    else:
        order = impossible.argsort(axis=1, kind="stable")[:, :width]  # possible ones first, still sorted by score
        impossible, continuing = (np.take_along_axis(array, order, axis=1) for array in (impossible, candidates))
    continuing["path_score"][impossible] = -math.inf
    return Choice(_padded(candidates, width), _padded(continuing, width))


def _padded(candidates: Array, width: int) -> Array:
    if candidates.shape[1] >= width:
        return candidates
    padded = np.full((len(candidates), width), IMPOSSIBLE)
    padded[:, : candidates.shape[1]] = candidates
    return padded


def transfer(packed: Sequence[Tensor], attention: Tensor | None) -> tuple[list[Array], Array | None]:
    """Copy packed candidates, and attention if there is any, to the host in one transfer."""
    tensors = packed if attention is None else [*packed, attention.view(torch.int32)]
    flat = torch.cat([tensor.flatten() for tensor in tensors]).cpu().numpy()
    ends = np.cumsum([tensor.numel() for tensor in tensors])
    arrays = [part.reshape(tensor.shape) for part, tensor in zip(np.split(flat, ends[:-1]), tensors, strict=True)]
    candidates = [array.view(HOST_CANDIDATE)[..., 0] for array in arrays[: len(packed)]]
    return candidates, None if attention is None else arrays[-1].view(np.float32)
