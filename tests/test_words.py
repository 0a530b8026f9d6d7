"""The field's words: a user who knows fairseq, Marian or Hugging Face finds an option by the word they search for."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Program

import nmt

PACKAGE = Path(nmt.__file__).parent

TERMS = {
    "train": "early stopping; gradient accumulation; learning rate; warm-up; dropout probability; random seed; resume; "
    "label smoothing; exponential moving average; checkpoint; gradient clipping; weight decay; epochs; fine-tuning; "
    "freeze; optimizer; batch size; R-Drop; subword regularization; checkpoint averaging; tied embeddings; KL penalty",
    "translate": "beam size; length penalty; nucleus; top-k; minimum Bayes risk; n-gram; n-best; coverage penalty; "
    "repetition penalty; temperature; random seed; ensemble; word alignments; lexically constrained decoding; "
    "greedy; diverse beam search; terminology; maximum length; minimum length",
    "eval": "reference; BLEU; chrF; TER; COMET; confidence intervals; n-gram precisions; brevity penalty",
    "compare": "significance; bootstrap resampling; approximate randomization",
    "prepare": "validation set; test set; parallel corpus; tokenize; deduplicate; language identification",
    "tokenizer train": "vocabulary size; subword; normalization; byte; user-defined symbol; character; joint",
    "score": "log-probability; length penalty; batch size",
    "attention": "attention; head; layer; encoder; decoder",
    "average": "average; weights; checkpoint",
}
"""What the help of each command must contain, in any case and across line ends."""

LOST = re.compile(
    r"""\b(?:told|tells?)\b | \bstands?\ in\b | \bso\ many\b | \bin\ place\ of\b
    | (?<!there\ )\b(?:is|are|was)\ no\ (?!longer)
    | \bat\ work\b | \blearnt?\ by\ heart\b | \bdropped\ share\b | \bmoving\ mean\b | \bof\ one['’]s\ own\b
    | \bnumber\ format\b | \bdrawn?\ (?:afresh|anew)\b | \bread\ the\ text\b | \bgo(?:es|ing)?\ on\ (?:with|from)\b
    | \boptimiser | \bnormalis | \bbehind\ (?:the|each|its|that)\b | \bmakes\ no\ sense\b | \bruns\ in\ circles\b
    | \bneeds\ a\ package\ more\b | \bas\ you\ like\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Words and phrases that no page, help text or message may have: those of WORDS, `told` for reported and the like."""


@pytest.mark.parametrize("name", sorted(TERMS))
def test_help_has_the_terms_that_people_search_for(command: Program, name: str) -> None:
    done = command(*name.split(), "--help")
    text = " ".join(re.sub("[│╭╮╰╯─]", " ", done.stdout.decode()).split()).casefold()
    missing = [term for term in TERMS[name].split("; ") if term.casefold() not in text]
    assert not missing


def pages() -> list[Path]:
    """Everything that a user reads beside the program's output."""
    return [
        *sorted((ROOT / "docs").glob("*.md")),
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "SECURITY.md")),
    ]


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_pages_have_none_of_the_words_to_lose(page: Path) -> None:
    lines = page.read_text(encoding="utf-8").splitlines()
    found = [f"{number}: {match[0]}" for number, line in enumerate(lines, start=1) for match in LOST.finditer(line)]
    assert not found


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """The strings of a module, docstrings, help and messages among them, and its comments."""
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())
    for number, line in enumerate(source.splitlines(), start=1):
        if "  # " in line or line.strip().startswith("# "):
            yield number, line.partition("# ")[2]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_package_has_none_of_the_words_to_lose(path: Path) -> None:
    found = [f"{number}: {match[0]}" for number, text in strings(path) for match in LOST.finditer(text)]
    assert not found


VAGUE = {"one", "found", "each", "both", "asked", "told"}
"""Names that say nothing of what they hold."""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_variables_say_what_they_hold(path: Path) -> None:
    names = {
        f"line {node.lineno}: {node.id}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in VAGUE
    }
    assert not sorted(names)
