"""Processes that share out the work of a stream: copies of this one, each with one processor core.

Threads would wait for each other: between two operations each needs Python's one lock, and being woken takes as long
as a short operation. A process that is forked shares the memory of what is there; work and results go through pipes.
"""

import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from nmt.errors import NmtError

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

T = TypeVar("T")

_RESULT, _PROBLEM = b"+", b"-"

Work = Callable[[Any], Any]
"""What is to be done with an item."""


class Packing(NamedTuple):
    """How items or results become bytes, and how these become what they were."""

    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


def _to_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _of_json(data: bytes) -> Any:
    return json.loads(data.decode("utf-8", "surrogatepass"))


JSON = Packing(_to_json, _of_json)


def processes(wanted: int) -> int:
    """How many processes can share out work here."""
    return wanted if sys.platform == "linux" else 1


class Workers:
    """So many processes that do the same work on different items; the caller alone, where one is enough."""

    def __init__(self, work: Work, count: int, items: Packing = JSON, results: Packing = JSON) -> None:
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
        """The result for each item, in order; items are taken as there are processes for them."""
        todo = iter(items)
        first = list(islice(todo, 2))
        if self.count < 2 or len(first) < 2:
            yield from map(self.work, chain(first, todo))
            return
        if not self.connections:
            self._start()
        yield from self._share_out(chain(first, todo))

    def _share_out(self, todo: Iterator[Any]) -> Iterator[Any]:
        packed = (self.items.pack(item) for item in todo)
        working, done, sent = dict[Connection, int](), dict[int, Any](), 0
        idle = list(self.connections)
        following = next(packed, None)
        for index in count():
            while index not in done:
                while idle and following is not None:
                    working[idle[-1]] = sent
                    _send(idle.pop(), following)
                    following, sent = next(packed, None), sent + 1  # so that no process waits for the next to be made
                if not working:
                    return
                for ready in wait(list(working)):
                    connection = cast("Connection", ready)
                    done[working.pop(connection)] = self._receive(connection)
                    idle.append(connection)
            yield done.pop(index)

    def _receive(self, connection: Connection) -> Any:
        try:
            answer = connection.recv_bytes()
        except (EOFError, OSError):
            raise _lost() from None
        if answer[:1] == _PROBLEM:
            raise NmtError(*_of_json(answer[1:]))
        return self.results.unpack(answer[1:])

    def _start(self) -> None:
        fork = get_context("fork")
        for _ in range(self.count):
            ours, theirs = fork.Pipe()
            # a copy of this process holds the parent's ends of the pipes so far, too
            process = fork.Process(target=_serve, args=(theirs, self, [*self.connections, ours]), daemon=True)
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)


def _serve(connection: Connection, workers: Workers, of_parent: Sequence[Connection]) -> None:
    """Work until there is nothing more to read."""
    for one in of_parent:
        one.close()  # so that a worker whose parent is gone sees the end of its pipe
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it as well
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    while True:
        try:
            item = workers.items.unpack(connection.recv_bytes())
            try:
                answer = _RESULT + workers.results.pack(workers.work(item))
            except NmtError as error:
                answer = _PROBLEM + _to_json([error.problem, error.hint])
            connection.send_bytes(answer)
        except (EOFError, OSError):
            return


def _send(connection: Connection, item: bytes) -> None:
    try:
        connection.send_bytes(item)
    except OSError:
        raise _lost() from None


def _lost() -> NmtError:
    return NmtError("a worker process has gone", "was there too little memory? use fewer --threads or --batch-tokens")


def one_ahead(items: Iterator[T], prepare: Callable[[], None]) -> Iterator[T]:
    """Items as they come; each is made by a thread of its own, after `prepare`, while the one before it is used."""
    with ThreadPoolExecutor(max_workers=1, initializer=prepare) as executor:
        following = executor.submit(next, items)
        while True:
            item = following.result()
            following = executor.submit(next, items)
            yield item
