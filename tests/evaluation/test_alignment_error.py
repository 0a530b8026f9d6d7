"""Alignment error rates by hand arithmetic, and gold alignments that are refused."""

import json
from pathlib import Path

import pytest
from conftest import Corpus, Program
from hypothesis import given
from hypothesis import strategies as st

from nmt.decoding.translator import Translator
from nmt.errors import NmtError
from nmt.evaluation.alignment_error import GoldAlignment, alignment_errors, parse_alignment, read_alignments
from nmt.evaluation.attention_maps import attention_maps, by_word

LINKS = st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)))


@given(sure=LINKS, possible=LINKS)
def test_links_are_read_as_they_were_written(sure: set[tuple[int, int]], possible: set[tuple[int, int]]) -> None:
    line = " ".join([f"{i}-{j}" for i, j in sure] + [f"{i}?{j}" for i, j in possible])
    assert parse_alignment(line) == GoldAlignment(frozenset(sure), frozenset(sure | possible))


@pytest.mark.parametrize("line", ["0", "0-", "a-b", "0-1-2", "-1-0", "0 - 1"])
def test_malformed_links_are_refused(line: str) -> None:
    with pytest.raises(ValueError, match="is not a link such as 0-1"):
        parse_alignment(line)


def test_possible_links_alone_are_refused(tmp_path: Path) -> None:
    """Recall is measured on sure links: without any, the error rate would only measure precision."""
    (tmp_path / "gold").write_text("0?0\n\n", "utf-8")
    with pytest.raises(NmtError, match="has no sure links, which an error rate requires"):
        read_alignments(tmp_path / "gold", [("a b", "c"), ("d", "e")])


def test_the_models_own_links_have_no_error(run: Path) -> None:
    translator = Translator.load(run / "model")
    pair = ("ich sehe den Hund", "I see the dog")
    weights = by_word(attention_maps(translator, *pair)["cross"]).weights[0, 1, :-1, :-1]
    own = frozenset((int(best), word) for word, best in enumerate(weights.argmax(dim=1)))
    others = frozenset(((best + 1) % 4, word) for best, word in own)
    for gold, expected in (
        (GoldAlignment(own, own), (0, 1, 1)),
        (GoldAlignment(others, others), (1, 0, 0)),
        (GoldAlignment(frozenset(), own), (0, 1, 0)),  # all links are possible, and none is sure
    ):
        errors = alignment_errors(translator, [pair], [gold])
        assert [(error.layer, error.head) for error in errors] == [(1, None), (1, 1), (1, 2)]
        assert errors[2][2:] == pytest.approx(expected)


def test_links_are_summed_over_pairs_before_rates_are_computed(run: Path) -> None:
    """One pair all right (4 links), one all wrong (2 links): 1 - (4 + 4) / (6 + 6), not the mean of 0 and 1."""
    translator = Translator.load(run / "model")
    pairs = [("ich sehe den Hund", "I see the dog"), ("ich sehe", "I see")]
    gold = []
    for (source, target), shift in zip(pairs, (0, 1), strict=True):
        weights = by_word(attention_maps(translator, source, target)["cross"]).weights[0, 0, :-1, :-1]
        words = len(source.split())
        links = frozenset(((int(best) + shift) % words, word) for word, best in enumerate(weights.argmax(dim=1)))
        gold.append(GoldAlignment(links, links))
    error = alignment_errors(translator, pairs, gold)[1]
    assert error[2:] == pytest.approx((1 / 3, 2 / 3, 2 / 3))


def test_blank_sides_are_skipped_and_nothing_else_is_an_error(run: Path) -> None:
    translator, links = Translator.load(run / "model"), frozenset({(0, 0)})
    gold, counts = GoldAlignment(links, links), list[int]()
    (_, first, _) = alignment_errors(translator, [("ich", " "), ("ich", "I")], [gold, gold], counts.append)
    assert (first.error_rate, counts) == (0, [1, 2])
    with pytest.raises(NmtError, match="no sentence pair could be aligned"):
        alignment_errors(translator, [(" ", "I")], [gold])


def test_the_command_reports_each_head(command: Program, run: Path, corpus: Corpus, tmp_path: Path) -> None:
    """The corpus is German and English word for word."""
    lines = corpus.test[0].read_text("utf-8").splitlines()
    gold = tmp_path / "gold"
    gold.write_text("".join(" ".join(f"{i}-{i}" for i in range(len(line.split()))) + "\n" for line in lines), "utf-8")
    done = command("eval", "--alignment", gold, "--run", run, "--json")
    errors = json.loads(done.stdout)
    assert [(error["layer"], error["head"]) for error in errors] == [(1, None), (1, 1), (1, 2)]
    assert all(0 <= error["error_rate"] <= 1 for error in errors)
    assert [error["error_rate"] for error in errors] == pytest.approx([1 - error["precision"] for error in errors])
    shown = command("eval", "--alignment", gold, "--run", run).stdout.decode().splitlines()
    assert shown[0].split() == ["alignment", "error", "rate", "mean", "head", "1", "head", "2"]
    assert shown[1].split() == ["layer", "1", *(f"{error['error_rate']:.3f}" for error in errors)]
    assert shown[2].startswith("best: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[1:], "lines, not 8"),
        (lambda lines: ["0:0", *lines[1:]], "line 1: 0:0 is not a link such as 0-1"),
        (lambda lines: [lines[0], "0-0 6-0", *lines[2:]], "line 2: the link 6-0, but the pair has 6 and 6 words"),
    ],
)
def test_impossible_alignments_are_refused_with_their_line(
    command: Program, run: Path, tmp_path: Path, change: object, message: str
) -> None:
    assert callable(change)
    gold = tmp_path / "gold"
    gold.write_text("".join(line + "\n" for line in change(["0-0"] * 8)), "utf-8")
    done = command("eval", "--alignment", gold, "--run", run)
    assert (done.returncode, done.stdout) == (1, b"")
    assert message in done.stderr
