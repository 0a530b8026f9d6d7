"""The largest entries of long rows, a few times faster than torch.topk on a CPU when few are wanted."""

import torch
from torch import Tensor

_BLOCK = 64


def top_k(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest entries of each row of [rows, n] and their indices, largest first.

    They lie in the blocks with the largest maxima, or in the remainder of the row that fills no block.
    """
    rows, n = scores.shape
    blocks = n // _BLOCK
    if not scores.is_cpu or blocks < 4 * count:
        values, index = scores.topk(count, dim=1)
        return values, index
    cut = blocks * _BLOCK
    best = scores[:, :cut].unflatten(1, (blocks, _BLOCK)).amax(dim=2).topk(count, dim=1).indices
    index = (best[:, :, None] * _BLOCK + torch.arange(_BLOCK, device=scores.device)).flatten(1)
    if cut < n:
        index = torch.cat([index, torch.arange(cut, n, device=scores.device).expand(rows, -1)], dim=1)
    values, place = scores.gather(1, index).topk(count, dim=1)
    return values, index.gather(1, place)
