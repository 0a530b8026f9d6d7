"""Output that is written in parts, and continued where it was killed: the same bytes as without an interruption."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from nmt.errors import NmtError
from nmt.files.atomic import is_stream
from nmt.files.json import read_json, write_json


class ResumableFiles:
    """Files that appear under their names when complete; hidden beside them, what was written so far and a state.

    `made_by` says how they are made: what was written with other settings is discarded. `state` is what the last
    `commit` saved, empty at the start. Streams, such as /dev/stdout, cannot be continued.
    """

    def __init__(self, paths: Sequence[Path], made_by: Mapping[str, Any]) -> None:
        """Raises NmtError where a file cannot be written."""
        self.paths, self.made_by = paths, dict(made_by)
        self.parts = [path if is_stream(path) else path.with_name(f".{path.name}.part") for path in paths]
        self.state_file = paths[0].with_name(f".{paths[0].name}.state")
        self.state: dict[str, Any] = {}
        self.stack, self.streams = ExitStack(), list[BinaryIO]()

    def __enter__(self) -> "ResumableFiles":
        sizes = [0] * len(self.paths)
        resumes = not any(map(is_stream, self.paths)) and self.state_file.exists()
        if resumes and (saved := read_json(self.state_file)).get("made_by") == self.made_by:
            sizes, self.state = saved["sizes"], saved["state"]
        for path, part, size in zip(self.paths, self.parts, sizes, strict=True):
            if path.is_dir():
                raise NmtError(f"{path}: is a directory", "name a file")
            path.parent.mkdir(parents=True, exist_ok=True)
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
        for stream in self.streams:
            stream.flush()
        if not any(map(is_stream, self.paths)):
            for stream in self.streams:
                os.fsync(stream.fileno())
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
