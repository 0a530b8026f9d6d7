"""Where two systems differ: counted by hand on a few sentences, and what holds for any."""

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import Corpus, Program
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.seen import Seen, seen_in_training, words
from nmt.evaluation.differences import EvaluationSet, parts, recall_by_frequency, sentences_by_change
from nmt.evaluation.metrics import score
from nmt.text.tokenizer import Tokenizers

REFERENCES = ["the dog sleeps", "a cat", "the dog sees the zebra today", "birds"]
SOURCES = ["der Hund schläft", "eine Katze", "der Hund sieht heute das Zebra im Garten des Nachbarn", "Vögel"]
FIRST = ["the dog sleeps", "a cow", "the dog sees the zebra today", "fish"]
SECOND = ["the hound sleeps", "a cat", "the dog sees the the today", "fish"]
SEEN = (
    Seen(Counter({"der": 50, "hund": 12, "schläft": 10, "eine": 9, "katze": 1}), [True, True, False, False]),
    Seen(Counter({"the": 90, "dog": 12, "sleeps": 10, "a": 9, "cat": 1, "sees": 2}), [True, False, True, False]),
)
TEST = EvaluationSet([REFERENCES], SOURCES, SEEN)


def test_sentences_come_from_worst_to_best() -> None:
    found = sentences_by_change(FIRST, SECOND, TEST)
    assert [one.line for one in found] == [1, 3, 4, 2]
    assert found[0].change < found[1].change < 0 == found[2].change < found[3].change
    best = found[3]
    assert (best.source, best.reference, best.first, best.second) == ("eine Katze", "a cat", "a cow", "a cat")


def test_parts_are_scored_as_sets_of_their_own() -> None:
    found = parts(FIRST, SECOND, TEST, ["chrf", "bleu"], "13a")
    lengths, rarest, leaks = found.values()
    assert [(one.name, one.lines) for one in lengths] == [("0 to 19", 3), ("40 to 79", 1)]
    assert [(one.name, one.lines) for one in rarest] == [("0", 2), ("1", 1), ("10 and more", 1)]
    assert [one.lines for one in leaks] == [1, 1, 1, 1]
    lines = [0, 1, 3]
    for system, place in ((FIRST, 0), (SECOND, 1)):
        alone = score([system[line] for line in lines], [[REFERENCES[line] for line in lines]], ["chrf", "bleu"])
        assert [lengths[0].scores[one.name][place] for one in alone] == [one.value for one in alone]


def test_words_of_the_reference_are_found_as_often_as_they_were_written() -> None:
    """Of the two `the` of the third reference the second system wrote both; its third one counts for nothing."""
    found = recall_by_frequency(FIRST, SECOND, REFERENCES, SEEN[1])
    assert [(one.name, one.words) for one in found] == [("0", 3), ("1", 1), ("2 to 9", 2), ("10 and more", 6)]
    assert [one.recall for one in found] == [
        (pytest.approx(2 / 3), pytest.approx(1 / 3)),  # zebra, today; birds
        (0, 1),  # cat
        (1, 1),  # a, sees
        (1, pytest.approx(5 / 6)),  # the dog sleeps the dog the
    ]


@given(st.lists(st.text("ab 가今。\n", max_size=8), min_size=1, max_size=6))
def test_a_system_does_not_differ_from_itself(lines: list[str]) -> None:
    test = EvaluationSet([["a b"] * len(lines)])
    assert {one.change for one in sentences_by_change(lines, lines, test)} == {0}


@given(st.text())
def test_words_hold_all_letters_of_a_text(text: str) -> None:
    assert "".join(words(text)) == "".join(letter for letter in text.casefold() if letter.isalnum() or letter == "_")


def test_what_training_has_seen_is_counted_in_the_prepared_rows(run: Path, corpus: Corpus) -> None:
    source, target = (path.read_text("utf-8").splitlines() for path in corpus.train)
    counts = [Counter(word for line in side for word in words(line)) for side in (source, target)]
    pairs = [(source[3], target[3]), ("ich suche das Zebra.", "I seek the zebra."), (source[5], "You see nothing.")]
    told = list[int]()
    found = seen_in_training(run / "data", Tokenizers.load(run), pairs, told.append)
    assert [one.sentences for one in found] == [[True, False, True], [True, False, False]]
    for side, expected in zip(found, counts, strict=True):
        assert side.counts
        assert all(expected[word] == count for word, count in side.counts.items())
    assert found[0].rarest("ich suche das Zebra") == 0
    assert found[1].rarest("I seek the") == min(counts[1][word] for word in ("i", "seek", "the"))
    assert told == [len(source), len(target)]


def test_the_command_tells_parts_words_and_lines(command: Program, run: Path, corpus: Corpus, tmp_path: Path) -> None:
    right = corpus.test[1].read_text("utf-8")
    (tmp_path / "a").write_text(right, "utf-8")
    (tmp_path / "b").write_text(right.replace("dog", "cat"), "utf-8")
    files = tmp_path / "a", tmp_path / "b"
    shown = command("eval", "--diff", *files, "--run", run).stdout.decode()
    assert shown.startswith("from a to b: scores of the first, and the change\n")
    assert "by length of the source in characters" in shown
    assert "words of the reference, by how often training has seen them" in shown
    found = json.loads(command("eval", "--diff", *files, "--run", run, "--show", 1, "--json").stdout)
    assert found["systems"] == ["a", "b"]
    assert (len(found["worse"]), found["better"]) == (1, [])
    assert "cat" in found["worse"][0]["second"]
    assert found["parts"]["what training has seen of the pair"][0]["name"] == "neither in training"
    alone = command("eval", "--diff", *files, "--reference", corpus.test[1], "--run", run)
    assert "without --source" in alone.stderr
    assert "lines that b does worst on" in alone.stdout.decode()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["a", "--diff"], "--diff compares two systems, and there are 1"),
        (["a", "a", "a", "--diff"], "--diff compares two systems, and there are 3"),
        (["a", "b", "--diff", "--sentence"], "--sentence and --diff each print something of their own"),
        (["a", "b", "--diff", "--significance", "bootstrap"], "--diff and --significance each print"),
        (["a", "--show", "3"], "--show is of --diff"),
        (["a", "--alignment", "b"], "--alignment scores the run's model"),
        (["a", "b", "--diff", "--details"], "--details has no meaning here"),
        (["a", "--beam", "3"], "--beam has no meaning here"),
        (["--alignment", "b", "--metric", "bleu"], "--metric has no meaning here"),
        (["a", "--sentence", "--json"], "--sentence prints a line for each, and no JSON"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    command: Program, run: Path, options: list[str], message: str
) -> None:
    done = command("eval", *options, "--run", run)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr


def test_what_could_control_the_terminal_is_made_visible(
    command: Program, run: Path, corpus: Corpus, tmp_path: Path
) -> None:
    right = corpus.test[1].read_text("utf-8").splitlines()
    (tmp_path / "a").write_text("".join(f"{line}\n" for line in right), "utf-8")
    (tmp_path / "b").write_text("".join(f"{line}\n" for line in ["\x1b[31mred", *right[1:]]), "utf-8")
    done = command("eval", "--diff", tmp_path / "a", tmp_path / "b", "--run", run)
    assert "␛[31mred" in done.stdout.decode()
    assert b"\x1b" not in done.stdout
