"""Output that is continued where it was interrupted, and only that."""

from pathlib import Path

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
