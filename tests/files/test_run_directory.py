"""The names of a run: spelled as the documentation has them, and checkpoints in the order of their steps."""

from pathlib import Path

import pytest

from nmt.files.atomic import atomic_directory
from nmt.files.run_directory import (
    RunDirectory,
    checkpoint_name,
    held_out_text,
    is_data,
    is_model,
    list_checkpoints,
)

NAMES = {
    "data": "data",
    "model": "model",
    "checkpoints": "checkpoints",
    "metrics": "metrics.jsonl",
    "settings": "config.toml",
    "tensorboard": "tensorboard",
    "translation": "eval/test.translation",
    "scores": "eval/test.json",
}
"""As in docs and in the runs of users: a renamed file would make their runs unreadable."""


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_names_are_those_of_the_documentation(name: str, expected: str) -> None:
    assert getattr(RunDirectory(Path("run")), name) == Path("run") / expected


def test_held_out_sets_have_a_text_for_each_side() -> None:
    run = RunDirectory(Path("run"))
    assert run.held_out("valid", "source") == Path("run/data/valid.source")
    assert run.held_out("test", "target") == held_out_text(Path("run/data"), "test", "target")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], False),
        (["tokenizer.model"], True),
        (["tokenizer.source.model", "tokenizer.target.model"], True),
        (["tokenizer.target.model"], False),  # half of a pair
        (["tokenizer.json"], False),
    ],
)
def test_a_run_has_a_tokenizer_by_its_files(tmp_path: Path, names: list[str], expected: bool) -> None:
    for name in names:
        (tmp_path / name).touch()
    assert RunDirectory(tmp_path).has_tokenizer() is expected


def test_models_and_data_are_recognized_by_their_descriptions(tmp_path: Path) -> None:
    assert not is_model(tmp_path)
    assert not is_data(tmp_path)
    (tmp_path / "config.json").touch()
    assert (is_model(tmp_path), is_data(tmp_path)) == (True, False)
    (tmp_path / "data.json").touch()
    assert is_data(tmp_path)
    assert not is_model(tmp_path / "missing")


@pytest.mark.parametrize(("step", "name"), [(0, "step-000000"), (500, "step-000500"), (1_234_567, "step-1234567")])
def test_checkpoints_are_named_by_their_steps(step: int, name: str) -> None:
    assert checkpoint_name(step) == name


def test_checkpoints_are_listed_by_step_and_not_by_name(tmp_path: Path) -> None:
    """By name, step-1000000 would come before step-999999, and training would resume from the older one."""
    steps = [1_000_000, 20, 999_999, 100]
    for step in steps:
        (tmp_path / checkpoint_name(step)).mkdir()
    assert [path.name for path in list_checkpoints(tmp_path)] == [checkpoint_name(step) for step in sorted(steps)]


def test_only_whole_checkpoints_are_listed(tmp_path: Path) -> None:
    """Nor is one that is half written, which has a hidden name until it is whole."""
    (tmp_path / "step-000010").mkdir()
    for name in ("step-", "step-x", "step-000020.old", ".step-000030.tmp", "old-step-000040", "latest"):
        (tmp_path / name).mkdir()
    (tmp_path / "step-000050").touch()
    with atomic_directory(tmp_path / "step-000060"):
        assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000010"]
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000010", "step-000060"]


def test_a_run_without_checkpoints_has_none(tmp_path: Path) -> None:
    assert list_checkpoints(tmp_path) == list_checkpoints(tmp_path / "checkpoints") == []
