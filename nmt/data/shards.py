"""Shards: prepare a corpus on many machines, each of which cleans and tokenizes every n-th block.

    nmt prepare ... --shard 3/8      # on any machine: RUN/data.shards/3-of-8
    nmt prepare ... --merge 8        # with all shards: RUN/data, the same bytes as without shards

A shard is a file of records, each after its length in eight bytes: JSON that identifies the corpus, then blocks.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from nmt.config.corpus import PrepareConfig
from nmt.data.cleaning import BLOCK, CleanedBlock, pack, unpack
from nmt.errors import NmtError
from nmt.files.atomic import atomic_write

T = TypeVar("T")

_HINT = "write it again with --shard, with the same version, files and settings"


class Shards:
    """The shards of a data directory, beside it."""

    def __init__(self, output: Path, config: PrepareConfig, identity: dict[str, object]) -> None:
        """`identity` is what all shards of a corpus have in common."""
        self.directory, self.config = output.with_name(f"{output.name}.shards"), config
        self.head = json.dumps(identity, sort_keys=True).encode()

    def select(self, blocks: Iterable[T]) -> Iterator[T]:
        """The blocks of the configured shard."""
        number, total = self.config.shard_of
        return islice(blocks, number - 1, None, total)

    def write(self, blocks: Iterable[CleanedBlock], progress: Callable[[int], None]) -> None:
        """Write the configured shard."""
        with atomic_write(self._path(*self.config.shard_of)) as stream:
            _write(stream, self.head)
            for number, block in enumerate(blocks, start=1):
                _write(stream, pack(block))
                progress(number * BLOCK)

    def read(self) -> Iterator[CleanedBlock]:
        """The blocks of all shards in the order of the corpus; NmtError where a shard is missing or damaged."""
        total = self.config.merge
        paths = [self._path(number, total) for number in range(1, total + 1)]
        if missing := [path.name for path in paths if not path.exists()]:
            raise NmtError(f"{self.directory}: missing shards: {', '.join(missing)}", "write them with --shard")
        with ExitStack() as stack:
            shards = [(path, stack.enter_context(open(path, "rb"))) for path in paths]
            for path, stream in shards:
                if _read(stream, path) != self.head:
                    raise NmtError(f"{path}: made from other files or with other settings", _HINT)
            while True:
                for path, stream in shards:
                    record = _read(stream, path)
                    if record is None:
                        return
                    try:
                        block = unpack(record)
                    except Exception as error:  # of numpy or zipfile
                        raise NmtError(f"{path}: damaged: {error}", _HINT) from None
                    yield block

    def remove(self) -> None:
        """Remove merged shards."""
        if self.config.merge:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _path(self, number: int, total: int) -> Path:
        return self.directory / f"{number}-of-{total}"


def _write(stream: IO[bytes], record: bytes) -> None:
    stream.write(len(record).to_bytes(8, "little") + record)


def _read(stream: IO[bytes], path: Path) -> bytes | None:
    """The next record; None at the end of the file."""
    size = stream.read(8)
    length = int.from_bytes(size, "little")
    if 0 < len(size) < 8 or length > path.stat().st_size:
        raise NmtError(f"{path}: damaged", _HINT)
    return stream.read(length) if size else None
