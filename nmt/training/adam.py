"""Adam (Kingma & Ba 2015), with decoupled weight decay (Loshchilov & Hutter 2019, AdamW).

    m <- beta1 m + (1 - beta1) g               the mean gradient
    v <- beta2 v + (1 - beta2) g^2             its mean square
    w <- w - rate (m' / (sqrt(v') + epsilon) + decay w),  with m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t)

torch's kernel does this in one pass over memory. torch.optim, which wraps it, takes two seconds to import what compiles
optimizers.
"""

import torch
from torch import Tensor

from nmt.config.training import TrainingConfig


class Adam:
    """The optimizer of a flat vector of weights."""

    def __init__(self, weights: Tensor, gradient: Tensor, config: TrainingConfig, decay: float) -> None:
        self.weights, self.gradient = weights, gradient
        self.mean, self.mean_square = torch.zeros_like(weights), torch.zeros_like(weights)
        self.steps = torch.zeros((), device=weights.device)
        self.settings = {"beta1": config.beta1, "beta2": config.beta2, "eps": config.epsilon, "weight_decay": decay}

    def step(self, learning_rate: float | Tensor, scale: Tensor, finite: Tensor) -> None:
        """Step along the gradient times `scale`, unless `finite` is 0 instead of 1."""
        self.steps.add_(finite)
        torch._fused_adamw_(
            [self.weights], [self.gradient], [self.mean], [self.mean_square], [], [self.steps], lr=learning_rate,
            **self.settings, amsgrad=False, maximize=False, grad_scale=scale.reciprocal(), found_inf=1.0 - finite,
        )  # fmt: skip

    def restore(self, mean: Tensor, mean_square: Tensor, steps: int) -> None:
        """Take the moments as they were after a number of steps."""
        self.mean.copy_(mean)
        self.mean_square.copy_(mean_square)
        self.steps.fill_(steps)
