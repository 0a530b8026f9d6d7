"""Exports: CTranslate2 computes what nmt computes, for every option that a model can be trained with."""

import json
import math
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Corpus, Program

from nmt import Translator
from nmt.config.corpus import TokenizerConfig
from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.decoding.engine import Request
from nmt.decoding.score import token_log_probs
from nmt.errors import NmtError, UsageError
from nmt.model.model_directory import save_model
from nmt.model.model_files import open_model
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import END, Tokenizers, train_tokenizers

pytest.importorskip("ctranslate2")
from nmt.decoding.ctranslate2_engine import CTranslate2Engine
from nmt.exchange.ctranslate2 import export

LINES = [
    "ich sehe den Hund",
    "du suche einen Baum heute",
    "wir höre den großen Vogel gestern",
    "ich",
    "Hund Hund x",
] * 4

WITHOUT_BYTES = TokenizerConfig(vocab_size=350, byte_fallback=False)
"""Models with random weights write byte pieces at random, which only nmt's own engine forms characters of."""


@pytest.fixture(scope="module")
def without_bytes(corpus: Corpus) -> Tokenizers:
    return train_tokenizers(corpus.train, WITHOUT_BYTES)


def save(directory: Path, tokenizers: Tokenizers, **options: Any) -> Path:
    """A model with random weights as large as trained ones, so that mistakes show."""
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
    corpus: Corpus, without_bytes: Tokenizers, tmp_path: Path, norm: str, tied: bool, separate: bool
) -> None:
    tokenizers = without_bytes
    if separate:
        tokenizers = train_tokenizers(corpus.train, replace(WITHOUT_BYTES, separate=True))
    model = save(tmp_path / "model", tokenizers, norm=norm, tied=tied)
    export(open_model(model), tmp_path / "exported")
    engine = CTranslate2Engine.of_export(tmp_path / "exported", "float32", "cpu", 1)
    config = SearchConfig(beam=3, n_best=2, length_normalization="average", max_length=15, loop_guard=False)
    ours = Translator.load(model, engine="torch", threads=1).translate(LINES, search=config)
    theirs = Translator(engine, tokenizers).translate(LINES, search=config, token_scores=True)
    for own, exported in zip(ours, theirs, strict=True):
        assert own.text == exported.text
        assert own.best.token_scores == pytest.approx(exported.best.token_scores, abs=1e-3)


def test_the_command_compares_its_export_and_translate_runs_it(
    command: Program, without_bytes: Tokenizers, run_copy: Path, tmp_path: Path
) -> None:
    save(run_copy / "model", without_bytes)
    done = command("export", "ctranslate2", "--run", run_copy, "--output", tmp_path / "out")
    assert done.returncode == 0
    assert "8 of 8 lines" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"model.bin", "tokenizer.model"}
    text = "".join(line + "\n" for line in [*LINES, "", "ich"]).encode()
    options = ("--beam", 3, "--max-length", 10, "--length-normalization", "average", "--threads", 1, "--no-loop-guard")
    expected = command("translate", "--run", run_copy, *options, stdin=text)
    done = command("translate", "--engine", "ctranslate2", "--model", tmp_path / "out", *options, stdin=text)
    assert done.stdout == expected.stdout


@pytest.mark.parametrize("quantization", ["int8", "int16", "float16", "bfloat16"])
def test_weights_can_be_stored_smaller(command: Program, run: Path, tmp_path: Path, quantization: str) -> None:
    for kind in ("float32", quantization):
        options = ("--output", tmp_path / kind, "--quantization", kind)
        assert command("export", "ctranslate2", "--model", run / "model", *options).returncode == 0
    sizes = [(tmp_path / kind / "model.bin").stat().st_size for kind in ("float32", quantization)]
    assert sizes[1] < sizes[0]
    done = command("info", tmp_path / quantization, "--json")
    description = json.loads(done.stdout)["export"]
    assert (description["engine"], description["nmt"]["quantization"]) == ("ctranslate2", quantization)
    assert description["nmt"]["made"] == {"step": 0}
    assert description["bytes"] > sizes[1]
    assert "nmt:" in command("info", tmp_path / quantization).stdout.decode()


def test_a_directory_with_other_files_is_not_replaced(command: Program, run: Path, tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a").write_text("dear", encoding="utf-8")
    for output in (tmp_path / "letters", tmp_path / "letters" / "a"):
        done = command("export", "ctranslate2", "--model", run / "model", "--output", output)
        assert done.returncode == 1
        assert "not replaced" in done.stderr
    assert (tmp_path / "letters" / "a").read_text(encoding="utf-8") == "dear"


@pytest.fixture
def exported(run: Path, tmp_path: Path) -> Path:
    export(open_model(run / "model"), tmp_path / "exported")
    return tmp_path / "exported"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("--forbid", "dog"), "--forbid"),
        (("--beam", 4, "--beam-groups", 2), "--beam-groups"),
        (("--sample",), "--sample"),
    ],
)
def test_options_that_ctranslate2_does_not_support_are_refused(
    command: Program, exported: Path, options: tuple[object, ...], name: str
) -> None:
    done = command(
        "translate", "--engine", "ctranslate2", "--model", exported, "--threads", 1, *options, stdin=b"ich\n"
    )
    assert done.returncode != 0
    assert name in done.stderr
    assert "leave out --engine" in done.stderr


def test_all_unsupported_options_are_named_together(exported: Path) -> None:
    engine = CTranslate2Engine.of_export(exported, "float32", "cpu", 1)
    request = Request(source=[5, END], max_length=9, required=[[6]])
    with pytest.raises(UsageError) as error:
        engine.choose(SearchConfig(beam_groups=5, sample=True))
    for part in ("--beam-groups", "--sample"):
        assert part in str(error.value.problem)
    with pytest.raises(UsageError, match="constraints and --glossary"):
        engine.search([request], SearchConfig())


def test_a_directory_without_a_model_is_an_error(command: Program, run: Path) -> None:
    missing = command("translate", "--engine", "ctranslate2", "--model", run, stdin=b"ich\n")
    assert missing.returncode == 1
    assert "not a model directory" in missing.stderr


def test_a_precision_that_ctranslate2_does_not_support_is_an_error(exported: Path) -> None:
    with pytest.raises(NmtError, match="CTranslate2"):
        CTranslate2Engine.of_export(exported, "float128", "cpu", 1)


@pytest.mark.parametrize("options", [{}, {"length_penalty": 0.6}, {"length_normalization": "wu"}])
def test_scores_of_an_export_are_those_of_its_tokens(run: Path, exported: Path, options: dict[str, Any]) -> None:
    """Recomputed by the model that was exported, and by hand; prefixes and the maximum length are kept."""
    config = SearchConfig(beam=3, n_best=3, max_length=6, **options)
    translator = Translator.load(run / "model", engine="torch", threads=1)
    encode = translator.tokenizers.source.encode
    requests = [
        Request(source=[*tokens, END], max_length=6, prefix=encode([prefix])[0])
        for tokens, prefix in zip(encode(["ich sehe", "Hund", "du suche heute"]), ("", "we", "you see"), strict=True)
    ]
    n_best_lists = CTranslate2Engine.of_export(exported, "float32", "cpu", 1).search(requests, config)
    for request, n_best in zip(requests, n_best_lists, strict=True):
        assert len(n_best) == 3
        ranks = [(hypothesis.truncated, -hypothesis.score) for hypothesis in n_best]
        assert ranks == sorted(ranks)
        for hypothesis in n_best:
            assert hypothesis.tokens[: len(request.prefix)] == list(request.prefix)
            tokens = hypothesis.tokens + [END] * (not hypothesis.truncated)
            assert len(tokens) == 6 if hypothesis.truncated else len(tokens) <= 6
            (log_probs,) = token_log_probs(translator, [list(request.source)], [tokens])
            assert hypothesis.token_log_probs == pytest.approx(log_probs, abs=1e-3)
            assert hypothesis.log_prob == pytest.approx(math.fsum(hypothesis.token_log_probs))
            length, alpha = len(tokens), config.length_penalty
            penalty = ((5 + length) / 6) ** alpha if options.get("length_normalization") else length**alpha
            assert hypothesis.score == pytest.approx(hypothesis.log_prob / penalty, abs=1e-5)


@pytest.mark.parametrize("bounds", [{}, {"max_ratio": 1.5}, {"min_ratio": 1.0, "max_ratio": 2.0}, {"min_length": 1}])
def test_each_line_has_the_length_bounds_of_its_own(exported: Path, bounds: dict[str, Any]) -> None:
    """The lines of a batch must not share the loosest bounds among them."""
    engine = CTranslate2Engine.of_export(exported, "float32", "cpu", 1)
    translator, config = Translator(engine, engine.tokenizers), SearchConfig(beam=3, loop_guard=False, **bounds)
    together = translator.translate(LINES[:5], search=config)
    alone = [translator.translate([line], search=config)[0] for line in LINES[:5]]
    for line, batched, single in zip(LINES[:5], together, alone, strict=True):
        assert batched.best.tokens == single.best.tokens
        length = len(engine.tokenizers.source.encode([line], end=True)[0])
        longest = min(2 * length + 20, math.ceil(config.max_ratio * length) if config.max_ratio else 1 << 16)
        assert config.min_ratio * length <= len(batched.best.tokens) <= longest


def test_an_export_writes_neither_replacement_nor_control_characters(exported: Path) -> None:
    """CTranslate2 may write any byte pieces; what they do not spell is left out."""
    engine = CTranslate2Engine.of_export(exported, "float32", "cpu", 1)
    config = SearchConfig(beam=4, n_best=4, max_length=20, loop_guard=False)
    for translation in Translator(engine, engine.tokenizers).translate(LINES[:5], search=config):
        texts = [alternative.text for alternative in translation.alternatives]
        assert not any(character == "\ufffd" or unicodedata.category(character) == "Cc" for character in "".join(texts))
        assert len(set(texts)) == len(texts)
