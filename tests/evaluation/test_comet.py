"""COMET: the real package loads and runs a tiny model; skipped where it is not installed."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Program

LINES = [("ich sehe den Hund", "I see the dog", "I see the dog"), ("du", "we hear", "you"), ("x", "", "x")]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a COMET regression model with random weights, as its trainer writes it."""
    comet = pytest.importorskip("comet.models")
    transformers = pytest.importorskip("transformers")
    import torch
    import yaml
    from pytorch_lightning import __version__ as lightning

    folder = tmp_path_factory.mktemp("comet")
    encoder = folder / "encoder"
    encoder.mkdir()
    letters = [chr(code) for code in range(97, 123)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (encoder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    torch.manual_seed(1)
    transformers.BertModel(config).save_pretrained(encoder)
    transformers.BertTokenizerFast(vocab_file=str(encoder / "vocab.txt")).save_pretrained(encoder)
    settings: dict[str, Any] = {
        "encoder_model": "BERT",
        "pretrained_model": str(encoder),
        "layer": "mix",
        "layerwise_decay": 0.95,
        "hidden_sizes": [8],
        "local_files_only": True,
        "class_identifier": "regression_metric",
    }
    metric = comet.RegressionMetric(**{key: value for key, value in settings.items() if key != "class_identifier"})
    checkpoint = folder / "tiny-comet" / "checkpoints" / "model.ckpt"
    checkpoint.parent.mkdir(parents=True)
    state = {"state_dict": metric.state_dict(), "pytorch-lightning_version": lightning, "hyper_parameters": settings}
    torch.save(state, checkpoint)
    (checkpoint.parent.parent / "hparams.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return checkpoint


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    paths = [tmp_path_factory.mktemp("lines") / name for name in ("source", "hypothesis", "reference")]
    for path, side in zip(paths, zip(*LINES, strict=True), strict=True):
        path.write_text("".join(line + "\n" for line in side), encoding="utf-8")
    return paths


def test_scores_are_those_of_the_package(nmt: Program, model: Path, files: list[Path]) -> None:
    from comet import load_from_checkpoint

    source, hypothesis, reference = files
    options = ["--source", source, "--reference", reference, "--metric", "comet", "--comet-model", model]
    done = nmt("eval", hypothesis, *options, "--device", "cpu", "--json")
    scores = json.loads(done.stdout)
    by_line = nmt("eval", hypothesis, *options, "--device", "cpu", "--sentence").stdout.decode().splitlines()
    samples = [{"src": source, "mt": line, "ref": reference} for source, line, reference in LINES]
    expected = load_from_checkpoint(str(model)).predict(
        samples, batch_size=1, gpus=0, progress_bar=False, num_workers=0
    )
    assert scores["COMET"]["score"] == pytest.approx(expected.system_score, abs=1e-6)
    assert scores["COMET"]["signature"].startswith("model:tiny-comet|version:")
    assert done.stderr == ""
    assert [float(line) for line in by_line] == pytest.approx(expected.scores, abs=0.000051)


def test_a_file_that_is_not_a_model_is_named(command: Program, files: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("comet")
    source, hypothesis, reference = files
    bad = tmp_path / "bad.ckpt"
    bad.write_bytes(b"not a model")
    options = ["--source", source, "--reference", reference, "--metric", "comet"]
    done = command("eval", hypothesis, *options, "--comet-model", bad)
    assert done.returncode == 1
    assert f"{bad}: not a readable COMET model" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_the_package_the_extra_is_named(
    command: Program, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, hypothesis, reference = files
    monkeypatch.setitem(sys.modules, "comet", None)
    options = ["--source", source, "--reference", reference, "--metric", "comet", "--comet-model", "m.ckpt"]
    done = command("eval", hypothesis, *options)
    assert (done.returncode, done.stdout) == (1, b"")
    assert "pip install 'nmt[comet]'" in done.stderr
    alone = command("eval", hypothesis, "--reference", reference, "--metric", "comet")
    assert alone.returncode == 2
    assert "--metric comet and --comet-model FILE belong together" in alone.stderr
