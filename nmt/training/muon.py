"""Muon (Jordan et al. 2024): momentum, orthogonalized matrix by matrix before each step.

Adam scales each weight by its own history. The gradient of a matrix, though, is dominated by a few directions that
many examples share. Muon keeps the singular vectors of the momentum and sets all
its singular values to about 1, so that a step has the same length in every direction. It optimizes the matrices between
hidden layers; embeddings, which are looked up by row, and vectors are left to Adam.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

MOMENTUM = 0.95  # decay of the mean gradient

LENGTH = 0.1
"""Root mean square of a step's entries at learning rate 1; that of an orthogonal m by n matrix is max(m, n)^-0.5.

Half of the value of Liu et al. 2025 (section 2.2), which equals Adam's: the embeddings, which are left to Adam, learn
best at twice the learning rate of the matrices (docs/experiments.md), and so both share one.
"""

ITERATIONS, LINEAR, CUBIC, QUINTIC = 5, 3.4445, -4.7750, 2.0315
"""Of the orthogonalization; the coefficients are those of Jordan et al. 2024."""


class _Stack(NamedTuple):
    """The matrices of one shape, as views of the flat vectors."""

    weights: list[Tensor]
    gradients: list[Tensor]


class Muon:
    """The optimizer of matrices that follow one another in a flat vector."""

    def __init__(
        self, weights: Tensor, gradient: Tensor, shapes: Sequence[torch.Size], decay: float, dtype: torch.dtype
    ) -> None:
        """Flat `weights` and `gradient` of matrices of these `shapes`; `dtype` is that of the products."""
        self.weights, self.gradient, self.decay, self.dtype = weights, gradient, decay, dtype
        self.momentum = torch.zeros_like(weights)
        starts = accumulate((shape.numel() for shape in shapes), initial=0)
        self.stacks: dict[torch.Size, _Stack] = {}  # the matrices of each shape
        for start, shape in zip(starts, shapes, strict=False):
            part, stack = slice(start, start + shape.numel()), self.stacks.setdefault(shape, _Stack([], []))
            stack.weights.append(weights[part].view(shape))
            stack.gradients.append(gradient[part].view(shape))

    def step(self, learning_rate: float | Tensor, scale: Tensor, finite: Tensor) -> None:
        """Step along the momentum of the gradient times `scale`, unless `finite` is 0 instead of 1.

        Overwrites the gradient.
        """
        gradient = self.gradient.mul_(scale).nan_to_num_(0, 0, 0)
        self.momentum.lerp_(gradient, (1 - MOMENTUM) * finite)
        gradient.lerp_(self.momentum, MOMENTUM)  # Nesterov's: where the momentum will be after this gradient
        if self.decay:
            self.weights.mul_(1 - learning_rate * self.decay * finite)
        for shape, stack in self.stacks.items():
            steps = orthogonalize(torch.stack(stack.gradients).to(self.dtype)).float()
            steps *= -LENGTH * max(shape) ** 0.5 * learning_rate * finite
            torch._foreach_add_(stack.weights, steps.unbind())


def orthogonalize(matrices: Tensor) -> Tensor:
    """U V^T of each matrix U S V^T, approximately: [matrix, row, column] -> the same shape, singular values near 1.

    A Newton-Schulz iteration, X <- a X + b (X X^T) X + c (X X^T)^2 X, maps each singular value s to a s + b s^3 + c s^5
    and keeps the vectors. With these coefficients five rounds map [0.002, 1] into [0.7, 1.2], which is close enough; a
    matrix of zeros stays one.
    """
    if matrices.size(1) > matrices.size(2):
        return orthogonalize(matrices.transpose(1, 2)).transpose(1, 2)
    x = matrices / (torch.linalg.matrix_norm(matrices.float(), keepdim=True) + 1e-20).to(matrices.dtype)
    for _ in range(ITERATIONS):
        squares = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(squares, squares, squares, beta=CUBIC, alpha=QUINTIC), x, beta=LINEAR)
    return x
