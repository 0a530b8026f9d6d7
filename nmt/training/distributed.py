"""Several processes, one training: each takes its share of a step's batches, and their gradients are summed.

`torchrun --nproc-per-node=4 -m -- nmt train` starts them and gives each its rank by the environment. All compute
the same plan of the epoch, so nothing but gradients and decisions travels, both in the same collectives. The first
process alone validates, writes and talks.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from nmt.errors import ProcessLost
from nmt.runtime import on_gpu

T = TypeVar("T")

SAID = 3
"""Numbers that each process adds to the sums of a step: whether it was sent a signal, which one, and seconds."""

BEAT, GONE = 5.0, 50.0
"""Seconds between two heartbeats of a process, and without one after which it counts as dead."""

LONG = timedelta(days=7)
"""How long the others wait while the first one validates or saves; a broken connection is noticed at once even so."""


class Processes:
    """The processes of a training, and this one's place among them; one alone when `world` is 1."""

    def __init__(self, rank: int = 0, world: int = 1) -> None:
        self.rank, self.world = rank, world
        self.control = dist.new_group(backend="gloo", timeout=LONG) if world > 1 else None
        self.heartbeat = Heartbeat(rank, world) if world > 1 else None
        self._saying = [0.0] * SAID
        self._heard = (0, 0.0)
        self._sums: tuple[Tensor, Callable[[], bool]] | None = None  # of the last step, and whether they are here

    @property
    def first(self) -> bool:
        """Whether this is the process that validates, writes and talks."""
        return self.rank == 0

    # ---------------------------------------------------------------------------------------------------- in each step

    def begin_sum(self, tensor: Tensor) -> dist.Work:
        """Begin to sum a tensor over all processes, in place."""
        work = _or_gone(lambda: dist.all_reduce(tensor, async_op=True))
        assert work is not None
        return work

    def end_sums(self, works: Iterable[dist.Work], sums: Tensor) -> None:
        """Wait for sums: on a GPU its stream does, else the host. `sums` ends with what all have said.

        The host reads it a step later, when it has surely arrived, so that it need not wait for the GPU.
        """
        for work in works:
            _or_gone(work.wait) if on_gpu(sums.device) else self._wait(work)
        before, self._sums = self._sums, _on_its_way(sums[-SAID:])
        if before is None:
            return
        said, arrived = before
        while not arrived():
            time.sleep(1e-3)
            self._check_heartbeat()
        signalled, signals, seconds = said.tolist()
        self._heard = (int(signals / signalled) if signalled else self._heard[0], self._heard[1] + seconds)

    def say(self) -> list[float]:
        """The SAID numbers that this process adds to the sums of a step; each is said once."""
        said, self._saying = self._saying, [0.0] * SAID
        return said

    def exchange(self, signal: int, seconds: float) -> tuple[int, float]:
        """Say which signal came, if any, and how many seconds passed; what all have agreed on of both.

        That is what this process says where it is alone, else what was said some steps before: a signal that any
        process was sent, and the seconds of the first one's clock. All get the same answers at the same steps.
        """
        if self.world == 1:
            return signal, seconds
        seconds = self._saying[2] + (seconds if self.first else 0.0)
        self._saying = [float(signal > 0), float(signal), seconds]
        heard, self._heard = self._heard, (0, 0.0)
        return heard

    def _wait(self, work: dist.Work) -> None:
        """Wait for a collective as long as all processes are alive, however slow one is."""
        while True:
            try:
                work.wait(timedelta(seconds=BEAT))
                return
            except RuntimeError as error:
                if work.is_completed():
                    raise _gone(_cause(error)) from error
                self._check_heartbeat()

    def _check_heartbeat(self) -> None:
        assert self.heartbeat is not None
        if (rank := _or_gone(self.heartbeat.dead)) is not None:
            raise _gone(f"rank {rank} has sent no heartbeat for {GONE:.0f} s")

    # ----------------------------------------------------------------------------------------------------- now and then

    def agree(self, value: int) -> int:
        """The largest of all processes' values, on the host: a decision that any of them may take."""
        if self.world == 1:
            return value
        decided = torch.tensor(value)
        _or_gone(lambda: dist.all_reduce(decided, op=dist.ReduceOp.MAX, group=self.control))
        return int(decided)

    def barrier(self) -> None:
        """Wait for all others, as long as it takes: while the first one saves, say."""
        self.agree(0)


class Heartbeat:
    """Heartbeats of all processes, counted in the store where they met: a slow process still sends them."""

    def __init__(self, rank: int, world: int) -> None:
        """Begin to send heartbeats from a thread of its own."""
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self.store = dist.TCPStore(  # type: ignore[attr-defined]
            host, port, world, is_master=False, wait_for_workers=False
        )
        self.others = [other for other in range(world) if other != rank]
        self.counts: dict[int, tuple[int, float]] = {}  # of each other process, and since when
        threading.Thread(target=self._beat, args=(rank,), daemon=True).start()

    def _beat(self, rank: int) -> None:
        try:
            while True:
                self.store.add(f"nmt/heartbeat/{rank}", 1)
                time.sleep(BEAT)
        except RuntimeError:  # the store is gone, and with it the training
            return

    def dead(self) -> int | None:
        """The rank of a process that sent no heartbeat for GONE seconds, in which this was asked now and then."""
        now = time.monotonic()
        for other in self.others:
            count = self.store.add(f"nmt/heartbeat/{other}", 0)
            before, since = self.counts.get(other, (-1, now))
            self.counts[other] = (count, now if count != before else since)
            if now - self.counts[other][1] > GONE:
                return other
        return None


def _on_its_way(tensor: Tensor) -> tuple[Tensor, Callable[[], bool]]:
    """A copy of a tensor on the host, and whether it has arrived there."""
    copy = tensor.to("cpu", non_blocking=True, copy=True)
    if not on_gpu(tensor.device):
        return copy, lambda: True
    event = torch.Event(tensor.device.type)
    event.record()
    return copy, event.query


def _or_gone(collective: Callable[[], T]) -> T:
    """What a collective gives; ProcessLost where another process is gone."""
    try:
        return collective()
    except RuntimeError as error:
        raise _gone(_cause(error)) from error


def _gone(cause: str) -> ProcessLost:
    hint = "start it again: it resumes from the latest checkpoint, if there is one"
    return ProcessLost(f"another process of this training is gone: {cause}", hint)


def _cause(error: RuntimeError) -> str:
    """Why a collective failed, without the library's file names where it was the connection."""
    first = (str(error).splitlines() or [""])[0]
    return "its connection was lost" if "onnection" in first else first[:200]


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
    dist.init_process_group(dist.get_default_backend_for_device(device), timeout=LONG)
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        dist.destroy_process_group()
