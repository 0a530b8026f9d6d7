"""`nmt info`: run, model and data directories are recognized and described by what their files hold."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Program
from safetensors.numpy import load_file

from nmt.files.run_directory import RunDirectory
from nmt.runs.info import describe, training_state


@pytest.fixture
def trained(run_copy: Path) -> Path:
    """A run with two checkpoints, of which the older one is the better."""
    for step, ranking in ((5, []), (10, [[34.5, -1.5, 5], [30.0, -2.0, 10]])):
        directory = run_copy / "checkpoints" / f"step-{step:06d}"
        directory.mkdir(parents=True)
        state = {"format": 1, "step": step, "epoch": 2, "batch": 7, "seconds": 1.5, "skipped": 0, "ranking": ranking}
        (directory / "state.json").write_text(json.dumps(state), "utf-8")
    return run_copy


def test_a_run_is_described_in_three_sections(trained: Path) -> None:
    description = describe(trained)
    assert list(description) == ["model", "data", "training"]
    assert description["training"] == {
        "checkpoints": ["step-000005", "step-000010"],
        "newest": {"step": 10, "epoch": 2, "seconds": 1.5, "skipped": 0},
        "best": [{"step": 5, "score": 34.5}, {"step": 10, "score": 30.0}],
    }


def test_the_parameters_of_a_model_are_those_of_its_file(run: Path) -> None:
    model = describe(run)["model"]
    tensors = load_file(run / "model" / "model.safetensors")
    assert model["parameters"] == sum(tensor.size for tensor in tensors.values())
    assert model["bytes"] == sum(path.stat().st_size for path in (run / "model").iterdir())
    assert (model["dim"], model["encoder_layers"], model["made"]) == (16, 1, {"step": 0})


def test_data_are_counted_with_all_their_files(run: Path) -> None:
    data = describe(run)["data"]
    files = [path for path in (run / "data").rglob("*") if path.is_file()]
    assert data["bytes"] == sum(path.stat().st_size for path in files)
    assert data["directory"] == str(run / "data")
    assert {name: data["sets"][name]["pairs"] for name in ("train", "valid", "test")} == {
        "train": 200,
        "valid": 8,
        "test": 8,
    }
    assert "sha256" not in data


def test_model_and_data_directories_are_described_alone(run: Path, tmp_path: Path) -> None:
    for name in ("model", "data"):
        copy = Path(shutil.copytree(run / name, tmp_path / f"my {name}"))
        description = describe(copy)
        assert list(description) == [name]
        assert description[name]["directory"] == str(copy)


def test_provenance_leaves_out_what_is_long(run_copy: Path) -> None:
    path = run_copy / "model" / "config.json"
    content = json.loads(path.read_text("utf-8"))
    content["made"] = {"step": 7, "averaged": ["step-000007"], "settings": {"train": {}}, "data": {"x": "hash"}}
    path.write_text(json.dumps(content), "utf-8")
    assert describe(run_copy)["model"]["made"] == {"step": 7, "averaged": ["step-000007"]}


def test_a_run_without_checkpoints_has_no_progress(run_copy: Path) -> None:
    (run_copy / "checkpoints").mkdir()
    assert describe(run_copy)["training"] == {"checkpoints": [], "newest": {}, "best": []}
    assert training_state(RunDirectory(run_copy).checkpoints / "missing") == {}


def test_an_export_of_an_older_release_is_described_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"12345")
    expected = {"directory": str(tmp_path), "engine": "ctranslate2", "bytes": 5}
    assert describe(tmp_path) == {"export": expected}


def test_any_other_directory_has_no_description(tmp_path: Path, command: Program) -> None:
    (tmp_path / "notes.txt").write_text("x", "utf-8")
    assert describe(tmp_path) == describe(tmp_path / "missing") == {}
    done = command("info", tmp_path)
    assert (done.returncode, done.stdout) == (1, b"")
    assert f"{tmp_path}: not a run, a model or prepared data" in done.stderr


def test_the_command_prints_the_description_as_lines_and_as_json(command: Program, trained: Path) -> None:
    lines = command("info", "--run", trained).stdout.decode().splitlines()
    assert {"model:", "data:", "training:"} <= set(lines)
    assert "  checkpoints: step-000005, step-000010" in lines
    assert "    seconds: 1.5" in lines
    assert json.loads(command("info", "--run", trained, "--json").stdout) == json.loads(json.dumps(describe(trained)))
