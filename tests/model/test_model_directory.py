"""The model directory: it is read back as it was written; damaged and foreign ones are refused."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from nmt.config.corpus import TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.errors import NmtError
from nmt.model.model_directory import check_shapes, load_model, load_tensors, replace_weights, save_model, save_tensors
from nmt.model.model_files import describe_weights, parameter_count, read_model_config
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import Tokenizers, train_tokenizers

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    path = tmp_path_factory.mktemp("text") / "text"
    path.write_text("ab ba abba\nbaab aa bb\n" * 20, encoding="utf-8")
    return train_tokenizers([path], TokenizerConfig(vocab_size=300))


def save(directory: Path, tokenizers: Tokenizers, **changes: object) -> Transformer:
    size = len(tokenizers.source)
    shape = dict(dim=16, feed_forward=16, heads=2, encoder_layers=1, decoder_layers=1, max_length=20)
    config = ModelConfig(
        source_vocabulary=size, target_vocabulary=size, **{"shared_vocabulary": True, **shape, **changes}
    )
    model = Transformer(config).eval()
    save_model(directory, config, dict(model.named_parameters()), tokenizers, {"step": 7})
    return model


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("shared", [True, False])
def test_a_model_read_back_computes_the_same(
    tmp_path: Path, tokenizers: Tokenizers, norm: str, tied: bool, shared: bool
) -> None:
    model = save(tmp_path / "model", tokenizers, norm=norm, tied=tied, shared_vocabulary=shared)
    loaded = load_model(tmp_path / "model", CPU, torch.float32)
    source, mask, target = torch.tensor([[5, 6, 3]]), torch.ones(1, 3, dtype=torch.bool), torch.tensor([[2, 7]])
    assert torch.equal(loaded.model(source, mask, target), model(source, mask, target))
    assert loaded.provenance == {"step": 7}
    assert loaded.tokenizers.source == tokenizers.source
    count = sum(parameter.numel() for parameter in model.parameters())
    assert parameter_count(tmp_path / "model" / "model.safetensors") == count


def test_the_directory_can_be_copied_anywhere(tmp_path: Path, tokenizers: Tokenizers) -> None:
    save(tmp_path / "model", tokenizers)
    shutil.copytree(tmp_path / "model", tmp_path / "elsewhere" / "copy")
    shutil.rmtree(tmp_path / "model")
    load_model(tmp_path / "elsewhere" / "copy", CPU, torch.float32)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model", "config.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "flipped", "pickle"])
def test_damage_is_named(tmp_path: Path, tokenizers: Tokenizers, name: str, damage: str) -> None:
    save(tmp_path / "model", tokenizers)
    path = tmp_path / "model" / name
    content = path.read_bytes()
    middle = len(content) // 2
    match damage:
        case "missing":
            path.unlink()
        case "empty":
            path.write_bytes(b"")
        case "truncated":
            path.write_bytes(content[:middle])
        case "flipped":
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 0x80]) + content[middle + 1 :])
        case "pickle":
            path.write_bytes(
                b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
            )
    with pytest.raises(NmtError):
        load_model(tmp_path / "model", CPU, torch.float32)


@pytest.mark.parametrize(
    ("key", "value"),
    [("dim", 32), ("encoder_layers", 2), ("heads", 3), ("norm", "sandwich"), ("dim", "16"), ("target_vocabulary", 4)],
)
def test_a_config_that_lies_about_the_weights_is_refused(
    tmp_path: Path, tokenizers: Tokenizers, key: str, value: object
) -> None:
    save(tmp_path / "model", tokenizers)
    path = tmp_path / "model" / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["model"][key] = value
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(NmtError):
        load_model(tmp_path / "model", CPU, torch.float32)


def test_permissions_follow_the_users_umask(tmp_path: Path, tokenizers: Tokenizers) -> None:
    """safetensors writes files that only their owner may read; a model in a shared folder is for others, too."""
    before = os.umask(0o027)
    try:
        save_tensors(tmp_path / "model.safetensors", {"a": torch.zeros(2)})
    finally:
        os.umask(before)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o640


def edit_config(directory: Path, **changes: object) -> None:
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_loaded_model_is_frozen_in_eval_mode_and_still_tied(
    tmp_path: Path, tokenizers: Tokenizers, dtype: torch.dtype
) -> None:
    save(tmp_path / "model", tokenizers)
    model = load_model(tmp_path / "model", CPU, dtype).model
    assert not model.training
    assert {(parameter.dtype, parameter.requires_grad) for parameter in model.parameters()} == {(dtype, False)}
    assert model.projection.weight is model.target_embedding.weight is model.source_embedding.weight
    assert model.positions.dtype == dtype


def test_tied_weights_are_stored_once(tmp_path: Path, tokenizers: Tokenizers) -> None:
    model = save(tmp_path / "model", tokenizers)
    names = load_tensors(tmp_path / "model" / "model.safetensors").keys()
    assert names == dict(model.named_parameters()).keys()
    assert "projection.weight" not in names


def test_replaced_weights_keep_the_shape_and_the_tokenizers(tmp_path: Path, tokenizers: Tokenizers) -> None:
    model = save(tmp_path / "model", tokenizers)
    weights = {name: 2 * parameter.detach() for name, parameter in model.named_parameters()}
    replace_weights(tmp_path / "model", tmp_path / "copy", weights, {"averaged": ["step-000007"]})
    copy = load_model(tmp_path / "copy", CPU, torch.float32)
    assert copy.provenance == {"averaged": ["step-000007"]}  # the step was that of the former weights
    assert copy.tokenizers == load_model(tmp_path / "model", CPU, torch.float32).tokenizers
    for name, parameter in copy.model.named_parameters():
        assert torch.equal(parameter, weights[name])
    with pytest.raises(NmtError, match="is missing, unexpected or of the wrong shape"):
        replace_weights(tmp_path / "model", tmp_path / "wrong", {**weights, "x": torch.zeros(1)}, {})
    assert not (tmp_path / "wrong").exists()


@pytest.mark.parametrize(
    ("weights", "name"),
    [
        ({"a": torch.zeros(2)}, "b"),
        ({"a": torch.zeros(2), "b": torch.zeros(3), "c": torch.zeros(1)}, "c"),
        ({"a": torch.zeros(2), "b": torch.zeros(1, 3)}, "b"),
    ],
)
def test_missing_unexpected_and_misshapen_weights_are_named(weights: dict[str, torch.Tensor], name: str) -> None:
    expected = {"a": torch.zeros(2), "b": torch.zeros(3)}
    check_shapes(expected, expected, Path("model"))
    with pytest.raises(NmtError, match=f"model: the weights of another model: {name} is missing"):
        check_shapes(expected, weights, Path("model"))


@pytest.mark.parametrize(
    ("made", "description"),
    [
        ({"step": 7}, "of step 7"),
        (
            {"step": 12_000, "averaged": ["step-011500", "step-012000"]},
            "the average of 2 checkpoints up to step 12,000",
        ),
        ({"step": 7, "averaged": []}, "of step 7"),
    ],
)
def test_weights_are_described_by_their_provenance(
    tmp_path: Path, tokenizers: Tokenizers, made: dict[str, object], description: str
) -> None:
    save(tmp_path / "model", tokenizers)
    edit_config(tmp_path / "model", made=made)
    assert describe_weights(tmp_path / "model") == description


def test_directories_that_are_not_models_of_this_format_are_refused(tmp_path: Path, tokenizers: Tokenizers) -> None:
    with pytest.raises(NmtError, match="not a model directory") as caught:
        read_model_config(tmp_path)
    assert "nmt train" in caught.value.hint
    save(tmp_path / "model", tokenizers)
    with pytest.raises(NmtError, match="not a model directory") as caught:
        read_model_config(tmp_path)
    assert caught.value.hint == f"give {tmp_path / 'model'}"  # --model RUN
    (tmp_path / "model.bin").touch()
    with pytest.raises(NmtError, match="an export for CTranslate2") as caught:
        read_model_config(tmp_path)
    assert caught.value.hint == "give --engine ctranslate2"
    save(tmp_path / "model", tokenizers)
    for changes, message in (
        ({"format": 2}, "model format 2, not 1"),
        ({"made": None}, "config.json: made: unexpected value 'None'"),
        ({"model": []}, "config.json: model: unexpected value"),
    ):
        edit_config(tmp_path / "model", **{"format": 1, "made": {}, "model": {}, **changes})
        with pytest.raises(NmtError, match=message):
            read_model_config(tmp_path / "model")


def test_a_setting_of_a_newer_version_is_named(tmp_path: Path, tokenizers: Tokenizers) -> None:
    save(tmp_path / "model", tokenizers)
    shape = read_model_config(tmp_path / "model")["model"]
    edit_config(tmp_path / "model", model={**shape, "rotary": True})
    with pytest.raises(NmtError, match="unknown rotary") as caught:
        load_model(tmp_path / "model", CPU, torch.float32)
    assert caught.value.hint == "it is from a newer nmt"


@pytest.mark.parametrize("name", ["../secret", "inner/file", "missing"])
def test_only_files_of_the_directory_itself_are_read(tmp_path: Path, tokenizers: Tokenizers, name: str) -> None:
    """A model from the network must not make the program read other files."""
    save(tmp_path / "model", tokenizers)
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (tmp_path / "model" / "inner").mkdir()
    (tmp_path / "model" / "inner" / "file").write_text("x", encoding="utf-8")
    edit_config(tmp_path / "model", sha256={name: hashlib.sha256(b"x").hexdigest()})
    with pytest.raises(NmtError, match="no such file"):
        load_model(tmp_path / "model", CPU, torch.float32)


def test_a_replacement_that_was_killed_between_its_renames_is_undone_on_loading(
    tmp_path: Path, tokenizers: Tokenizers
) -> None:
    save(tmp_path / "model", tokenizers)
    (tmp_path / "model").rename(tmp_path / ".model.old")
    assert load_model(tmp_path / "model", CPU, torch.float32).provenance == {"step": 7}
