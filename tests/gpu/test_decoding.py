"""Decoding on a GPU: the translations of the CPU, with every option, and at most one transfer per position."""

import json
import re
import shutil
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import Program

from nmt.model.transformer import Transformer

LINES = "ich sehe den Hund.\n\nwir hören heute einen Vogel und du suchst den kleinen Baum.\ndu\n".encode()
OBJECTS = b"".join(json.dumps({"text": line.decode()}).encode() + b"\n" for line in LINES.splitlines())
FLOAT32 = ["--precision", "float32", "--engine", "torch", "--max-length", 11]
NUMBER = re.compile(rb"-?\d+\.\d+(?:e[-+]?\d+)?")


@pytest.fixture
def glossary(tmp_path: Path) -> Path:
    path = tmp_path / "glossary.tsv"
    path.write_text("Hund\tdog\nBaum\tbig tree\n", encoding="utf-8")
    return path


def same(output: bytes, expected: bytes) -> bool:
    """Whether outputs are equal but for the last digits of scores."""
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (output, expected)]
    texts = [NUMBER.sub(b"", text) for text in (output, expected)]
    return texts[0] == texts[1] and numbers[0] == pytest.approx(numbers[1], abs=2e-4, rel=2e-4)


@pytest.mark.parametrize(
    "options",
    [
        "--beam 1",
        "--beam 4 --n-best 4 --scores",
        "--beam 3 --coverage-penalty 0.3 --json",
        "--sample --n-best 3 --top-k 40 --top-p 0.9 --temperature 0.7 --seed 4",
        "--sample --mbr chrf --candidates 6",
        "--beam 4 --mbr bleu",
        "--forbid dog --forbid tree --no-repeat-ngram 2 --repetition-penalty 1.3",
        "--prefix the --min-length 6",
        "--beam 6 --beam-groups 3 --n-best 3",
        "--beam 2 --align",
        "--split-sentences --batch-tokens 20 --json --align",
    ],
)
def test_translations_are_those_of_the_cpu(command: Program, run: Path, gpu: torch.device, options: str) -> None:
    text = OBJECTS if "--json" in options else LINES
    on_gpu, on_cpu = (
        command("translate", "--run", run, *FLOAT32, "--device", device, *options.split(), stdin=text)
        for device in (gpu, "cpu")
    )
    assert on_gpu.returncode == on_cpu.returncode == 0, on_gpu.stderr
    assert same(on_gpu.stdout, on_cpu.stdout)


@pytest.mark.parametrize("options", ["--beam 4", "--beam 4 --beam-groups 2", "--beam 3 --coverage-penalty 0.2"])
def test_constrained_translations_are_those_of_the_cpu(
    command: Program, run: Path, gpu: torch.device, glossary: Path, options: str
) -> None:
    on_gpu, on_cpu = (
        command(
            "translate",
            "--run",
            run,
            *FLOAT32,
            "--device",
            device,
            "--glossary",
            glossary,
            *options.split(),
            stdin=LINES,
        )
        for device in (gpu, "cpu")
    )
    assert on_gpu.returncode == 0, on_gpu.stderr
    assert on_gpu.stdout == on_cpu.stdout
    assert b"dog" in on_gpu.stdout


@pytest.mark.parametrize("average", ["probabilities", "log-probabilities"])
def test_an_ensemble_translates_as_on_the_cpu(command: Program, run: Path, gpu: torch.device, average: str) -> None:
    models = ["--model", run / "model", "--model", run / "model", "--average", average]
    on_gpu, on_cpu = (
        command("translate", *models, *FLOAT32, "--device", device, "--coverage-penalty", 0.1, stdin=LINES)
        for device in (gpu, "cpu")
    )
    assert on_gpu.returncode == 0, on_gpu.stderr
    assert on_gpu.stdout == on_cpu.stdout


def test_scores_evaluation_and_attention_are_those_of_the_cpu(
    command: Program, run_copy: Path, gpu: torch.device, tmp_path: Path
) -> None:
    source, target = run_copy / "data" / "test.source", run_copy / "data" / "test.target"
    for arguments in (
        ["score", source, target, "--run", run_copy, "--json"],
        ["eval", "--run", run_copy, "--json", "--max-length", 9, "--coverage-penalty", 0.1],
        ["attention", "ich sehe den Hund.", "--run", run_copy, "--json"],
    ):
        on_gpu, on_cpu = (command(*arguments, "--device", device, "--precision", "float32") for device in (gpu, "cpu"))
        assert on_gpu.returncode == 0, on_gpu.stderr
        assert same(on_gpu.stdout, on_cpu.stdout)
        shutil.rmtree(run_copy / "eval", ignore_errors=True)


@pytest.mark.parametrize(
    ("options", "transfers"),
    [
        ("--beam 1", 1),
        ("--beam 5 --n-best 5", 1),
        ("--beam 4 --coverage-penalty 0.2", 1),
        ("--sample --n-best 4", 1),
        ("--beam 6 --beam-groups 3", 1),
        ("--forbid dog --no-repeat-ngram 2 --repetition-penalty 1.3 --prefix the --min-length 6", 1),
        ("--beam 4 --glossary", 1),
        ("--beam 4 --glossary --coverage-penalty 0.2", 1),
        ("--beam 2 --align", 1),
        ("--beam 4 --beam-groups 2 --glossary", 2),  # the choice of a group depends on that of the group before it
    ],
)
def test_the_host_waits_once_for_each_position_however_many_hypotheses_end(
    command: Program,
    run: Path,
    gpu: torch.device,
    waits: Any,
    glossary: Path,
    options: str,
    transfers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nmt.cli.translate import open_translator
    from nmt.config.runtime import RuntimeConfig
    from nmt.config.search import SearchConfig
    from nmt.config.setting import build
    from nmt.decoding.translation import Glossary, Line

    translator = open_translator([run / "model"], RuntimeConfig(device=str(gpu), precision="float32"))
    counts = {"start": 0, "step": 0}  # batches and their positions
    methods = {name: getattr(Transformer, name) for name in counts}

    def counted(name: str, *arguments: Any) -> Any:
        counts[name] += 1
        return methods[name](*arguments)

    for name in counts:
        monkeypatch.setattr(
            Transformer, name, partialmethod(lambda self, name, *rest: counted(name, self, *rest), name)
        )
    names = options.split()
    terms = Glossary.read(glossary) if "--glossary" in names else Glossary({})
    prefix = "the" if "--prefix" in names else ""
    settings: dict[str, Any] = {"loop_guard": False, "max_length": 11}
    for name, value in zip(names, [*names[1:], ""], strict=True):
        key = name.removeprefix("--").replace("-", "_")
        if name.startswith("--") and key not in ("glossary", "prefix", "align"):
            settings[key] = (
                [value] if key == "forbid" else True if value.startswith("--") or not value else number(value)
            )
    config = build(SearchConfig, settings)
    lines = [terms.apply(Line(line.decode()), prefix) for line in LINES.splitlines() * 5]
    with waits() as transfers_made:
        list(translator.stream(lines, config, alignments="--align" in names))
    assert counts["step"] > 5
    attention = counts["start"] if "--align" in names else 0  # of a batch all at once
    assert len(transfers_made) <= counts["step"] * transfers + attention


def number(value: str) -> Any:
    return float(value) if "." in value else int(value)
