"""Exports: CTranslate2 computes what our model computes, for every option that a model can be trained with."""

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Program

from nmt import Translator
from nmt.config import ModelConfig, SearchConfig, TokenizerConfig
from nmt.model.transformer import Transformer
from nmt.model.weights import load_model, save_model
from nmt.text.tokenizer import Tokenizers, train_tokenizers

pytest.importorskip("ctranslate2")
from nmt.export.ctranslate2 import CTranslate2Engine, export

LINES = [
    "ich sehe den Hund",
    "du suche einen Baum heute",
    "wir höre den großen Vogel gestern",
    "ich",
    "Hund Hund x",
] * 4


def save(directory: Path, tokenizers: Tokenizers, **options: Any) -> Path:
    """A model with random weights that are as large as trained ones, so that mistakes show."""
    config = ModelConfig(
        source_vocabulary=len(tokenizers.source),
        target_vocabulary=len(tokenizers.target),
        shared_vocabulary=tokenizers.shared,
        **{
            "dim": 32,
            "feed_forward": 48,
            "heads": 4,
            "encoder_layers": 2,
            "decoder_layers": 3,
            "max_length": 48,
            **options,
        },
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = Transformer(config)
        for name, parameter in model.named_parameters():
            if "norm" in name or name.endswith("bias"):
                torch.nn.init.normal_(parameter, 1.0 if name.endswith("weight") else 0.0, 0.3)
    save_model(directory, config, dict(model.named_parameters()), tokenizers, {"step": 0})
    return directory


@pytest.mark.parametrize("norm", ["post", "pre"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("separate", [True, False])
def test_every_kind_of_model_computes_the_same(
    corpus: Any, tokenizers: Tokenizers, tmp_path: Path, norm: str, tied: bool, separate: bool
) -> None:
    both = tokenizers
    if separate:
        both = train_tokenizers(corpus.train, TokenizerConfig(vocab_size=350, separate=True))
    model = save(tmp_path / "model", both, norm=norm, tied=tied)
    export(load_model(model, torch.device("cpu"), torch.float32), tmp_path / "exported")
    engine = CTranslate2Engine(tmp_path / "exported", "float32", "cpu", 1)
    config = SearchConfig(beam=3, n_best=2, length_normalization="average", max_length=15, loop_guard=False)
    ours = Translator.load(model, threads=1).translate(LINES, search=config)
    theirs = Translator(engine, both).translate(LINES, search=config)
    for one, other in zip(ours, theirs, strict=True):
        assert one.text == other.text
        assert one.best.token_scores == pytest.approx(other.best.token_scores, abs=1e-3)


def test_the_command_proves_what_it_wrote_and_translate_runs_it(
    command: Program, run_copy: Path, tmp_path: Path
) -> None:
    done = command("export", "ctranslate2", "--run", run_copy, "--output", tmp_path / "out")
    assert done.returncode == 0
    assert "8 of 8 lines" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"model.bin", "tokenizer.model"}
    text = "".join(line + "\n" for line in [*LINES, "", "ich"]).encode()
    options = ("--beam", 3, "--max-length", 10, "--length-normalization", "average", "--threads", 1, "--no-loop-guard")
    expected = command("translate", "--run", run_copy, *options, stdin=text)
    found = command("translate", "--engine", "ctranslate2", "--model", tmp_path / "out", *options, stdin=text)
    assert found.stdout == expected.stdout


@pytest.mark.parametrize("quantization", ["int8", "int16", "float16", "bfloat16"])
def test_weights_can_be_stored_smaller(command: Program, run: Path, tmp_path: Path, quantization: str) -> None:
    for kind in ("float32", quantization):
        options = ("--output", tmp_path / kind, "--quantization", kind)
        assert command("export", "ctranslate2", "--model", run / "model", *options).returncode == 0
    sizes = [(tmp_path / kind / "model.bin").stat().st_size for kind in ("float32", quantization)]
    assert sizes[1] < sizes[0]


def test_a_place_with_other_things_in_it_is_left_alone(command: Program, run: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a").write_text("dear", encoding="utf-8")
    for output in (tmp_path / "letters", tmp_path / "letters" / "a"):
        done = command("export", "ctranslate2", "--model", run / "model", "--output", output)
        assert done.returncode == 1
        assert "not replaced" in done.stderr
    assert (tmp_path / "letters" / "a").read_text(encoding="utf-8") == "dear"


def test_what_ctranslate2_does_not_know_is_refused(command: Program, run: Path, tmp_path: Path) -> None:
    assert command("export", "ctranslate2", "--model", run / "model", "--output", tmp_path / "out").returncode == 0
    start = ("translate", "--engine", "ctranslate2", "--model", tmp_path / "out", "--threads", 1)
    for options, named in ((("--forbid", "dog"), "--forbid"), (("--align",), "--align")):
        done = command(*start, *options, stdin=b"ich\n")
        assert done.returncode != 0
        assert named in done.stderr
    missing = command("translate", "--engine", "ctranslate2", "--model", run / "model", stdin=b"ich\n")
    assert missing.returncode == 1
    assert "no model of CTranslate2" in missing.stderr
