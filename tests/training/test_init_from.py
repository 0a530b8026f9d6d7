"""Starting from a trained model: the same model to the bit, the rows of shared pieces, and parts that stay."""

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from conftest import Corpus, Program
from torch import Tensor

from nmt.config.corpus import TokenizerConfig
from nmt.config.presets import PRESETS
from nmt.data.description import read_description
from nmt.model.model_directory import load_model, load_tensors
from nmt.runtime import choose_device
from nmt.text.tokenizer import Tokenizers, train_tokenizers
from nmt.training.init_from import transfer
from nmt.training.metrics_log import read_log

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


def settings(run: Path) -> dict[str, object]:
    found: dict[str, object] = tomllib.loads((run / "config.toml").read_text("utf-8"))["train"]
    return found


def test_fine_tuning_has_a_lower_rate_and_a_shorter_warm_up_unless_they_are_given(
    trained: Path, fresh: Path, command: Program
) -> None:
    scratch = PRESETS["small"]
    done = command("train", "--run", fresh, "--init-from", trained / "model", "--preset", "small", *FEW)
    assert done.returncode == 0, done.stderr
    assert settings(fresh)["learning_rate"] == pytest.approx(scratch["learning_rate"] / 6, rel=1e-2)
    assert settings(fresh)["warmup"] == 34  # a sixth of 200
    shutil.rmtree(fresh / "checkpoints")
    given = ["--learning-rate", "1e-5", "--warmup", 2]
    assert command("train", "--run", fresh, "--init-from", trained / "model", *given, *FEW).returncode == 0
    assert (settings(fresh)["learning_rate"], settings(fresh)["warmup"]) == (1e-5, 2)


def test_no_shape_is_announced_but_that_of_the_model(trained: Path, fresh: Path, command: Program) -> None:
    done = command("train", "--run", fresh, "--init-from", trained / "model", "--preset", "base", *FEW)
    assert done.returncode == 0, done.stderr
    assert "dim 512" not in done.stderr
    assert "encoder_layers 6" not in done.stderr
    told = next(line for line in done.stderr.splitlines() if line.startswith("--init-from"))
    assert "decoder_layers 1, dim 16, encoder_layers 1, feed_forward 16, heads 2" in told
    assert "--preset auto" not in done.stderr


def test_the_start_is_the_model_until_training_is_better(trained: Path, fresh: Path, command: Program) -> None:
    """Fine-tuning that makes a model worse had published the worse one as the best."""
    done = command("train", "--run", fresh, "--init-from", trained / "model", *FEW, "--learning-rate", 10)
    assert done.returncode == 0, done.stderr
    before, after = weights(trained), weights(fresh)
    assert all(torch.equal(before[name], after[name]) for name in before)
    validations = [line for line in read_log(fresh / "metrics.jsonl") if line["kind"] == "valid"]
    assert [line["step"] for line in validations] == [0, 2]
    assert validations[0]["loss"] < validations[1]["loss"]
    assert "of step 0" in done.stderr.splitlines()[-1]


def test_better_weights_replace_the_start(trained: Path, fresh: Path, command: Program) -> None:
    options = [*FEW, "--steps", 6, "--learning-rate", "1e-3", "--warmup", 1, "--metric", "loss"]
    done = command("train", "--run", fresh, "--init-from", trained / "model", *options)
    assert done.returncode == 0, done.stderr
    assert "of step 6" in done.stderr.splitlines()[-1]


def test_prepare_takes_the_tokenizer_of_a_model_and_keeps_every_embedding(
    trained: Path, corpus: Corpus, tmp_path: Path, command: Program
) -> None:
    sets = (*corpus.train, "--valid", *corpus.valid)
    for tokenizer in (trained / "model", trained, trained / "tokenizer.model"):
        new = tmp_path / "new"
        assert command("prepare", *sets, "--run", new, "--tokenizer", tokenizer).returncode == 0
        assert (new / "tokenizer.model").read_bytes() == (trained / "tokenizer.model").read_bytes()
        done = command("train", "--run", new, "--init-from", trained / "model", "--steps", 1, *FEW[2:])
        assert "400 of 400 pieces keep their embeddings" in done.stderr
        shutil.rmtree(new)
    missing = command("prepare", *sets, "--run", new)
    assert "or nmt prepare --tokenizer" in missing.stderr
    assert not new.exists()


def test_data_without_languages_has_those_of_the_model_whose_tokenizer_it_takes(
    trained: Path, corpus: Corpus, tmp_path: Path, command: Program
) -> None:
    files = [shutil.copy(path, tmp_path / name) for path, name in zip(corpus.train, ("left", "right"), strict=True)]
    for tokenizer, known in ((trained / "model", True), (trained, True), (trained / "tokenizer.model", False)):
        done = command("prepare", *files, "--run", tmp_path / "new", "--tokenizer", tokenizer)
        assert done.returncode == 0, done.stderr
        expected = read_description(trained / "data")["languages"] if known else {"source": None, "target": None}
        assert read_description(tmp_path / "new" / "data")["languages"] == expected
    assert None not in read_description(trained / "data")["languages"].values()


def test_prepare_does_not_replace_the_tokenizer_of_a_trained_run(
    trained: Path, corpus: Corpus, tmp_path: Path, command: Program
) -> None:
    train_tokenizers(corpus.train, TokenizerConfig(vocab_size=350)).save(tmp_path / "other")
    before = (trained / "tokenizer.model").read_bytes()
    done = command("prepare", *corpus.train, "--run", trained, "--tokenizer", tmp_path / "other")
    assert done.returncode == 1
    assert "was trained with another tokenizer, which would be lost" in done.stderr
    assert (trained / "tokenizer.model").read_bytes() == before


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
    before, after = weights(trained), load_tensors(fresh / "checkpoints" / "step-000002" / "model.safetensors")
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
