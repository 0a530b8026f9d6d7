"""Text files: a line ends at \\n alone, compression is recognized by content, invalid UTF-8 is reported."""

import bz2
import gzip
import io
import logging
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import NmtError
from nmt.files.lines import MOST_WARNINGS, STDIN, batched, open_input, read_blocks, read_lines, read_start, read_text

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
    "gz in two members": in_two_members,  # as `cat a.gz b.gz` and bgzip write it
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
    if not expected[-1]:  # after a final newline there is no further line
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
def test_batches_join_to_the_whole(items: list[int], size: int) -> None:
    batches = list(batched(items, size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(1 <= len(batch) <= size for batch in batches)


# ---------------------------------------------------------------------------------------------------------- compression


@pytest.mark.parametrize("name", ["text", "text.gz", "text.txt"])
@pytest.mark.parametrize("kind", COMPRESSED)
def test_compression_is_recognized_by_content_whatever_the_name(tmp_path: Path, kind: str, name: str) -> None:
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
def test_an_empty_archive_has_no_lines(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
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
    """An interrupted download must not silently become a smaller training set."""
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
            lines = lines_of(path)
        except NmtError as error:
            assert str(path) in error.problem
            caught += 1
        else:
            assert kind == "zst" or b"".join(line + b"\n" for line in lines) == TEXT  # zstd's checksum is optional
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


def test_many_lines_of_invalid_utf8_are_summed_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xff\n" * 1000)
    with caplog.at_level(logging.WARNING, logger="nmt"):
        assert list(read_text(path)) == ["\ufffd"] * 1000
    *single, last = [record.getMessage() for record in caplog.records]
    assert [f"line {number}:" in message for number, message in enumerate(single, start=1)] == [True] * MOST_WARNINGS
    assert last == f"{path}: invalid UTF-8 in 1,000 lines in all"


def test_a_single_line_is_counted_in_the_singular(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The byte order mark of UTF-16 is the only thing in this file that is not UTF-8."""
    path = tmp_path / "text"
    path.write_bytes("Brot\nund Butter\n".encode("utf-16"))
    with caplog.at_level(logging.WARNING, logger="nmt"):
        list(read_text(path))
    assert caplog.messages[-1] == f"{path}: invalid UTF-8 in 1 line in all"


def test_invalid_utf8_is_refused_when_strict(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"good\nbad \xff\n")
    reader = read_text(path, strict=True)
    assert next(reader) == "good"
    with pytest.raises(NmtError, match="line 2: invalid UTF-8 at byte 5") as caught:
        next(reader)
    assert "--strict" in caught.value.hint


def test_a_file_in_another_encoding_gets_one_warning_with_the_conversion(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lines = ["Cost: 5", "Die Möwe fraß den Käse.", "Übermut tut selten gut."] * 100
    path = tmp_path / "text"
    path.write_bytes("\n".join(lines).encode("latin-1"))
    assert len(list(read_text(path))) == 300
    first, last = caplog.messages
    assert "line 2: invalid UTF-8 at byte 6 (0xf6)" in first
    assert first.endswith("probably WINDOWS-1252; convert it: iconv -f WINDOWS-1252 -t UTF-8")
    assert last == f"{path}: invalid UTF-8 in 200 lines in all"
    with pytest.raises(NmtError) as caught:
        list(read_text(path, strict=True))
    assert "iconv -f WINDOWS-1252 -t UTF-8, or leave out --strict" in caught.value.hint


def test_utf_16_is_named_even_where_it_is_valid_utf8(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "text"
    path.write_bytes("a plain line\nand another\n".encode("utf-16-le"))
    list(read_text(path))
    assert caplog.messages == [f"{path}: probably UTF-16LE; convert it: iconv -f UTF-16LE -t UTF-8"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_belongs_to_no_line(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "text"
    path.write_bytes(pack("\ufeffeins\n\ufeffzwei".encode()))
    assert list(read_text(path)) == ["eins", "\ufeffzwei"]


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


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for path in (None, Path("-")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"one\n\xfftwo")))
        assert list(read_text(path)) == ["one", "\ufffdtwo"]
    assert caplog.messages == ["standard input, line 2: invalid UTF-8 at byte 1 (0xff); replaced by U+FFFD"] * 2


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_standard_input_is_decompressed_and_its_start_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pack(b"one\ntwo\n"))))
    assert read_start(STDIN) == b"one\ntwo\n"
    assert read_start(STDIN) == b"one\ntwo\n"
    assert list(read_text(None)) == ["one", "two"]
    with pytest.raises(NmtError, match="standard input is closed, or was read already"):
        open_input(STDIN)


def test_a_line_is_read_before_the_next_one_is_written() -> None:
    """`nmt translate --line-buffered` in a conversation: whoever writes the lines waits for the answers."""
    reader, writer = os.pipe()
    os.write(writer, b"one\n")
    lines = read_text(Path(f"/dev/fd/{reader}"))
    assert next(lines) == "one"
    os.write(writer, b"two\n")
    assert next(lines) == "two"
    os.close(writer)
    assert list(lines) == []
    os.close(reader)


@pytest.mark.parametrize("name", ["corpus.zip", "corpus.tar", "noname"])
def test_an_archive_is_refused_by_content(tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("ein Hund\n", encoding="utf-8")
    path = tmp_path / name
    if name.endswith("tar"):
        with tarfile.open(path, "w") as archive:
            archive.add(tmp_path / "text", "text")
    else:
        with zipfile.ZipFile(path, "w") as packed:
            packed.write(tmp_path / "text")
    with pytest.raises(NmtError, match=f"{name}: is a (zip|tar) archive") as caught:
        list(read_text(path))
    assert caught.value.hint == "unpack it, and give the files that are in it"


def test_text_may_begin_like_an_archive(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"PK is a postal code\nRar! he cried\n")
    assert list(read_text(tmp_path / "text")) == ["PK is a postal code", "Rar! he cried"]


# --------------------------------------------------------------------------------------------------------------- blocks


def test_blocks_join_to_the_bytes_of_a_decompressed_file(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(TEXT))
    blocks = list(read_blocks(path))
    assert len(blocks) > 1
    assert b"".join(blocks) == TEXT


def test_blocks_of_a_truncated_archive_end_in_an_error(tmp_path: Path) -> None:
    path = tmp_path / "text.gz"
    path.write_bytes(gzip.compress(TEXT)[:-100])
    with pytest.raises(NmtError, match=r"text\.gz: cannot be read to its end"):
        list(read_blocks(path))
