"""Output that is continued where it was interrupted, and only that."""

from pathlib import Path

import pytest

from nmt.files.resumable import ResumableFiles


def test_what_was_committed_is_continued(tmp_path: Path) -> None:
    path, made_by = tmp_path / "out", {"made": "alike"}
    with ResumableFiles([path], made_by) as files:
        files.write(0, "one")
        files.commit({"done": 1})
        files.write(0, "lost")
    with ResumableFiles([path], made_by) as files:
        assert files.state == {"done": 1}
        files.write(0, "two")
        files.finish()
    assert path.read_text() == "one\ntwo\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_is_not_continued_once_others_wrote_there(tmp_path: Path) -> None:
    """Their lines would be taken for what the state counts, or zeros fill up the file."""
    path, made_by = tmp_path / "out", {"made": "first"}
    for other in ({"made": "otherwise"}, None):
        with ResumableFiles([path], made_by) as files:
            files.write(0, "one")
            files.commit({"done": 1})
        with ResumableFiles([path], other) as files:
            files.write(0, "other")
        with ResumableFiles([path], made_by) as files:
            assert files.state == {}
            files.write(0, "one")
            files.finish()
        assert path.read_text() == "one\n"


@pytest.mark.parametrize("change", ["renamed", "removed", "shortened", "damaged state", "other files"])
def test_what_is_not_all_there_is_not_continued(tmp_path: Path, change: str, caplog: pytest.LogCaptureFixture) -> None:
    """Killed between the renames of the end, for example: zeros would fill up the files."""
    paths, made_by = [tmp_path / "out", tmp_path / "rejects"], {"made": "alike"}
    with ResumableFiles(paths, made_by) as files:
        files.write(0, "one")
        files.write(1, "two")
        files.commit({"done": 1})
        part = files.written(1)
    match change:
        case "renamed":
            part.replace(paths[1])
        case "removed":
            part.unlink()
        case "shortened":
            part.write_text("t")
        case "damaged state":
            files.state_file.write_text("{")
        case "other files":
            paths[1] = tmp_path / "others"
    with ResumableFiles(paths, made_by) as files:
        assert files.state == {}
        files.write(0, "once more")
        files.finish()
    assert "starts anew" in caplog.text
    assert paths[0].read_text() == "once more\n"
    assert paths[1].read_text() == ""


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    with ResumableFiles([tmp_path / "link"], None) as files:
        files.write(0, "one")
        files.finish()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "one\n"
