"""Files: a line ends at \\n alone, compression is seen in the content, what is written is whole or not there."""

import bz2
import gzip
import hashlib
import io
import logging
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import environment
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import NmtError
from nmt.files import (
    MOST_WARNINGS,
    atomic_directory,
    atomic_write,
    chunks,
    locked,
    open_input,
    read_json,
    read_lines,
    read_text,
    recover_directory,
    sha256,
    write_json,
    write_text,
)

STRANGE = "a\rb\u2028c\u2029d\x85e\ff\vg\0h\x1c\x1d\x1ei"
TEXT = "".join(f"line {i}: Grüße, {STRANGE} 안녕 🙂\n" for i in range(3000)).encode()


def lines_of(path: Path) -> list[bytes]:
    with open_input(path) as stream:
        return list(read_lines(stream, str(path)))


def by_command(*arguments: str) -> bytes:
    return subprocess.run(arguments, input=TEXT, capture_output=True, check=True).stdout


def in_two_members() -> bytes:
    return gzip.compress(TEXT[:1000]) + gzip.compress(TEXT[1000:])


COMPRESSED = {
    "gz": lambda: gzip.compress(TEXT),
    "gz in two members": in_two_members,  # what `cat a.gz b.gz` and bgzip give
    "gzip -1": lambda: by_command("gzip", "-1"),
    "bz2": lambda: bz2.compress(TEXT),
    "bz2 twice": lambda: bz2.compress(TEXT[:1000]) + bz2.compress(TEXT[1000:]),
    "xz": lambda: lzma.compress(TEXT),
    "xz twice": lambda: lzma.compress(TEXT[:1000]) + lzma.compress(TEXT[1000:]),
}


def zstd(content: bytes) -> bytes:
    return pytest.importorskip("backports.zstd").compress(content)


# ---------------------------------------------------------------------------------------------------------------- lines


@given(st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"\0", b"\x0c", b"\xe2\x80\xa8", b"\xc2\x85", b"ab", b"\xff"])))
def test_lines_end_at_newlines_alone(parts: list[bytes]) -> None:
    """Python's text files end lines at \\r too, str.splitlines at U+2028, U+0085, \\f: translations shift by a line."""
    content = b"".join(parts)
    expected = content.split(b"\n")
    if not expected[-1]:  # behind a final newline there is no further line
        expected.pop()
    assert list(read_lines(io.BytesIO(content), "x")) == expected


@given(st.binary())
def test_lines_of_any_bytes_join_to_the_same_bytes(content: bytes) -> None:
    joined = b"".join(line + b"\n" for line in read_lines(io.BytesIO(content), "x"))
    assert joined == (content if content.endswith(b"\n") or not content else content + b"\n")


def test_strange_separators_stay_inside_their_line(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(f"{STRANGE}\nlast, without a newline".encode())
    assert list(read_text(path)) == [STRANGE, "last, without a newline"]


def test_an_empty_file_has_no_lines_and_a_newline_is_one(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"")
    assert list(read_text(path)) == []
    path.write_bytes(b"\n")
    assert list(read_text(path)) == [""]


@given(st.lists(st.integers()), st.integers(1, 5))
def test_chunks_join_to_the_whole(items: list[int], size: int) -> None:
    cut = list(chunks(items, size))
    assert [one for chunk in cut for one in chunk] == items
    assert all(len(chunk) == size for chunk in cut[:-1])
    assert all(1 <= len(chunk) <= size for chunk in cut)


# ---------------------------------------------------------------------------------------------------------- compression


@pytest.mark.parametrize("name", ["text", "text.gz", "text.txt"])
@pytest.mark.parametrize("kind", COMPRESSED)
def test_compression_is_known_by_content_whatever_the_name(tmp_path: Path, kind: str, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(COMPRESSED[kind]())
    assert b"".join(line + b"\n" for line in lines_of(path)) == TEXT


@pytest.mark.skipif(not shutil.which("zstd"), reason="the zstd command makes the file")
def test_zstd_files_are_read(tmp_path: Path) -> None:
    pytest.importorskip("backports.zstd")
    path = tmp_path / "text"
    path.write_bytes(by_command("zstd", "-q"))
    assert b"".join(line + b"\n" for line in lines_of(path)) == TEXT


def test_zstd_without_its_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    path = tmp_path / "text.zst"
    path.write_bytes(b"\x28\xb5\x2f\xfd rest")
    with pytest.raises(NmtError, match=r"text\.zst") as caught:
        lines_of(path)
    assert "pip install" in caught.value.hint


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_an_archive_of_nothing_has_no_lines(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "text"
    path.write_bytes(compress(b""))
    assert lines_of(path) == []


def test_a_text_named_like_an_archive_is_text(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(b"plain\ntext\n")
    assert lines_of(path) == [b"plain", b"text"]


@pytest.mark.parametrize("start", [b"BZh", b"BZhang wrote this", b"\x1f", b"(\xb5"])
def test_a_text_that_begins_almost_like_an_archive_is_text(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "text"
    path.write_bytes(start + b"\nsecond\n")
    assert lines_of(path) == [start, b"second"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_a_truncated_archive_is_an_error_and_not_a_shorter_corpus(tmp_path: Path, kind: str, share: float) -> None:
    """An interrupted download must not become a smaller training set without a word."""
    whole = zstd(TEXT) if kind == "zst" else COMPRESSED[kind]()
    path = tmp_path / f"text.{kind}"
    path.write_bytes(whole[: max(6, min(len(whole) - 1, int(share * len(whole))))])
    with pytest.raises(NmtError, match="cannot read past line"):
        lines_of(path)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_a_corrupted_archive_is_an_nmt_error_or_read_right(tmp_path: Path, kind: str) -> None:
    whole = zstd(TEXT) if kind == "zst" else COMPRESSED[kind]()
    path = tmp_path / f"text.{kind}"
    caught = 0
    for place in range(12, len(whole) - 8, max(1, len(whole) // 40)):
        path.write_bytes(whole[:place] + bytes(255 - byte for byte in whole[place : place + 3]) + whole[place + 3 :])
        try:
            found = lines_of(path)
        except NmtError as error:
            assert str(path) in error.problem
            caught += 1
        else:
            assert kind == "zst" or b"".join(line + b"\n" for line in found) == TEXT  # zstd's checksum is optional
    assert caught


# --------------------------------------------------------------------------------------------------------------- UTF-8


def test_invalid_utf8_is_replaced_with_a_warning_that_names_line_and_byte(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "text"
    path.write_bytes("gut\nGr\xfc\xdfe\nauch gut\n".encode("latin-1"))
    with caplog.at_level(logging.WARNING, logger="nmt"):
        assert list(read_text(path)) == ["gut", "Gr\ufffd\ufffde", "auch gut"]
    (record,) = caplog.records
    assert f"{path}, line 2: invalid UTF-8 at byte 3 (0xfc)" in record.getMessage()


def test_many_lines_of_invalid_utf8_are_told_by_their_number(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xff\n" * 1000)
    with caplog.at_level(logging.WARNING, logger="nmt"):
        assert list(read_text(path)) == ["\ufffd"] * 1000
    *single, last = [record.getMessage() for record in caplog.records]
    assert [f"line {number}:" in message for number, message in enumerate(single, start=1)] == [True] * MOST_WARNINGS
    assert last == f"{path}: invalid UTF-8 in 1000 lines in all"


def test_invalid_utf8_is_refused_when_strict(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"good\nbad \xff\n")
    reader = read_text(path, strict=True)
    assert next(reader) == "good"
    with pytest.raises(NmtError, match="line 2: invalid UTF-8 at byte 5") as caught:
        next(reader)
    assert "--strict" in caught.value.hint


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")))
def test_valid_utf8_comes_through_as_it_is(tmp_path_factory: pytest.TempPathFactory, line: str) -> None:
    path = tmp_path_factory.getbasetemp() / "one line"
    path.write_bytes(b"x" + line.encode() + b"\n")
    assert list(read_text(path, strict=True)) == ["x" + line]


# ----------------------------------------------------------------------------------------------- what cannot be opened


def test_missing_files_and_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(NmtError, match="nothing: no such file"):
        open_input(tmp_path / "nothing")
    with pytest.raises(NmtError, match="is a directory"):
        open_input(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    path.chmod(0)
    with pytest.raises(NmtError, match="secret: Permission denied"):
        open_input(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"3", b"\xff", b'{"a": 1} x', b"[" * 100_000])
def test_what_is_no_json_object_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(NmtError, match=r"config\.json"):
        read_json(path)


def test_json_is_written_readable_and_read_back(tmp_path: Path) -> None:
    value = {"languages": {"source": "한국어"}, "counts": [1, 2.5, None, True]}
    write_json(tmp_path / "x.json", value)
    assert read_json(tmp_path / "x.json") == value
    assert "한국어" in (tmp_path / "x.json").read_text(encoding="utf-8")


def test_a_hash_is_that_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(TEXT)
    assert sha256(tmp_path / "x") == hashlib.sha256(TEXT).hexdigest()


# ------------------------------------------------------------------------------------------------------- atomic writing


def test_a_locked_directory_is_refused_to_others_until_its_holder_ends(tmp_path: Path) -> None:
    """The holder is killed: no lock of a dead process may stand in the way of the next start."""
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"""
import pathlib, time
from nmt.files import locked
with locked(pathlib.Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(60)
""",
        ],
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert holder.stdout
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(NmtError, match="another nmt is at work there"), locked(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with locked(tmp_path), pytest.raises(NmtError, match="another nmt"), locked(tmp_path):
        pass
    with locked(tmp_path / "missing"):
        assert not (tmp_path / "missing").exists()


class Interrupted(Exception):
    """What a test raises in the middle of writing."""


def test_a_file_that_was_not_finished_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
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


def test_a_directory_that_was_not_finished_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
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
    assert [one.name for one in path.iterdir()] == ["inner"]
    assert (path / "inner" / "part").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_replacement_cut_between_its_renames_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed when the old directory has lost its name and the new one has not got it yet."""
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


def test_recovering_changes_nothing_where_nothing_was_cut(tmp_path: Path) -> None:
    path = tmp_path / "model"
    recover_directory(path)
    assert not path.exists()
    with atomic_directory(path) as new:
        write_text(new / "part", "there")
    (tmp_path / ".model.old").mkdir()
    recover_directory(path)
    assert (path / "part").read_text() == "there"
