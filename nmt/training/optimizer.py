"""Adam (Kingma & Ba 2015) on one flat float32 vector of all parameters.

The model computes with its parameters in the working precision, which are views of one flat tensor. The float32 master
copy, the gradient and both moments are each one long vector too, so that an update is a handful of operations however
many layers there are.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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
        self.collected: set[Tensor] = set()  # parameters whose gradient of this update is there
        for parameter, value, gradient in zip(
            self.parameters, self.views(self.working), self.views(self.gradient), strict=True
        ):
            parameter.data = value
            if parameter.requires_grad:
                parameter.register_post_accumulate_grad_hook(self._collector(gradient))
        self.adam = self._make_adam(config)
        self.decay = config.ema
        self.average = self.master.clone() if config.ema else None

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

    def _collector(self, gradient: Tensor) -> Callable[[Tensor], None]:
        """What backward does with a parameter's gradient as soon as it has it: add it to the sum and free it."""

        def collect(parameter: Tensor) -> None:
            assert parameter.grad is not None
            if parameter in self.collected:
                gradient.add_(parameter.grad)
            else:
                gradient.copy_(parameter.grad)
                self.collected.add(parameter)
            parameter.grad = None

        return collect

    def drop_gradient(self) -> None:
        """Forget the gradient collected so far."""
        self.collected.clear()
        for parameter in self.parameters:
            parameter.grad = None

    def update(self, rate: float, tokens: int, step: int) -> Tensor:
        """Update number `step`: Adam on the collected gradient divided by `tokens`; its norm before clipping.

        A gradient that is not finite changes nothing; the norm that is returned tells. The host never waits for it.
        """
        norm = self.gradient.norm() / tokens
        scale = (self.clip / norm).clamp(max=1.0) if self.clip else torch.ones_like(norm)
        # torch's protocol for scaled gradients: Adam divides by grad_scale, and does nothing where found_inf is 1
        self.adam.grad_scale = tokens / scale  # type: ignore[attr-defined]
        self.adam.found_inf = 1.0 - norm.isfinite().float()  # type: ignore[attr-defined]
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.collected.clear()
        self.publish()
        if self.average is not None:  # young, it decays faster: else the random start would stay in it
            self.average.lerp_(self.master, 1 - min(self.decay, (1 + step) / (10 + step)))
        return norm

    def publish(self) -> None:
        """Copy the master into the weights that the model computes with."""
        if self.working is not self.master:
            self.working.copy_(self.master)

    @contextmanager
    def showing(self, flat: Tensor) -> Iterator[None]:
        """Let the model compute with other weights for a while."""
        if flat is self.master:
            yield
            return
        own = self.working.clone()
        self.working.copy_(flat)
        try:
            yield
        finally:
            self.working.copy_(own)

    def best(self) -> Tensor:
        """The weights to translate with: their moving average, where there is one."""
        return self.master if self.average is None else self.average

    def moments(self) -> dict[str, Tensor]:
        """What goes on with the weights, flat: Adam's two running means, once there are any, and the moving average."""
        states = [self.adam.state[group] for group in self.groups]
        found = {key: torch.cat([state[key] for state in states]) for key in ("exp_avg", "exp_avg_sq") if all(states)}
        return found if self.average is None else {**found, "average": self.average}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights by parameter name."""
        self.master.copy_(self.flatten(weights))
        self.publish()

    def flatten(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Weights by parameter name as a flat vector."""
        return torch.cat([weights[name].flatten() for name in self.names]).to(self.master)

    def restore(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor], step: int) -> None:
        """Take weights by parameter name and what `moments` gave, if anything, as they were after `step` updates."""
        self.load(weights)
        if self.average is not None:
            self.average.copy_(moments.get("average", self.master))
        split = {
            key: value.split([len(group) for group in self.groups])
            for key, value in moments.items()
            if key != "average"
        }
        if not split:
            return
        for i, group in enumerate(self.groups):
            state = {key: parts[i].to(self.master.device).clone() for key, parts in split.items()}
            self.adam.state[group] = {"step": torch.tensor(float(step), device=self.master.device), **state}
