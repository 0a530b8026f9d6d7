"""Adam (Kingma & Ba 2015), or Muon with it, on one flat float32 vector of all parameters, and the gradient.

The model computes with its parameters in the working precision, which are views of one flat tensor. The float32 master
weights, the gradient and the optimizers' moments are long vectors too, so that a step is a handful of operations
however many layers there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nmt.config.model import PARTS
from nmt.config.training import TrainingConfig
from nmt.model.transformer import Transformer
from nmt.runtime import to_device
from nmt.training.distributed import REPORTED, Processes
from nmt.training.muon import Muon

BUCKET = 1 << 23  # parameters of a bucket, about: 32 MB, which take longer to send than to begin

TOTALS = 4  # numbers of a step that are summed with its gradient: two losses, source and target tokens


class _Bucket(NamedTuple):
    """Parameters that are neighbours in the flat vector."""

    flat: Tensor
    parameters: list[nn.Parameter]  # those that are trained
    views: list[Tensor]  # of `flat`, one for each of them


class Gradient:
    """The flat gradient of a model's parameters, and the totals that are summed with it.

    Backward leaves a gradient with each parameter, in the working precision; one operation adds many of them to the
    flat vector. With several processes it is summed over them in buckets, each as soon as backward is done with its
    parameters: most of the communication overlaps with backward. The totals are part of the last bucket.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], processes: Processes) -> None:
        """`parameters` are all of the model's, in their order in the flat vector."""
        self.processes = processes
        sizes = [parameter.numel() for parameter in parameters]
        self._buffer = torch.zeros(sum(sizes) + TOTALS + REPORTED, device=parameters[0].device)
        self.flat = self._buffer[: sum(sizes)]
        self._sums = self._buffer[sum(sizes) :]
        self._buckets = list(self._divide(parameters, BUCKET if processes.world_size > 1 else sum(sizes)))
        self._works: dict[int, dist.Work] = {}  # sums over all processes that have begun, by their bucket
        self.collected = False  # whether the flat vector holds gradients of this step
        self._awaited: list[int] = []  # parameters of each bucket whose last gradients are still to come
        if processes.world_size > 1:
            for number, bucket in enumerate(self._buckets[:-1]):  # the last one carries the totals
                for parameter in bucket.parameters:
                    parameter.register_post_accumulate_grad_hook(partial(self._on_gradient, number))

    def _divide(self, parameters: Sequence[nn.Parameter], size: int) -> Iterator[_Bucket]:
        start, end, trained, views = 0, 0, list[nn.Parameter](), list[Tensor]()
        for index, parameter in enumerate(parameters):
            view = self.flat[end : end + parameter.numel()].view(parameter.shape)
            end += parameter.numel()
            if parameter.requires_grad:
                trained.append(parameter)
                views.append(view)
            last = index + 1 == len(parameters)
            if end - start >= size or last:
                yield _Bucket(self._buffer[start:] if last else self._buffer[start:end], trained, views)
                start, trained, views = end, [], []

    def expect_last(self) -> None:
        """Announce the last backward pass of this step."""
        self._awaited = [len(bucket.parameters) for bucket in self._buckets]

    def _on_gradient(self, number: int, _: Tensor) -> None:
        """Backward is done with a parameter of a bucket."""
        if not self._awaited:
            return
        self._awaited[number] -= 1
        if not self._awaited[number]:
            self.collect([number])
            self._begin_sum(number)

    def _begin_sum(self, number: int) -> None:
        if number not in self._works:  # else it began before memory ran out, and is complete
            self._works[number] = self.processes.begin_sum(self._buckets[number].flat)

    def collect(self, buckets: Sequence[int] = ()) -> None:
        """Add what backward left with the parameters, of all buckets or some, to the flat vector, and free it."""
        for number in buckets or range(len(self._buckets)):
            _, parameters, views = self._buckets[number]
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            for parameter in parameters:
                parameter.grad = None
            if gradients and number not in self._works:
                assert len(gradients) == len(views), "a parameter without a gradient"
                (torch._foreach_add_ if self.collected else torch._foreach_copy_)(views, gradients)
        if not buckets:
            self._awaited = []

    def discard(self) -> None:
        """Forget what was collected, apart from buckets that are on their way already, which are complete."""
        self._awaited = []
        for bucket in self._buckets:
            for parameter in bucket.parameters:
                parameter.grad = None

    def sum(self, totals: Tensor) -> Tensor:
        """Sum gradient and totals [TOTALS] over all processes: `flat` and the returned totals are those of the step."""
        self._sums[:TOTALS].copy_(totals)
        self._sums[TOTALS:].copy_(to_device(torch.tensor(self.processes.report()), self._sums.device))
        for number in range(len(self._buckets)):
            self._begin_sum(number)
        self.processes.end_sums(self._works.values(), self._sums)
        self._works = {}
        return self._sums[:TOTALS].clone()


class Adam:
    """The optimizer of a flat vector of weights, with decoupled weight decay (Loshchilov & Hutter 2019, AdamW).

        m <- beta1 m + (1 - beta1) g               the mean gradient
        v <- beta2 v + (1 - beta2) g^2             its mean square
        w <- w - rate (m' / (sqrt(v') + epsilon) + decay w),  with m' = m / (1 - beta1^t) and v' = v / (1 - beta2^t)

    torch's kernel does this in one pass over memory. torch.optim, which wraps it, takes two seconds to import.
    """

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


class MasterWeights:
    """The float32 master of a model's parameters, with their optimizer."""

    def __init__(
        self, model: Transformer, config: TrainingConfig, dtype: torch.dtype, processes: Processes | None = None
    ) -> None:
        """Move the model's parameters into a flat tensor of `dtype`; their values become the master's."""
        named = sorted(model.named_parameters(), key=lambda pair: pair[1].dim() < 2)  # matrices first
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.clip_norm = config.clip_norm
        self.master = torch.cat([parameter.detach().flatten().float() for parameter in self.parameters])
        self.working = self.master if dtype == torch.float32 else self.master.to(dtype)
        for parameter, value in zip(self.parameters, self.views(self.working), strict=True):
            parameter.data = value
        self.gradient = Gradient(self.parameters, processes or Processes())
        self.loss_scale = LossScale(self.master.device) if dtype == torch.float16 else None
        self._make_optimizers(config, model.config.heads, dtype)
        self.average = self.master.clone() if config.ema else None  # the exponential moving average

    def _make_optimizers(self, config: TrainingConfig, heads: int, dtype: torch.dtype) -> None:
        """Give each range of the flat vector to its optimizer: Muon the hidden matrices, Adam the rest, or all."""
        self.muon: Muon | None = None
        self.adam: list[Adam] = []
        start = 0
        for kind, members in groupby(zip(self.names, self.parameters, strict=True), lambda member: _kind(*member)):
            shapes = [shape for name, parameter in members for shape in _matrices(name, parameter, heads)]
            span = slice(start, start + sum(shape.numel() for shape in shapes))
            start = span.stop
            weights, gradient = self.master[span], self.gradient.flat[span]
            if kind == "hidden" and config.optimizer == "muon":
                self.muon = Muon(weights, gradient, shapes, config.weight_decay, dtype)
                continue
            self.adam.append(Adam(weights, gradient, config, 0.0 if kind == "vector" else config.weight_decay))

    def views(self, flat: Tensor) -> Iterator[Tensor]:
        """The part of a flat vector that belongs to each parameter, in its shape."""
        start = 0
        for parameter in self.parameters:
            yield flat[start : start + parameter.numel()].view(parameter.shape)
            start += parameter.numel()

    def named(self, flat: Tensor) -> dict[str, Tensor]:
        """A flat vector as tensors by parameter name."""
        return dict(zip(self.names, self.views(flat), strict=True))

    def step(self, learning_rate: float | Tensor, tokens: Tensor, average_weight: float | Tensor) -> Tensor:
        """An optimizer step along the gradient divided by `tokens`; returns its norm before clipping.

        `average_weight` is that of the new weights in their moving average, if there is one.
        A gradient that is not finite changes nothing; the returned norm shows it. The host never waits for it.
        """
        if self.loss_scale is not None:
            tokens = tokens * self.loss_scale.value
        norm = self.gradient.flat.norm() / tokens
        scale = (self.clip_norm / norm).clamp(max=1.0) if self.clip_norm else torch.ones_like(norm)
        finite = norm.isfinite().float()
        optimizers: list[Adam | Muon] = [*self.adam] if self.muon is None else [*self.adam, self.muon]
        for optimizer in optimizers:
            optimizer.step(learning_rate, scale / tokens, finite)
        if self.loss_scale is not None:
            self.loss_scale.update(finite)
        if self.working is not self.master:
            self.working.copy_(self.master)
        if self.average is not None:
            self.average.lerp_(self.master, average_weight)
        return norm

    @contextmanager
    def replaced_by(self, flat: Tensor) -> Iterator[None]:
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
        """The weights to translate with: their exponential moving average, where there is one."""
        return self.master if self.average is None else self.average

    def moments(self) -> dict[str, Tensor]:
        """The optimizers' state as flat tensors by name, and the average of the weights."""
        moments = {
            "exp_avg": torch.cat([adam.mean for adam in self.adam]),
            "exp_avg_sq": torch.cat([adam.mean_square for adam in self.adam]),
        }
        if self.muon is not None:
            moments["momentum"] = self.muon.momentum
        if self.loss_scale is not None:
            moments["loss_scale"] = self.loss_scale.state
        return moments if self.average is None else {**moments, "average": self.average}

    def fits(self, moments: Mapping[str, Tensor]) -> bool:
        """Whether these are the moments of such a model and its optimizers."""
        hidden, size = len(self.muon.momentum) if self.muon is not None else 0, len(self.master)
        lengths = {"exp_avg": size - hidden, "exp_avg_sq": size - hidden, "momentum": hidden}
        lengths |= {"average": size, "loss_scale": 2}
        return all(len(moment) == lengths.get(name) for name, moment in moments.items())

    def flatten(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Weights by parameter name as a flat vector."""
        return torch.cat([weights[name].flatten() for name in self.names])

    def restore(self, weights: Mapping[str, Tensor], moments: Mapping[str, Tensor], step: int) -> None:
        """Take weights by parameter name and the moments, if any, as they were after `step` steps."""
        self.master.copy_(self.flatten(weights))
        if self.working is not self.master:
            self.working.copy_(self.master)
        if self.average is not None:
            self.average.copy_(moments.get("average", self.master))
        if self.muon is not None and "momentum" in moments:
            self.muon.momentum.copy_(moments["momentum"])
        if self.loss_scale is not None and "loss_scale" in moments:
            self.loss_scale.state.copy_(moments["loss_scale"])
        if "exp_avg" in moments:
            lengths = [len(adam.weights) for adam in self.adam]
            means, mean_squares = (moments[name].split(lengths) for name in ("exp_avg", "exp_avg_sq"))
            for adam, mean, mean_square in zip(self.adam, means, mean_squares, strict=True):
                adam.restore(mean, mean_square, step)


class LossScale:
    """Loss scaling: a factor on the loss that keeps gradients in the range of float16 (Micikevicius et al. 2018, 3.2).

    It is halved where the gradient overflowed, a step that is skipped, and doubled after GROW_AFTER good steps in a
    row. The loss is a sum over tokens, not their mean, so that it begins at 1.
    """

    GROW_AFTER, LARGEST = 1000, 2.0**15

    def __init__(self, device: torch.device) -> None:
        self.state = torch.tensor([1.0, 0.0]).to(device)  # the scale, and good steps since it last changed
        self.value, self._good = self.state.unbind()

    def update(self, finite: Tensor) -> None:
        """After a step whose gradient was finite (1) or not (0)."""
        self._good.add_(1).mul_(finite)
        grows = self._good >= self.GROW_AFTER
        self.value.mul_((0.5 + 0.5 * finite) * (1.0 + grows.float())).clamp_(max=self.LARGEST)
        self._good.masked_fill_(grows, 0.0)


def _kind(name: str, parameter: Tensor) -> str:
    """The kind of a parameter: a matrix between hidden layers, one that embeds or projects, or a vector."""
    if parameter.dim() < 2:
        return "vector"
    return "hidden" if name.startswith(PARTS["encoder"] + PARTS["decoder"]) else "embedding"


def _matrices(name: str, parameter: Tensor, heads: int) -> list[torch.Size]:
    """The shapes of the matrices in a parameter: W^Q_i, W^K_i and W^V_i of all heads where it holds them, else itself.

    Muon's step head by head is as good as that of the three whole (docs/experiments.md) and takes two fifths less time.
    """
    if name.endswith("project_in.weight"):
        return [part.shape for part in parameter.chunk(3 * heads)]
    return [parameter.shape]
