"""Sinusoidal position encodings (Vaswani et al. 2017, section 3.5)."""

import torch
from torch import Tensor


def sinusoidal_positions(length: int, dim: int) -> Tensor:
    """The encodings of the first `length` positions, [length, dim] in float32.

        PE(pos, 2i)     = sin(pos / 10000^(2i / d_model))
        PE(pos, 2i + 1) = cos(pos / 10000^(2i / d_model))

    Each pair of dimensions is a clock hand with a wavelength from 2 pi to 10000 * 2 pi, so a shift by k positions is
    the same rotation at every position.

    >>> sinusoidal_positions(2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    position = torch.arange(length, dtype=torch.float64, device="cpu")[:, None]
    angle = position / 10000 ** (torch.arange(0, dim, 2, dtype=torch.float64, device="cpu") / dim)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(length, dim).float()
