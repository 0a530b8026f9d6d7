"""Atomic writes: a file or directory is complete or not there, and errors name it."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import environment

from nmt.errors import NmtError
from nmt.files.atomic import (
    append_text,
    atomic_directory,
    atomic_write,
    recover_directory,
    was_interrupted,
    write_text,
)

FULL = Path("/dev/full")  # each write to it fails as on a full disk


class Interrupted(Exception):
    """Raised in the middle of writing."""


def test_an_unfinished_file_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(path, "old")

    def fail() -> None:
        with atomic_write(path) as stream:
            stream.write(b"new, and only ha")
            stream.flush()
            raise Interrupted

    with pytest.raises(Interrupted):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    with atomic_write(path) as stream:
        stream.write(b"content")
        stream.flush()
        assert not path.exists()
    assert path.read_bytes() == b"content"
    assert list(path.parent.iterdir()) == [path]


def test_an_unfinished_directory_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with atomic_directory(path) as new:
        write_text(new / "part", "old")

    def fail() -> None:
        with atomic_directory(path) as new:
            write_text(new / "part", "new")
            raise Interrupted

    with pytest.raises(Interrupted):
        fail()
    assert (path / "part").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with atomic_directory(path) as new:
        write_text(new / "only in the old one", "")
    with atomic_directory(path) as new:
        write_text(new / "inner" / "part", "new")
        assert (path / "only in the old one").exists()
    assert [part.name for part in path.iterdir()] == ["inner"]
    assert (path / "inner" / "part").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_killed_between_its_renames_is_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At that instant neither the old directory nor the new one has the name."""
    path = tmp_path / "model"
    with atomic_directory(path) as new:
        write_text(new / "part", "old")
    replace = Path.replace

    def killed_on_the_second(self: Path, target: Path) -> Path:
        if target == path:
            raise Interrupted
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed_on_the_second)
    with pytest.raises(Interrupted), atomic_directory(path) as new:
        (new / "part").write_text("new")
    monkeypatch.undo()
    assert not path.exists()
    recover_directory(path)
    assert (path / "part").read_text() == "old"


def test_a_directory_replaces_a_file_and_is_written_through_a_link(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.write_text("a file", "utf-8")
    (tmp_path / "link").symlink_to(path)
    for text in ("first", "second"):
        with atomic_directory(tmp_path / "link") as new:
            write_text(new / "part", text)
        assert (path / "part").read_text("utf-8") == text
    assert sorted(tmp_path.iterdir()) == [tmp_path / "link", path]


def test_the_current_directory_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path / "model")
    recover_directory(Path())
    assert not was_interrupted(Path())
    (tmp_path / ".model.tmp").mkdir()
    assert was_interrupted(Path())


def test_recovering_changes_nothing_where_nothing_was_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "model"
    recover_directory(path)
    assert not path.exists()
    with atomic_directory(path) as new:
        write_text(new / "part", "there")
    (tmp_path / ".model.old").mkdir()
    recover_directory(path)
    assert (path / "part").read_text() == "there"


# -------------------------------------------------------------------------------------------- what must not be replaced


def test_a_directory_is_not_replaced_by_a_file(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="is a directory"), atomic_write(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_an_interruption_shows_until_the_directory_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "data"
    assert not was_interrupted(path)
    with atomic_directory(path):
        assert was_interrupted(path)
    assert not was_interrupted(path)
    (tmp_path / ".data.tmp" / "half").mkdir(parents=True)
    assert was_interrupted(path)
    with atomic_directory(path) as new:
        assert list(new.iterdir()) == []
    assert not was_interrupted(path)


# ---------------------------------------------------------------------------------------------- pipes and full disks


def test_a_pipe_is_written_to_directly(tmp_path: Path) -> None:
    """`--output >(gzip > file.gz)`: replacing the pipe by a file would leave its reader waiting."""
    pipe, received = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    write_text(pipe, "through the pipe")
    reader.join(timeout=10)
    assert received == [b"through the pipe"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_text(tmp_path / "link", "through the link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "through the link"


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="there are no names of open files")
def test_standard_output_is_written_to_where_it_leads(tmp_path: Path) -> None:
    """`nmt report --html /dev/stdout >> page`: /dev is no place for a temporary file."""
    (tmp_path / "page").write_text("before, ")
    code = "from pathlib import Path; from nmt.files.atomic import write_text; write_text(Path('/dev/stdout'), 'after')"
    with open(tmp_path / "page", "a") as page:
        subprocess.run([sys.executable, "-c", code], stdout=page, check=True, env=environment())
    assert (tmp_path / "page").read_text() == "before, after"


@pytest.mark.skipif(not FULL.exists(), reason="Linux has a device that is always full")
@pytest.mark.parametrize("write", [write_text, append_text])
def test_a_full_disk_is_reported_with_the_name_of_the_file(write: Callable[[Path, str], None]) -> None:
    """The error itself has none: `No space left on device` of a program that writes ten files helps nobody."""
    with pytest.raises(OSError, match="No space left on device") as caught:
        write(FULL, "x" * 100_000)
    assert caught.value.filename == str(FULL)


def test_text_is_appended_as_utf8(tmp_path: Path) -> None:
    append_text(tmp_path / "log", "안녕\n")
    append_text(tmp_path / "log", "Grüße\n")
    assert (tmp_path / "log").read_bytes() == "안녕\nGrüße\n".encode()
