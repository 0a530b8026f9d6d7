"""Distributed training: each process takes its share of a step's batches, and their gradients are summed.

`torchrun --nproc-per-node=4 -m -- nmt train` starts the processes and gives each its rank in the environment. All
compute the same plan of the epoch, so only gradients and decisions are communicated, in the same collectives. Rank 0
alone validates, writes and logs.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from nmt.errors import ProcessLost
from nmt.runtime import on_gpu

T = TypeVar("T")

REPORTED = 3
"""Numbers that each process adds to the sums of a step: whether it received a signal, which one, and seconds."""

BEAT, GONE = 5.0, 50.0
"""Seconds between two heartbeats of a process, and seconds without one after which it counts as dead."""

LONG = timedelta(days=7)
"""How long other ranks wait while rank 0 validates or saves; a broken connection is noticed at once even so."""


class Processes:
    """The processes of a training, and this one's rank among them; a single one when `world_size` is 1."""

    def __init__(self, rank: int = 0, world_size: int = 1) -> None:
        self.rank, self.world_size = rank, world_size
        self.control = dist.new_group(backend="gloo", timeout=LONG) if world_size > 1 else None
        self.heartbeat = Heartbeat(rank, world_size) if world_size > 1 else None
        self._reporting = [0.0] * REPORTED
        self._received = (0, 0.0)
        self._sums: tuple[Tensor, Callable[[], bool]] | None = None  # of the last step, and whether they have arrived

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which validates, writes and logs."""
        return self.rank == 0

    # ---------------------------------------------------------------------------------------------------- in each step

    def begin_sum(self, tensor: Tensor) -> dist.Work:
        """Begin to sum a tensor over all processes, in place."""
        work = _or_lost(lambda: dist.all_reduce(tensor, async_op=True))
        assert work is not None
        return work

    def end_sums(self, works: Iterable[dist.Work], sums: Tensor) -> None:
        """Wait for sums: on a GPU its stream does, else the host. `sums` ends with what all processes reported.

        The host reads that a step later, when it has surely arrived, so that it need not wait for the GPU.
        """
        for work in works:
            _or_lost(work.wait) if on_gpu(sums.device) else self._wait(work)
        before, self._sums = self._sums, _start_transfer(sums[-REPORTED:])
        if before is None:
            return
        reported, arrived = before
        while not arrived():
            time.sleep(1e-3)
            self._check_heartbeat()
        signalled, signals, seconds = reported.tolist()
        self._received = (int(signals / signalled) if signalled else self._received[0], self._received[1] + seconds)

    def report(self) -> list[float]:
        """The REPORTED numbers that this process adds to the sums of a step; each is reported once."""
        reporting, self._reporting = self._reporting, [0.0] * REPORTED
        return reporting

    def exchange(self, signal: int, seconds: float) -> tuple[int, float]:
        """Report the signal received, if any, and the seconds that passed; return what all processes agree on.

        That is what was reported some steps before: a signal that any process received, and the seconds of rank 0's
        clock. All get the same answer at the same step.
        """
        seconds = self._reporting[2] + (seconds if self.first else 0.0)
        self._reporting = [float(signal > 0), float(signal), seconds]
        received, self._received = self._received, (0, 0.0)
        return received

    def _wait(self, work: dist.Work) -> None:
        """Wait for a collective as long as all processes are alive, however slow one is."""
        while True:
            try:
                work.wait(timedelta(seconds=BEAT))
                return
            except RuntimeError as error:
                if work.is_completed():
                    raise _lost(str(error)) from error
                self._check_heartbeat()

    def _check_heartbeat(self) -> None:
        assert self.heartbeat is not None
        if (rank := _or_lost(self.heartbeat.dead)) is not None:
            raise _lost(f"rank {rank} has sent no heartbeat for {GONE:.0f} s")

    # ----------------------------------------------------------------------------------------------------- now and then

    def agree(self, value: int) -> int:
        """The largest of all processes' values, on the host: a decision that any of them may take."""
        if self.world_size == 1:
            return value
        decided = torch.tensor(value)
        _or_lost(lambda: dist.all_reduce(decided, op=dist.ReduceOp.MAX, group=self.control))
        return int(decided)

    def barrier(self) -> None:
        """Wait for all other processes, as long as it takes: while rank 0 saves, for instance."""
        if self.control is not None:
            _or_lost(lambda: dist.barrier(group=self.control))


class Heartbeat:
    """Heartbeats of all processes, counted in the store through which they connect: a slow process still sends them."""

    def __init__(self, rank: int, world_size: int) -> None:
        """Start the thread that sends heartbeats."""
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self.store = dist.TCPStore(  # type: ignore[attr-defined]
            host, port, world_size, is_master=False, wait_for_workers=False
        )
        self.others = [other for other in range(world_size) if other != rank]
        self.counts: dict[int, tuple[int, float]] = {}  # of each other process, and since when
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, args=(rank,), daemon=True)
        self._thread.start()

    def _beat(self, rank: int) -> None:
        with suppress(RuntimeError):  # the store is gone, and with it the training
            while not self._stopped.is_set():
                self.store.add(f"nmt/heartbeat/{rank}", 1)
                self._stopped.wait(BEAT)

    def stop(self) -> None:
        """Stop the thread: one that is inside the store while Python exits would abort the process."""
        self._stopped.set()
        self._thread.join(timeout=BEAT)

    def dead(self) -> int | None:
        """The rank of a process that sent no heartbeat for GONE seconds, if any; to be called now and then."""
        now = time.monotonic()
        for other in self.others:
            count = self.store.add(f"nmt/heartbeat/{other}", 0)
            before, since = self.counts.get(other, (-1, now))
            self.counts[other] = (count, now if count != before else since)
            if now - self.counts[other][1] > GONE:
                return other
        return None


def _start_transfer(tensor: Tensor) -> tuple[Tensor, Callable[[], bool]]:
    """Start to copy a tensor to the host; the copy, and whether it has arrived."""
    copy = tensor.to("cpu", non_blocking=True, copy=True)
    if not on_gpu(tensor.device):
        return copy, lambda: True
    event = torch.Event(tensor.device.type)
    event.record()
    return copy, event.query


def _or_lost(collective: Callable[[], T]) -> T:
    """The result of a collective; ProcessLost where another process died."""
    try:
        return collective()
    except RuntimeError as error:
        raise _lost(str(error)) from error


def _lost(error: str) -> ProcessLost:
    """The error for a process that died, without the library's file names where its connection was lost."""
    first = (error.splitlines() or [""])[0]
    cause = "its connection was lost" if "onnection" in first else first[:200]
    return ProcessLost(f"a worker process died: {cause}", "run the command again to resume from the latest checkpoint")


def local_rank() -> int | None:
    """The rank of this process on this machine, where torchrun started several."""
    return int(os.environ["LOCAL_RANK"]) if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None


def local_world_size() -> int:
    """The number of processes that torchrun started on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


@contextmanager
def connected(device: torch.device) -> Iterator[Processes]:
    """Connect the processes that torchrun started, until the end; a single one without torchrun."""
    if local_rank() is None:
        yield Processes()
        return
    dist.init_process_group(dist.get_default_backend_for_device(device), timeout=LONG)
    processes = Processes(dist.get_rank(), dist.get_world_size())
    try:
        yield processes
    finally:
        assert processes.heartbeat is not None
        processes.heartbeat.stop()
        if not isinstance(sys.exception(), ProcessLost):  # for whose part in a sum it would wait
            dist.destroy_process_group()
