"""The lock on a run: one process at a time, and no lock outlives its process."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

from nmt.errors import NmtError
from nmt.files.lock import locked

HOLD = """
import pathlib, sys, time
from nmt.files.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""

FORK = """
import os, pathlib, sys, time
from nmt.files.lock import locked
started, start = os.pipe()
with locked(pathlib.Path(sys.argv[1])):
    if os.fork() == 0:
        os.write(start, b"x")
        time.sleep(60)
        os._exit(0)
    os.read(started, 1)
print("released", flush=True)
os._exit(0)
"""


def start(program: str, directory: Path) -> tuple["subprocess.Popen[bytes]", bytes]:
    """A process and its first line of output."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(directory)], stdout=subprocess.PIPE, env=environment(), process_group=0
    )
    assert process.stdout
    return process, process.stdout.readline()


def test_a_locked_directory_is_refused_to_others_until_its_holder_is_killed(tmp_path: Path) -> None:
    """A lock that outlives its process would keep the next training from starting."""
    holder, line = start(HOLD, tmp_path)
    assert line == b"held\n"
    with pytest.raises(NmtError, match="in use by another nmt process") as caught, locked(tmp_path):
        pass
    assert str(tmp_path) in caught.value.problem
    assert "--run" in caught.value.hint
    holder.kill()
    holder.communicate()
    with locked(tmp_path), pytest.raises(NmtError, match="in use"), locked(tmp_path):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_worker_that_outlives_its_parent_does_not_keep_the_lock(tmp_path: Path) -> None:
    parent, line = start(FORK, tmp_path)
    try:
        assert line == b"released\n"
        with locked(tmp_path):
            pass
    finally:
        os.killpg(parent.pid, 9)
        parent.communicate()


def test_a_directory_that_does_not_exist_is_not_locked_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "missing"
    with locked(path), locked(path):
        assert not path.exists()


def test_an_error_inside_releases_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    with locked(tmp_path):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="fcntl is for Unix")
def test_a_file_system_without_locks_is_used_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some network file systems have none: training there must still be possible."""
    import fcntl

    def fail(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", fail)
    with locked(tmp_path), locked(tmp_path):
        pass
