"""Output that is written in parts, and continued where it was killed: the same bytes as without an interruption."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from nmt.errors import NmtError
from nmt.files.atomic import is_stream, named_errors
from nmt.files.json import read_json, write_json
from nmt.files.lock import locked_file


class ResumableFiles:
    """Files that appear under their names when complete; hidden beside them, what was written so far and a state.

    `made_by` says how they are made: what was written with others is discarded, and everything where it is None.
    `state` is what the last `commit` saved, empty at the start. Streams, such as /dev/stdout, cannot be continued.
    """

    def __init__(self, paths: Sequence[Path], made_by: Mapping[str, Any] | None) -> None:
        """Raises NmtError where a file cannot be written, or another process writes it."""
        self.paths, self.made_by = paths, made_by
        self.resumable = made_by is not None and not any(map(is_stream, paths))
        self.parts = [path if is_stream(path) else path.with_name(f".{path.name}.part") for path in paths]
        self.state_file = paths[0].with_name(f".{paths[0].name}.state")
        self.state: dict[str, Any] = {}
        self.stack, self.streams = ExitStack(), list[BinaryIO]()

    def __enter__(self) -> "ResumableFiles":
        sizes = [0] * len(self.paths)
        for path, part in zip(self.paths, self.parts, strict=True):
            if path.is_dir():
                raise NmtError(f"{path}: is a directory", "name a file")
            path.parent.mkdir(parents=True, exist_ok=True)
            if part != path:
                self.stack.enter_context(locked_file(part, f"{path}: being written", "name another file"))
        if self.resumable and self.state_file.exists():
            saved = read_json(self.state_file)
            if saved.get("made_by") == self.made_by:
                sizes, self.state = saved["sizes"], saved["state"]
        for path, part, size in zip(self.paths, self.parts, sizes, strict=True):
            self.stack.enter_context(named_errors(path))  # of closing it
            stream = self.stack.enter_context(open(part, "ab"))
            if part != path:
                stream.truncate(size)
            self.streams.append(stream)
        return self

    def written(self, index: int) -> Path:
        """What was written so far to a file."""
        return self.parts[index]

    def commit(self, state: Mapping[str, Any]) -> None:
        """Make what was written durable, with the state in which to continue."""
        for stream, path in zip(self.streams, self.paths, strict=True):
            with named_errors(path):
                stream.flush()
                if self.resumable:
                    os.fsync(stream.fileno())
        if self.resumable:
            sizes = [stream.tell() for stream in self.streams]
            write_json(self.state_file, {"made_by": self.made_by, "sizes": sizes, "state": dict(state)})

    def finish(self) -> None:
        """Give the files their names."""
        self.stack.close()
        for path, part in zip(self.paths, self.parts, strict=True):
            if part != path:
                part.replace(path)
        self.state_file.unlink(missing_ok=True)

    def __exit__(self, *_: object) -> None:
        self.stack.close()
        if not self.state_file.exists():  # nothing to continue
            for path, part in zip(self.paths, self.parts, strict=True):
                if part != path:
                    part.unlink(missing_ok=True)
