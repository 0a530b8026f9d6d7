"""Alignment error rates by hand arithmetic, and gold alignments that cannot be right."""

import json
from pathlib import Path

import pytest
from conftest import Corpus, Program
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translate import Translator
from nmt.evaluation.alignment_error import GoldAlignment, alignment_errors, parse_alignment
from nmt.evaluation.attention_maps import attention_maps, by_word

LINKS = st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)))


@given(sure=LINKS, possible=LINKS)
def test_links_are_read_as_they_were_written(sure: set[tuple[int, int]], possible: set[tuple[int, int]]) -> None:
    line = " ".join([f"{i}-{j}" for i, j in sure] + [f"{i}?{j}" for i, j in possible])
    assert parse_alignment(line) == GoldAlignment(frozenset(sure), frozenset(sure | possible))


def test_what_the_model_itself_links_has_no_error(run: Path) -> None:
    translator = Translator.load(run / "model")
    pair = ("ich sehe den Hund", "I see the dog")
    weights = by_word(attention_maps(translator, *pair)["cross"]).weights[0, 1, :-1, :-1]
    own = frozenset((int(best), word) for word, best in enumerate(weights.argmax(dim=1)))
    others = frozenset(((best + 1) % 4, word) for best, word in own)
    for gold, expected in (
        (GoldAlignment(own, own), (0, 1, 1)),
        (GoldAlignment(others, others), (1, 0, 0)),
        (GoldAlignment(frozenset(), own), (0, 1, 0)),  # all that was found is possible, and nothing is sure
    ):
        found = alignment_errors(translator, [pair], [gold])
        assert [(one.layer, one.head) for one in found] == [(1, None), (1, 1), (1, 2)]
        assert found[2][2:] == pytest.approx(expected)


def test_the_command_tells_each_head(command: Program, run: Path, corpus: Corpus, tmp_path: Path) -> None:
    """The corpus is German and English word for word."""
    lines = corpus.test[0].read_text("utf-8").splitlines()
    gold = tmp_path / "gold"
    gold.write_text("".join(" ".join(f"{i}-{i}" for i in range(len(line.split()))) + "\n" for line in lines), "utf-8")
    done = command("eval", "--alignment", gold, "--run", run, "--json")
    found = json.loads(done.stdout)
    assert [(one["layer"], one["head"]) for one in found] == [(1, None), (1, 1), (1, 2)]
    assert all(0 <= one["error_rate"] <= 1 for one in found)
    assert [one["error_rate"] for one in found] == pytest.approx([1 - one["precision"] for one in found])
    shown = command("eval", "--alignment", gold, "--run", run).stdout.decode().splitlines()
    assert shown[0].split() == ["alignment", "error", "rate", "mean", "head", "1", "head", "2"]
    assert shown[1].split() == ["layer", "1", *(f"{one['error_rate']:.3f}" for one in found)]
    assert shown[2].startswith("best: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[1:], "lines for 8 sentence pairs"),
        (lambda lines: ["0:0", *lines[1:]], "line 1: 0:0 is no link such as 0-1"),
        (lambda lines: [lines[0], "0-0 6-0", *lines[2:]], "line 2: the link 6-0, but the pair has 6 and 6 words"),
    ],
)
def test_alignments_that_cannot_be_right_are_named(
    command: Program, run: Path, tmp_path: Path, change: object, message: str
) -> None:
    assert callable(change)
    gold = tmp_path / "gold"
    gold.write_text("".join(line + "\n" for line in change(["0-0"] * 8)), "utf-8")
    done = command("eval", "--alignment", gold, "--run", run)
    assert (done.returncode, done.stdout) == (1, b"")
    assert message in done.stderr
