"""Starting from a trained model: the same model to the bit, the rows of shared pieces, and parts that stay."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from conftest import Corpus, Program
from torch import Tensor

from nmt.config.corpus import TokenizerConfig
from nmt.model.model_directory import load_model, load_tensors
from nmt.runtime import choose_device
from nmt.text.tokenizer import Tokenizers, train_tokenizers
from nmt.training.init_from import transfer

FEW = ["--steps", "2", "--validate-every", "2", "--batch-tokens", "300", "--average", "1", "--precision", "float32"]
NEVER = ["--peak-rate", "1e-30"]


@pytest.fixture
def trained(run_copy: Path, command: Program) -> Path:
    """A run whose model was trained a little."""
    shape = {"dim": 16, "feed-forward": 16, "heads": 2, "encoder-layers": 1, "decoder-layers": 1, "max-length": 48}
    options = [part for name, value in shape.items() for part in (f"--{name}", value)]
    done = command("train", "--run", run_copy, *FEW, *options)
    assert done.returncode == 0, done.stderr
    return run_copy


@pytest.fixture
def fresh(trained: Path, tmp_path: Path) -> Path:
    """Another run on the same data, not trained yet."""
    new = tmp_path / "new"
    new.mkdir()
    shutil.copy(trained / "tokenizer.model", new)
    shutil.copytree(trained / "data", new / "data")
    return new


def weights(run: Path) -> dict[str, Tensor]:
    return load_tensors(run / "model" / "model.safetensors")


def test_it_begins_with_the_models_weights_and_takes_its_shape(trained: Path, fresh: Path, command: Program) -> None:
    done = command("train", "--run", fresh, "--init-from", trained / "model", *FEW, *NEVER)
    assert done.returncode == 0, done.stderr
    assert "400 of 400 pieces keep their embeddings" in done.stderr
    before, after = weights(trained), weights(fresh)
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-12) for name in before)


def test_another_shape_is_refused_with_what_differs(trained: Path, fresh: Path, command: Program) -> None:
    done = command("train", "--run", fresh, "--init-from", trained / "model", "--dim", 32, *FEW)
    assert done.returncode == 1
    assert "dim 16 -> 32" in done.stderr


def test_what_is_no_model_is_refused(fresh: Path, command: Program, tmp_path: Path) -> None:
    done = command("train", "--run", fresh, "--init-from", tmp_path / "none", *FEW)
    assert done.returncode == 1
    assert "not a model directory" in done.stderr


def test_a_run_that_goes_on_does_not_begin_again(trained: Path, fresh: Path, command: Program) -> None:
    assert command("train", "--run", fresh, "--init-from", trained / "model", *FEW).returncode == 0
    shutil.rmtree(trained / "model")  # it is not needed any more
    done = command("train", "--run", fresh, "--steps", 3)
    assert done.returncode == 0, done.stderr
    assert "resuming from step 2" in done.stderr
    assert "keep their embeddings" not in done.stderr


@pytest.mark.parametrize(
    ("part", "starts"),
    [
        ("encoder", ("encoder.", "encoder_norm.")),
        ("decoder", ("decoder.", "decoder_norm.")),
        ("embeddings", ("source_embedding.", "projection.")),
    ],
)
def test_a_frozen_part_stays_to_the_bit_and_the_others_learn(
    trained: Path, fresh: Path, command: Program, part: str, starts: tuple[str, ...]
) -> None:
    done = command("train", "--run", fresh, "--init-from", trained / "model", "--freeze", part, *FEW)
    assert done.returncode == 0, done.stderr
    before, after = weights(trained), weights(fresh)
    for name in before:
        assert torch.equal(before[name], after[name]) == name.startswith(starts), name


def test_freezing_what_there_is_not_is_refused(fresh: Path, command: Program) -> None:
    done = command("train", "--run", fresh, "--freeze", "encoders", *FEW)
    assert done.returncode == 2
    assert "--freeze encoders is unknown; choose from encoder, decoder, embeddings" in done.stderr


def test_freezing_everything_is_refused(fresh: Path, command: Program) -> None:
    parts = [word for part in ("encoder", "decoder", "embeddings") for word in ("--freeze", part)]
    done = command("train", "--run", fresh, *parts, *FEW)
    assert done.returncode == 2
    assert "nothing is left to train" in done.stderr


@pytest.mark.parametrize("change", [["--freeze", "encoder"], ["--init-from", "elsewhere"]])
def test_what_a_run_began_with_cannot_change_while_it_trains(
    trained: Path, command: Program, change: list[str]
) -> None:
    """Adam's momentum would go on moving a part that is frozen late, and the record would be false."""
    before = (trained / "config.toml").read_bytes()
    done = command("train", "--run", trained, "--steps", 4, *change)
    assert done.returncode == 1
    assert f"{change[0][2:].replace('-', '_')} unset -> " in done.stderr
    assert (trained / "config.toml").read_bytes() == before


def own_weights(run: Path, tokenizers: Tokenizers, *, separate: bool) -> Mapping[str, Tensor]:
    """Weights of the run's model in the shape that other tokenizers ask for, all -1."""
    model = load_model(run / "model", choose_device("cpu"), torch.float32).model
    own = {name: torch.full_like(parameter, -1.0) for name, parameter in model.named_parameters()}
    own.pop("projection.weight", None)
    own["source_embedding.weight"] = torch.full((len(tokenizers.source), 16), -1.0)
    if separate:
        own["target_embedding.weight"] = torch.full((len(tokenizers.target), 16), -1.0)
    return own


@pytest.mark.parametrize("separate", [False, True])
def test_pieces_that_both_vocabularies_have_keep_their_rows(trained: Path, corpus: Corpus, separate: bool) -> None:
    tokenizers = train_tokenizers(corpus.train, TokenizerConfig(vocab_size=330, separate=separate))
    loaded = load_model(trained / "model", choose_device("cpu"), torch.float32)
    own = own_weights(trained, tokenizers, separate=separate)
    found = transfer(own, tokenizers, loaded)
    assert found.keys() == own.keys()
    old = loaded.tokenizers.source
    places = {piece: token for token, piece in enumerate(old.pieces(range(len(old))))}
    rows = dict(loaded.model.named_parameters())["source_embedding.weight"]
    sides = [("source_embedding.weight", tokenizers.source)]
    sides += [("target_embedding.weight", tokenizers.target)] if separate else []
    for name, tokenizer in sides:
        pieces = tokenizer.pieces(range(len(tokenizer)))
        assert sum(piece in places for piece in pieces) > 0
        for token, piece in enumerate(pieces):
            expected = rows[places[piece]] if piece in places else torch.full((16,), -1.0)
            assert torch.equal(found[name][token], expected), piece
