"""Sinusoidal position encodings (Vaswani et al. 2017, section 3.5)."""

import numpy as np
import numpy.typing as npt


def sinusoidal_positions(length: int, dim: int) -> npt.NDArray[np.float32]:
    """The encodings of the first `length` positions, [length, dim] in float32.

        PE(pos, 2i)     = sin(pos / 10000^(2i / d_model))
        PE(pos, 2i + 1) = cos(pos / 10000^(2i / d_model))

    Each pair of dimensions is a clock hand with a wavelength from 2 pi to 10000 * 2 pi, so a shift by k positions is
    the same rotation at every position.

    >>> sinusoidal_positions(2, 4)[0].tolist()
    [0.0, 1.0, 0.0, 1.0]
    """
    angle = np.arange(length)[:, None] / 10000 ** (np.arange(0, dim, 2) / dim)
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, dim).astype(np.float32)
