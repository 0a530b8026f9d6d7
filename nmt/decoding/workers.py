"""Processes that share out the work of a stream: copies of this one, each with one processor core.

Threads would wait for each other: between two operations of torch each needs Python's one lock, and being woken takes
as long as an operation. A process that is forked shares the memory of the model; work and results travel through pipes
as JSON.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, cast

import torch

from nmt.errors import NmtError

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

Work = Callable[[Any], Any]
"""What is to be done with an item; items and results are what JSON can say."""


class Workers:
    """So many processes that do the same work on different items; the caller alone, where one is enough."""

    def __init__(self, work: Work, count: int) -> None:
        self.work, self.count = work, count if sys.platform == "linux" else 1
        self.connections: list[Connection] = []
        self.processes: list[ForkProcess] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self.connections:
            connection.close()
        for process in self.processes:
            process.kill()  # it has nothing to save
            process.join()
        self.connections, self.processes = [], []

    def map(self, items: Sequence[Any]) -> Iterator[Any]:
        """The result for each item, in order."""
        if self.count < 2 or len(items) < 2:
            for item in items:
                with _one_thread(self.count > 1):
                    result = self.work(item)
                yield result
            return
        if not self.connections:
            self._start()
        yield from self._share_out(items)

    def _share_out(self, items: Sequence[Any]) -> Iterator[Any]:
        waiting, done = dict[Connection, int](), dict[int, Any]()
        todo = iter(enumerate(items))
        for connection, (index, item) in zip(self.connections, todo, strict=False):
            _send(connection, item)
            waiting[connection] = index
        for index in range(len(items)):
            while index not in done:
                for ready in wait(list(waiting)):
                    connection = cast("Connection", ready)
                    done[waiting.pop(connection)] = _receive(connection)
                    following = next(todo, None)
                    if following:
                        _send(connection, following[1])
                        waiting[connection] = following[0]
            yield done.pop(index)

    def _start(self) -> None:
        fork = get_context("fork")
        for _ in range(self.count):
            ours, theirs = fork.Pipe()
            # a copy of this process holds the parent's ends of the pipes so far, too
            process = fork.Process(target=_serve, args=(theirs, self.work, [*self.connections, ours]), daemon=True)
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)


def _serve(connection: Connection, work: Work, of_parent: Sequence[Connection]) -> None:
    """Work until there is nothing more to read."""
    for one in of_parent:
        one.close()  # so that a worker whose parent is gone sees the end of its pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it as well
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    torch.set_num_threads(1)
    while True:
        try:
            item = json.loads(connection.recv_bytes())
            answer: dict[str, Any]
            try:
                answer = {"result": work(item)}
            except NmtError as error:
                answer = {"problem": error.problem, "hint": error.hint}
            connection.send_bytes(json.dumps(answer).encode())
        except (EOFError, OSError):
            return


def _send(connection: Connection, item: Any) -> None:
    try:
        connection.send_bytes(json.dumps(item).encode())
    except OSError:
        raise _lost() from None


def _receive(connection: Connection) -> Any:
    try:
        answer = json.loads(connection.recv_bytes())
    except (EOFError, OSError):
        raise _lost() from None
    if "problem" in answer:
        raise NmtError(answer["problem"], answer["hint"])
    return answer["result"]


def _lost() -> NmtError:
    return NmtError("a worker process has gone", "was there too little memory? use fewer --threads or --batch-tokens")


@contextmanager
def _one_thread(wanted: bool) -> Iterator[None]:
    """Compute with one thread meanwhile, as a worker would."""
    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
