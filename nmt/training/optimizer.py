"""Adam (Kingma & Ba 2015) on one flat float32 vector of all parameters.

The model computes with its parameters in the working precision, which are views of one flat tensor; so are their
gradients. The float32 master copy, both moments and the norm of the gradient are then each one long vector, and an
update is a handful of operations however many layers there are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nmt.config import TrainingConfig


class MasterWeights:
    """The float32 master of a model's parameters, with their optimiser."""

    def __init__(self, model: nn.Module, config: TrainingConfig, dtype: torch.dtype) -> None:
        """Move the model's parameters into a flat tensor of `dtype`; its values become the master's."""
        named = sorted(model.named_parameters(), key=lambda pair: pair[1].dim() < 2)  # matrices first, for weight decay
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.matrices = sum(parameter.numel() for parameter in self.parameters if parameter.dim() >= 2)
        self.clip = config.clip
        self.master = torch.cat([parameter.detach().flatten().float() for parameter in self.parameters])
        self.working = self.master if dtype == torch.float32 else self.master.to(dtype)
        self.gradient = torch.zeros_like(self.master)
        self.working_gradient = self.gradient if dtype == torch.float32 else torch.zeros_like(self.working)
        for parameter, value, gradient in zip(
            self.parameters, self.views(self.working), self.views(self.working_gradient), strict=True
        ):
            parameter.data, parameter.grad = value, gradient
        self.adam = self._make_adam(config)

    def _make_adam(self, config: TrainingConfig) -> torch.optim.AdamW:
        matrices, vectors = self.master[: self.matrices], self.master[self.matrices :]
        self.groups: list[Tensor] = [nn.Parameter(part) for part in (matrices, vectors)]
        for group, gradient in zip(self.groups, self.gradient.split([len(part) for part in self.groups]), strict=True):
            group.grad = gradient
        decays = (config.weight_decay, 0.0)
        groups: list[dict[str, Any]] = [
            {"params": [group], "weight_decay": decay} for group, decay in zip(self.groups, decays, strict=True)
        ]
        return torch.optim.AdamW(groups, betas=(config.beta1, config.beta2), eps=config.epsilon, fused=True)

    def views(self, flat: Tensor) -> Iterator[Tensor]:
        """The part of a flat vector that belongs to each parameter, in its shape."""
        start = 0
        for parameter in self.parameters:
            yield flat[start : start + parameter.numel()].view(parameter.shape)
            start += parameter.numel()

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """A flat vector as tensors by parameter name."""
        return dict(zip(self.names, self.views(flat), strict=True))

    def collect(self) -> None:
        """Add the gradient of one batch, which backward left in the working precision, to the float32 sum."""
        if self.working_gradient is not self.gradient:
            self.gradient += self.working_gradient
            self.working_gradient.zero_()

    def update(self, rate: float, tokens: int) -> Tensor:
        """One step of Adam on the collected gradient divided by `tokens`; returns its norm before clipping."""
        norm = self.gradient.norm() / tokens
        scale = (self.clip / norm).clamp(max=1.0) if self.clip else torch.ones_like(norm)
        self.gradient *= scale / tokens
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.gradient.zero_()
        self.publish()
        return norm

    def publish(self) -> None:
        """Copy the master into the weights that the model computes with."""
        if self.working is not self.master:
            self.working.copy_(self.master)

    def moments(self) -> dict[str, Tensor]:
        """Adam's two running means, flat; empty before the first update."""
        states = [self.adam.state[group] for group in self.groups]
        return {key: torch.cat([state[key] for state in states]) for key in ("exp_avg", "exp_avg_sq") if all(states)}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights by parameter name."""
        for name, view in self.named(self.master).items():
            view.copy_(weights[name])
        self.publish()

    def restore(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor], step: int) -> None:
        """Take weights by parameter name and Adam's moments, as they were after `step` updates."""
        self.load(weights)
        split = {key: value.split([len(group) for group in self.groups]) for key, value in moments.items()}
        for i, group in enumerate(self.groups):
            state = {key: parts[i].to(self.master.device).clone() for key, parts in split.items()}
            self.adam.state[group] = {"step": torch.tensor(float(step), device=self.master.device), **state}
