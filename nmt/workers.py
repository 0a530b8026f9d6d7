"""A pool of forked worker processes that map a function over a stream, one processor core each.

Threads would contend for Python's lock between any two operations. A forked process shares the parent's memory; items
and results go through pipes.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, count, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from nmt.errors import NmtError, stopping_signals

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

T = TypeVar("T")

_RESULT, _PROBLEM = b"+", b"-"


class Packing(NamedTuple):
    """How items or results become bytes, and are restored from them."""

    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


JSON = Packing(
    lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    lambda data: json.loads(data.decode("utf-8", "surrogatepass")),
)


def processes(wanted: int) -> int:
    """The number of workers that can run here: those wanted, or 1 where processes cannot be forked safely."""
    return wanted if sys.platform == "linux" else 1


class Workers:
    """A pool of `count` workers; the calling process does the work where one is enough."""

    def __init__(self, work: Callable[[Any], Any], count: int, items: Packing = JSON, results: Packing = JSON) -> None:
        self.work, self.count, self.items, self.results = work, processes(count), items, results
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

    def map(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the result for each item, in order, or raise the NmtError of a worker, or one for its death."""
        items = iter(items)
        first = list(islice(items, 2))
        if self.count < 2 or len(first) < 2:
            yield from map(self.work, chain(first, items))
            return
        if not self.connections:
            self._start()
        yield from self._distribute(chain(first, items))

    def _distribute(self, items: Iterator[Any]) -> Iterator[Any]:
        packed = map(self.items.pack, items)
        running, results, sent = dict[Connection, int](), dict[int, Any](), 0
        idle = list(self.connections)
        following = next(packed, None)
        for index in count():
            while index not in results:
                while idle and following is not None:
                    running[idle[-1]] = sent
                    with _reported_death():
                        idle.pop().send_bytes(following)
                    following, sent = next(packed, None), sent + 1  # packed ahead, so that no worker waits for it
                if not running:
                    return
                for ready in wait(list(running)):
                    connection = cast("Connection", ready)
                    results[running.pop(connection)] = self._receive(connection)
                    idle.append(connection)
            yield results.pop(index)

    def _receive(self, connection: Connection) -> Any:
        with _reported_death():
            answer = connection.recv_bytes()
        if answer[:1] == _PROBLEM:
            raise NmtError(*JSON.unpack(answer[1:]))
        return self.results.unpack(answer[1:])

    def _start(self) -> None:
        fork = get_context("fork")
        for _ in range(self.count):
            parent, child = fork.Pipe()
            inherited = [*self.connections, parent]  # the parent's ends of all pipes so far
            process = fork.Process(target=_serve, args=(child, self, inherited), daemon=True)
            process.start()
            child.close()
            self.connections.append(parent)
            self.processes.append(process)


def _serve(connection: Connection, workers: Workers, inherited: Sequence[Connection]) -> None:
    """Work in a child process until its pipe is closed."""
    for end in inherited:
        end.close()  # so that the pipe of a worker is closed when the parent dies
    for number in stopping_signals():  # the parent handles the others
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    while True:
        try:
            item = workers.items.unpack(connection.recv_bytes())
            try:
                answer = _RESULT + workers.results.pack(workers.work(item))
            except NmtError as error:
                answer = _PROBLEM + JSON.pack([error.problem, error.hint])
            connection.send_bytes(answer)
        except (EOFError, OSError):
            return


@contextmanager
def _reported_death() -> Iterator[None]:
    """Report a closed pipe as the death of its worker."""
    try:
        yield
    except (EOFError, OSError):
        hint = "was there too little memory? use fewer --threads or --batch-tokens"
        raise NmtError("a worker process died", hint) from None


def prefetch(items: Iterator[T], prepare: Callable[[], None]) -> Iterator[T]:
    """Yield the items, each computed in a thread while its predecessor is in use; the thread first calls `prepare`."""
    with ThreadPoolExecutor(max_workers=1, initializer=prepare) as executor:
        following = executor.submit(next, items)
        while True:
            item = following.result()
            following = executor.submit(next, items)
            yield item


def available_threads() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
