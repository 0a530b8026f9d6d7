"""Adam (Kingma & Ba 2015), or Muon with it, on one flat float32 vector of all parameters.

The model computes with its parameters in the working precision, which are views of one flat tensor. The float32 master
copy, the gradient and the optimisers' moments are long vectors too, so that an update is a handful of operations
however many layers there are.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from nmt.config import PARTS, TrainingConfig
from nmt.model.transformer import Transformer
from nmt.training.distributed import Processes
from nmt.training.gradient import Gradient
from nmt.training.muon import Muon


class MasterWeights:
    """The float32 master of a model's parameters, with their optimiser."""

    def __init__(
        self, model: Transformer, config: TrainingConfig, dtype: torch.dtype, processes: Processes | None = None
    ) -> None:
        """Move the model's parameters into a flat tensor of `dtype`; its values become the master's."""
        named = sorted(model.named_parameters(), key=lambda pair: pair[1].dim() < 2)  # matrices first
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.clip = config.clip
        self.master = torch.cat([parameter.detach().flatten().float() for parameter in self.parameters])
        self.working = self.master if dtype == torch.float32 else self.master.to(dtype)
        for parameter, value in zip(self.parameters, self.views(self.working), strict=True):
            parameter.data = value
        self.gradient = Gradient(self.parameters, processes or Processes())
        self.loss_scale = LossScale(self.master.device) if dtype == torch.float16 else None
        self._divide(config, model.config.heads, dtype)
        self.decay = config.ema
        self.average = self.master.clone() if config.ema else None

    def _divide(self, config: TrainingConfig, heads: int, dtype: torch.dtype) -> None:
        """Give each stretch of the flat vector to its optimiser: Muon the hidden matrices, Adam all else, or all."""
        self.muon: Muon | None = None
        self.groups: list[Tensor] = []  # Adam's
        adam: list[dict[str, Any]] = []
        start = 0
        for kind, members in groupby(zip(self.names, self.parameters, strict=True), lambda one: _kind(*one)):
            shapes = [shape for name, parameter in members for shape in _matrices(name, parameter, heads)]
            stretch = slice(start, start + sum(shape.numel() for shape in shapes))
            start = stretch.stop
            weights, gradient = self.master[stretch], self.gradient.flat[stretch]
            if kind == "hidden" and config.optimizer == "muon":
                self.muon = Muon(weights, gradient, shapes, config.weight_decay, dtype)
                continue
            group = nn.Parameter(weights)
            group.grad = gradient
            self.groups.append(group)
            adam.append({"params": [group], "weight_decay": 0.0 if kind == "vector" else config.weight_decay})
        self.adam = torch.optim.AdamW(adam, betas=(config.beta1, config.beta2), eps=config.epsilon, fused=True)

    def views(self, flat: Tensor) -> Iterator[Tensor]:
        """The part of a flat vector that belongs to each parameter, in its shape."""
        start = 0
        for parameter in self.parameters:
            yield flat[start : start + parameter.numel()].view(parameter.shape)
            start += parameter.numel()

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """A flat vector as tensors by parameter name."""
        return dict(zip(self.names, self.views(flat), strict=True))

    def update(self, rate: float, tokens: Tensor, step: int) -> Tensor:
        """Step number `step` by the gradient divided by `tokens`; returns its norm before clipping.

        A gradient that is not finite changes nothing; the norm that is returned says so. The host never waits for it.
        """
        if self.loss_scale is not None:
            tokens = tokens * self.loss_scale.value
        norm = self.gradient.flat.norm() / tokens
        scale = (self.clip / norm).clamp(max=1.0) if self.clip else torch.ones_like(norm)
        finite = norm.isfinite().float()
        # torch's protocol for scaled gradients: Adam divides by grad_scale, and does nothing where found_inf is 1
        self.adam.grad_scale = scale.reciprocal() * tokens  # type: ignore[attr-defined]
        self.adam.found_inf = 1.0 - finite  # type: ignore[attr-defined]
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        if self.muon is not None:
            self.muon.step(rate, scale / tokens, finite)
        if self.loss_scale is not None:
            self.loss_scale.update(finite)
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
        """What goes on with the weights, flat: the optimisers' running means, once there are any, and the average."""
        states = [self.adam.state[group] for group in self.groups]
        found = {key: torch.cat([state[key] for state in states]) for key in ("exp_avg", "exp_avg_sq") if all(states)}
        if self.muon is not None:
            found["momentum"] = self.muon.momentum
        if self.loss_scale is not None:
            found["loss_scale"] = self.loss_scale.state
        return found if self.average is None else {**found, "average": self.average}

    def fits(self, moments: Mapping[str, Tensor]) -> bool:
        """Whether these are the moments of such a model and its optimisers."""
        hidden = len(self.muon.momentum) if self.muon is not None else 0
        adam = len(self.master) - hidden
        lengths = {
            "exp_avg": adam,
            "exp_avg_sq": adam,
            "momentum": hidden,
            "average": len(self.master),
            "loss_scale": 2,
        }
        return all(len(moment) == lengths.get(name) for name, moment in moments.items())

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take weights by parameter name."""
        self.master.copy_(self.flatten(weights))
        self.publish()

    def flatten(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Weights by parameter name as a flat vector."""
        return torch.cat([weights[name].flatten() for name in self.names])

    def restore(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor], step: int) -> None:
        """Take weights by parameter name and what `moments` gave, if anything, as they were after `step` updates."""
        self.load(weights)
        if self.average is not None:
            self.average.copy_(moments.get("average", self.master))
        if self.muon is not None and "momentum" in moments:
            self.muon.momentum.copy_(moments["momentum"])
        if self.loss_scale is not None and "loss_scale" in moments:
            self.loss_scale.state.copy_(moments["loss_scale"])
        lengths = [len(group) for group in self.groups]
        split = {key: moments[key].split(lengths) for key in ("exp_avg", "exp_avg_sq") if key in moments}
        for i, group in enumerate(self.groups if split else []):
            state = {key: parts[i].to(self.master.device).clone() for key, parts in split.items()}
            self.adam.state[group] = {"step": torch.tensor(float(step), device=self.master.device), **state}


class LossScale:
    """What the loss is multiplied by before backward, so that gradients lie in the range of float16.

    It is halved where the gradient overflowed, a step that is skipped, and doubled after GROW_AFTER good steps in a row
    (Micikevicius et al. 2018, section 3.2). The loss is a sum over tokens, not their mean, so that it begins at 1.
    """

    GROW_AFTER, LARGEST = 1000, 2.0**15

    def __init__(self, device: torch.device) -> None:
        self.state = torch.tensor([1.0, 0.0]).to(device)  # the scale, and good steps since it changed
        self.value, self._good = self.state.unbind()

    def update(self, finite: Tensor) -> None:
        """After a step whose gradient was finite (1) or not (0)."""
        self._good.add_(1).mul_(finite)
        grows = self._good >= self.GROW_AFTER
        self.value.mul_((0.5 + 0.5 * finite) * (1.0 + grows.float())).clamp_(max=self.LARGEST)
        self._good.masked_fill_(grows, 0.0)


def _kind(name: str, parameter: Tensor) -> str:
    """What a parameter is to an optimiser: a matrix between hidden layers, one that embeds or projects, or a vector."""
    if parameter.dim() < 2:
        return "vector"
    return "hidden" if name.startswith(PARTS["encoder"] + PARTS["decoder"]) else "embedding"


def _matrices(name: str, parameter: Tensor, heads: int) -> list[torch.Size]:
    """The shapes of the matrices that stand in a parameter: in one W^Q_i, W^K_i and W^V_i of all heads, else itself.

    Head by head, a step is as good as of the three whole (docs/experiments.md) and takes two fifths less to compute.
    """
    if name.endswith("project_in.weight"):
        return [part.shape for part in parameter.chunk(3 * heads)]
    return [parameter.shape]
