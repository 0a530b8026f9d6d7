"""Output of commands: what is printed where, numbers in words, and the views of scores and runs."""

import io
import logging
import sys
from pathlib import Path

import pytest
from conftest import untouched_logging
from hypothesis import given
from hypothesis import strategies as st

from nmt.cli.output import counting, log, set_up_logging, warn, working, writable_page
from nmt.cli.views.check import draw_check, vocabulary_line
from nmt.cli.views.runs import sparkline
from nmt.cli.views.scores import draw_alignment_errors, draw_scores, draw_systems, p_value
from nmt.errors import NmtError, counted
from nmt.evaluation.alignment_error import AlignmentError
from nmt.evaluation.metrics import Score

BLEU = Score("BLEU", 12.345, "nrefs:1")
DETAILS = {
    "precisions": [50.0, 25.0, 12.5, 6.25],
    "brevity_penalty": 0.75,
    "length_ratio": 0.875,
    "words": 7_000,
    "reference_words": 8_000,
}


# ------------------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(("quiet", "expected"), [(False, "50 % done\nwarning: slow\n"), (True, "warning: slow\n")])
def test_messages_go_to_stderr_and_warnings_even_when_quiet(
    quiet: bool, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with untouched_logging():
        set_up_logging(quiet=quiet)
        log("50 % done")
        warn("slow")
    assert capsys.readouterr() == ("", expected)


def test_a_closed_stderr_does_not_end_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """`nmt train 2>&1 | head` must continue to train."""

    class Closed(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    with untouched_logging():
        set_up_logging(quiet=False)
        log("nobody reads this")
        log("nor this")
        assert not isinstance(sys.stderr, Closed)
        sys.stderr.close()


@pytest.mark.parametrize(("number", "text"), [(0, "0 pairs"), (1, "1 pair"), (2, "2 pairs"), (2_000, "2,000 pairs")])
def test_nouns_follow_their_numbers(number: int, text: str) -> None:
    assert counted(number, "pair") == text


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    """A log file must not be filled with cursor movements."""
    with counting("pairs read", quiet=False) as progress, working(quiet=True) as show:
        progress(3)
        show("working")
    assert capsys.readouterr() == ("", "")


def test_a_page_is_refused_before_it_is_computed_where_it_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(NmtError, match="none: no such directory"):
        writable_page(tmp_path / "none" / "page.html")
    write = writable_page(tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
    with caplog.at_level(logging.INFO, logger="nmt"):
        write("<p>")
    assert (tmp_path / "page.html").read_text() == "<p>"
    assert caplog.messages == [f"wrote {tmp_path / 'page.html'}"]


# --------------------------------------------------------------------------------------------------------------- scores


@pytest.mark.parametrize(
    ("probability", "text"),
    [(None, ""), (0.0123, "0.0123*"), (0.04994, "0.0499*"), (0.04996, "0.0500"), (0.05, "0.0500"), (0.0, "0.0000*")],
)
def test_a_star_agrees_with_the_digits_that_are_printed(probability: float | None, text: str) -> None:
    assert p_value(probability) == text


def test_scores_of_one_system_are_lines_with_their_signatures(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    comet = Score("COMET", 0.81236, "model:x", digits=4)
    confident = BLEU._replace(name="TER", mean=12.4, interval=1.25, details=DETAILS)
    draw_scores([BLEU, comet, confident], details=True)
    sys.stdout.flush()
    assert capfdbinary.readouterr().out.decode().splitlines() == [
        "BLEU    12.35  nrefs:1",
        "COMET  0.8124  model:x",
        "TER     12.35 (mean 12.40 ± 1.25)  nrefs:1",
        "       n-gram precisions 50.0 / 25.0 / 12.5 / 6.2, brevity penalty 0.750, length ratio 0.875 "
        "(7,000 words, 8,000 in the reference)",
    ]


def test_names_with_brackets_are_shown_as_they_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """rich takes `[b]` for markup."""
    monkeypatch.setenv("COLUMNS", "100")
    draw_systems({"[b]": [BLEU], "c": [BLEU._replace(p_value=0.5)]})
    assert "p: p-value of the difference from [b]; * significant, below 0.05\n" in capsys.readouterr().out
    histogram = {"from": [0], "counts": [[0], [0]]}
    file = {"path": "[b].de", "lines": 0, "format": "plain", "blank": 0, "crlf": 0}
    file |= {key: {"count": 0, "lines": []} for key in ("invalid_utf8", "controls")}
    corpus = {"name": "[b]", "pairs": 0, "files": [file], "length_histogram": histogram, "ratio_histogram": histogram}
    draw_check({"languages": ["de", "en"], "corpora": [corpus]})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("corpus [b]  0 pairs ")
    assert lines[1] == "  [b].de: 0 lines"


def test_systems_without_tests_have_no_p_values(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    draw_systems({"a": [BLEU], "[b]": [BLEU._replace(value=3.0)]})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["system", "BLEU"],
        ["a", "12.35"],
        ["[b]", "3.00"],
        ["BLEU:", "nrefs:1"],
    ]


@pytest.mark.parametrize(
    ("head", "text"), [(None, "best: the mean of the heads of layer 2, 0.250"), (1, "best: head 1 of layer 2, 0.250")]
)
def test_the_best_head_is_named(
    head: int | None, text: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    errors = [AlignmentError(layer, number, 0.5, 0.5, 0.5) for layer in (1, 2) for number in (None, 1)]
    errors = [error._replace(error_rate=0.25) if error[:2] == (2, head) else error for error in errors]
    draw_alignment_errors(errors)
    first, *rows, best = capsys.readouterr().out.splitlines()
    assert first.split() == ["alignment", "error", "rate", "mean", "head", "1"]
    assert [row.split()[:2] for row in rows] == [["layer", "1"], ["layer", "2"]]
    assert best == f"{text} (precision 0.500, recall 0.500); 0 is perfect"


# ----------------------------------------------------------------------------------------------------- runs and corpora


@given(st.floats(-1e6, 1e6), st.integers(1, 9), st.integers(1, 9))
def test_a_constant_curve_is_flat(value: float, length: int, width: int) -> None:
    assert set(sparkline([value] * length, width)) == {"▁"}


def test_a_curve_averages_what_shares_a_column() -> None:
    """Means 0, 7 and 3.5 of three pairs, between ▁ at 0 and █ at 7: the last is at 3.5 of 7, half of the height."""
    assert sparkline([-1, 1, 6, 8, 3, 4], 3) in ("▁█▄", "▁█▅")


def test_a_vocabulary_report_is_a_line() -> None:
    report = {"sentences": 1200, "words": 9000, "pieces_per_word": 1.234, "longest": 60}
    report |= {"unknown": 0.0, "bytes": 0.00125, "used": 0.97, "lost": 0.0, "lost_characters": {}}
    line = (
        "1,200 sentences, 9,000 words, 1.23 pieces per word, at most 60 tokens; "
        "0.000% unknown, 0.125% spelled as bytes; 97% of the vocabulary used"
    )
    assert vocabulary_line(report) == line
    lost = vocabulary_line({**report, "lost": 0.002, "lost_characters": {"，": 1200, "\x1b": 1}})
    assert lost == f"{line}; 0.200% of the characters lost (， 1,200, ␛ 1)"
