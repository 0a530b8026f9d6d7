"""The gradient of a step: one flat float32 vector, in which batches and processes are summed.

Backward leaves a gradient with each parameter, in the working precision. They are added to the flat vector by one
operation for many. With several processes it is summed over them in buckets, each as soon as backward is done with its
parameters: most of the communication overlaps with backward. The sums of losses and tokens are in the last bucket.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from nmt.runtime import to_device
from nmt.training.distributed import SAID, Processes

BUCKET = 1 << 23
"""Parameters of a bucket, about: 32 MB, which take longer to send than to begin."""

TOTALS = 4
"""Numbers of a step that are summed with its gradient: two losses, source and target tokens."""


class _Bucket(NamedTuple):
    """Some parameters that are neighbours in the flat vector."""

    flat: Tensor
    parameters: list[nn.Parameter]  # those that are trained
    views: list[Tensor]  # of `flat`, one for each of them


class Gradient:
    """The flat gradient of a model's parameters, and the sums that belong to it."""

    def __init__(self, parameters: Sequence[nn.Parameter], processes: Processes) -> None:
        """All parameters, in their order in the flat vector."""
        self.processes = processes
        sizes = [parameter.numel() for parameter in parameters]
        self._buffer = torch.zeros(sum(sizes) + TOTALS + SAID, device=parameters[0].device)
        self.flat = self._buffer[: sum(sizes)]
        self._sums = self._buffer[sum(sizes) :]
        self.totals = self._sums[:TOTALS]
        self._buckets = list(self._cut(parameters, BUCKET if processes.world > 1 else sum(sizes)))
        self._works: dict[int, dist.Work] = {}  # sums over all processes that have begun, by their bucket
        self._collected = False  # whether gradients of this step are in the flat vector already
        self._awaited: list[int] = []  # parameters of each bucket whose gradients are still to come; none: not the end
        if processes.world > 1:
            for number, bucket in enumerate(self._buckets[:-1]):  # the last one carries the totals
                for parameter in bucket.parameters:
                    parameter.register_post_accumulate_grad_hook(partial(self._arrived, number))

    def _cut(self, parameters: Sequence[nn.Parameter], size: int) -> Iterator[_Bucket]:
        start, end, members = 0, 0, list[tuple[nn.Parameter, Tensor]]()
        for index, parameter in enumerate(parameters):
            view = self.flat[end : end + parameter.numel()].view(parameter.shape)
            end += parameter.numel()
            if parameter.requires_grad:
                members.append((parameter, view))
            last = index + 1 == len(parameters)
            if end - start >= size or last:
                flat = self._buffer[start:] if last else self._buffer[start:end]
                yield _Bucket(flat, [one for one, _ in members], [one for _, one in members])
                start, members = end, []

    def will_end(self) -> None:
        """Say that the next backward pass is the last one of this step."""
        self._awaited = [len(bucket.parameters) for bucket in self._buckets]

    def _arrived(self, number: int, _: Tensor) -> None:
        """Backward is done with a parameter of a bucket."""
        if not self._awaited:
            return
        self._awaited[number] -= 1
        if not self._awaited[number]:
            self._collect(number)
            self._begin_sum(number)

    def _begin_sum(self, number: int) -> None:
        if number not in self._works:  # else from before memory ran out, and complete
            self._works[number] = self.processes.begin_sum(self._buckets[number].flat)

    def collect(self) -> None:
        """Add what backward left with the parameters to the flat vector, and free it."""
        for number in range(len(self._buckets)):
            self._collect(number)
        self._collected, self._awaited = True, []

    def _collect(self, number: int) -> None:
        _, parameters, views = self._buckets[number]
        found = [parameter.grad for parameter in parameters]
        gradients = [one for one in found if one is not None]
        for parameter in parameters:
            parameter.grad = None
        if not gradients or number in self._works:
            return
        assert len(gradients) == len(views), "a parameter without a gradient"
        (torch._foreach_add_ if self._collected else torch._foreach_copy_)(views, gradients)

    def drop(self) -> None:
        """Forget what was collected so far, but for buckets that travel already, which are complete."""
        self._collected, self._awaited = False, []
        for bucket in self._buckets:
            for parameter in bucket.parameters:
                parameter.grad = None

    def sum(self, totals: Tensor) -> None:
        """Sum gradient and totals [TOTALS] over all processes; `flat` and `self.totals` then are those of the step."""
        self.totals.copy_(totals)
        if self.processes.world > 1:
            self._sums[TOTALS:].copy_(to_device(torch.tensor(self.processes.say()), self._sums.device))
            for number in range(len(self._buckets)):
                self._begin_sum(number)
            self.processes.end_sums(self._works.values(), self._sums)
        self._works, self._collected = {}, False
