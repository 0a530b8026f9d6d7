"""Preparing a corpus on many machines: each cleans and tokenizes every n-th chunk, and one puts them together.

    nmt prepare ... --shard 3/8      # on any machine: RUN/data.shards/3-of-8
    nmt prepare ... --merge 8        # when all are there: RUN/data, the same bytes as without shards

A shard is a file of results, each behind its length in eight bytes, after one of JSON that says what it is of.
"""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, TypeVar

from nmt.config import PrepareConfig
from nmt.data.chunks import CHUNK, CleanChunk, pack, unpack
from nmt.errors import NmtError
from nmt.files import atomic_write

T = TypeVar("T")

_HINT = "write it again with --shard, by the same version, with the same files and settings"


class Shards:
    """The shards beside a data directory."""

    def __init__(self, output: Path, config: PrepareConfig, identity: dict[str, object]) -> None:
        """`identity` is what must be the same for shards to be of one whole."""
        self.directory, self.config, self.identity = output.with_name(f"{output.name}.shards"), config, identity

    def own(self, items: Iterable[T]) -> Iterator[T]:
        """Those of all chunks that belong to the shard that is asked for."""
        number, total = self.config.shard_of
        return islice(items, number - 1, None, total)

    def write(self, results: Iterable[CleanChunk], progress: Callable[[int], None]) -> None:
        """Write the shard that is asked for."""
        with atomic_write(self._path(*self.config.shard_of)) as stream:
            _write(stream, self._head())
            for number, result in enumerate(results, start=1):
                _write(stream, pack(result))
                progress(number * CHUNK)

    def read(self) -> Iterator[CleanChunk]:
        """The results of all shards, in the order of the text; NmtError where one is missing or damaged."""
        total = self.config.merge
        paths = [self._path(number, total) for number in range(1, total + 1)]
        missing = [path.name for path in paths if not path.exists()]
        if missing:
            raise NmtError(f"{self.directory}: not all shards are there: {', '.join(missing)}", "prepare --shard i/n")
        streams = [open(path, "rb") for path in paths]
        try:
            for path, stream in zip(paths, streams, strict=True):
                if _read(stream, path) != self._head():
                    raise NmtError(f"{path}: made of other files, or with other settings", _HINT)
            while True:
                for path, stream in zip(paths, streams, strict=True):
                    data = _read(stream, path)
                    if data is None:
                        return
                    yield _unpacked(data, path)
        finally:
            for stream in streams:
                stream.close()

    def remove(self) -> None:
        """Remove the shards that were put together."""
        if self.config.merge:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _head(self) -> bytes:
        return json.dumps(self.identity, sort_keys=True).encode()

    def _path(self, number: int, total: int) -> Path:
        return self.directory / f"{number}-of-{total}"


def _write(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "little") + data)


def _read(stream: IO[bytes], path: Path) -> bytes | None:
    """The next piece; None at the end of the file."""
    size = stream.read(8)
    if not size:
        return None
    length = int.from_bytes(size, "little")
    if len(size) < 8 or length > path.stat().st_size:
        raise NmtError(f"{path}: damaged", _HINT)
    return stream.read(length)


def _unpacked(data: bytes, path: Path) -> CleanChunk:
    try:
        return unpack(data)
    except Exception as error:  # numpy and zipfile have many
        raise NmtError(f"{path}: damaged: {error}", _HINT) from None
