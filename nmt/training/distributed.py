"""Several processes, one training: each takes its share of an update's batches, and their gradients are summed.

`torchrun --nproc-per-node=4 -m -- nmt train` starts them and tells each its rank by the environment. All compute
the same plan of the epoch, so nothing but gradients and decisions travels. The first process alone validates, writes
and talks.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor

from nmt.errors import NmtError

GONE = timedelta(seconds=50)
"""How long a process waits for the others in the middle of an update, where all are at work."""

LONG = timedelta(days=7)
"""How long it waits while the first one validates or saves; that one's death is noticed at once even so."""


class Processes:
    """The processes of a training, and this one's place among them; one alone when `world` is 1."""

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank, self.world = rank, world
        self.control = dist.new_group(backend="gloo", timeout=LONG) if world > 1 else None

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and talks."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> None:
        """Sum a tensor over all processes, in place."""
        if self.world > 1:
            with _others_alive():
                dist.all_reduce(tensor)

    def total(self, *counts: int) -> list[int]:
        """Sums of numbers over all processes, on the host."""
        if self.world == 1:
            return list(counts)
        summed = torch.tensor(counts)
        with _others_alive():
            dist.all_reduce(summed, group=self.control)
        return [int(one) for one in summed]

    def agree(self, value: int) -> int:
        """The largest of all processes' values, on the host: a decision that any of them may take."""
        if self.world == 1:
            return value
        decided = torch.tensor(value)
        with _others_alive():
            dist.all_reduce(decided, op=dist.ReduceOp.MAX, group=self.control)
        return int(decided)


@contextmanager
def _others_alive() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise NmtError(
            f"another process of this training is gone: {(str(error).splitlines() or [''])[0][:200]}",
            "start it again: it goes on from the last checkpoint",
        ) from None


def local_rank() -> int | None:
    """Which of the processes on this machine this is, where torchrun started several."""
    return int(os.environ["LOCAL_RANK"]) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None


def local_world() -> int:
    """How many processes torchrun started on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """Meet the other processes that torchrun started, and part in the end; this one alone without torchrun."""
    if local_rank() is None:
        yield Processes()
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=GONE)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
