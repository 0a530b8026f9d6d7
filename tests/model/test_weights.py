"""The model directory: what is written is read back; what is damaged or foreign is refused with one line."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from nmt.config import ModelConfig, TokenizerConfig
from nmt.errors import NmtError
from nmt.model.transformer import Transformer
from nmt.model.weights import load_model, parameter_count, save_model, save_tensors
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
    assert loaded.made == {"step": 7}
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


def test_who_may_read_a_model_is_the_users_choice(tmp_path: Path, tokenizers: Tokenizers) -> None:
    """A model that is copied to a shared folder must not be readable to its owner alone."""
    before = os.umask(0o027)
    try:
        save_tensors(tmp_path / "model.safetensors", {"a": torch.zeros(2)})
    finally:
        os.umask(before)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o640
