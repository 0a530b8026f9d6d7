"""Output that is written in parts, and continued where it was killed: the same bytes as without an interruption."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, BinaryIO

from nmt.errors import NmtError
from nmt.files.atomic import is_stream, named_errors
from nmt.files.json import read_json, write_json
from nmt.files.lock import locked_file

logger = logging.getLogger("nmt")


class ResumableFiles:
    """Files that appear under their names when complete; hidden beside them, what was written so far and a state.

    `made_by` says how they are made: what was written with others is discarded, and everything where it is None.
    `state` is what the last `commit` saved, empty at the start. Streams, such as /dev/stdout, cannot be continued.
    """

    def __init__(self, paths: Sequence[Path], made_by: Mapping[str, Any] | None) -> None:
        """Raises NmtError where a file cannot be written, or another process writes it."""
        paths = [path.resolve() if path.is_symlink() and not is_stream(path) else path for path in paths]
        self.paths, self.made_by = paths, made_by
        self.parts = {path: path.with_name(f".{path.name}.part") for path in paths if not is_stream(path)}
        self.resumable = made_by is not None and len(self.parts) == len(paths)
        self.state_file = paths[0].with_name(f".{paths[0].name}.state")
        self.state: dict[str, Any] = {}
        self.stack, self.streams = ExitStack(), list[BinaryIO]()

    def __enter__(self) -> "ResumableFiles":
        for path, part in self.parts.items():
            if path.is_dir():
                raise NmtError(f"{path}: is a directory", "name a file")
            path.parent.mkdir(parents=True, exist_ok=True)
            self.stack.enter_context(locked_file(part, f"{path}: being written", "name another file"))
        sizes = self._continued()
        for path in self.paths:
            self.stack.enter_context(named_errors(path))  # of closing it
            stream = self.stack.enter_context(open(self.parts.get(path, path), "ab"))
            if path in self.parts:
                stream.truncate(sizes.get(str(path), 0))
            self.streams.append(stream)
        return self

    def _continued(self) -> dict[str, int]:
        """The sizes of the parts to continue with the saved state; empty, and no state left, where there are none."""
        if not self.parts or not self.state_file.exists():
            return {}
        saved: dict[str, Any] = {}
        with suppress(NmtError):  # it is damaged
            saved = read_json(self.state_file)
        sizes = saved.get("sizes", {})
        written = {str(path): part.stat().st_size for path, part in self.parts.items() if part.exists()}
        complete = sizes.keys() == written.keys() and all(written[path] >= size for path, size in sizes.items())
        if self.resumable and complete and saved.get("made_by") == self.made_by:
            self.state = saved["state"]
            return dict(sizes)
        logger.warning("%s: starts anew; what was written so far is not of the same files and options", self.paths[0])
        self.state_file.unlink()  # it says nothing of what is written from here on
        return {}

    def written(self, index: int) -> Path:
        """What was written so far to a file."""
        return self.parts[self.paths[index]]

    def write(self, index: int, line: str) -> None:
        """Write a line to a file."""
        with named_errors(self.paths[index]):
            self.streams[index].write(f"{line}\n".encode("utf-8", "replace"))

    def commit(self, state: Mapping[str, Any]) -> None:
        """Make what was written durable, with the state in which to continue."""
        for stream, path in zip(self.streams, self.paths, strict=True):
            with named_errors(path):
                stream.flush()
                if self.resumable:
                    os.fsync(stream.fileno())
        if self.resumable:
            sizes = {str(path): stream.tell() for path, stream in zip(self.paths, self.streams, strict=True)}
            write_json(self.state_file, {"made_by": self.made_by, "sizes": sizes, "state": dict(state)})

    def finish(self) -> None:
        """Give the files their names."""
        self.stack.close()
        for path, part in self.parts.items():
            part.replace(path)
        if self.parts:
            self.state_file.unlink(missing_ok=True)

    def __exit__(self, *_: object) -> None:
        self.stack.close()
        if not self.state_file.exists():  # nothing to continue
            for part in self.parts.values():
                part.unlink(missing_ok=True)
