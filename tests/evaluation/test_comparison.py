"""Differences between two systems: counted by hand on a few sentences, and properties that hold for any."""

import json
from collections import Counter
from pathlib import Path

import pytest
from conftest import Corpus, Program
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import CHRF

from nmt.config.evaluation import CompareConfig
from nmt.data.overlap import Exposure, split_words, training_exposure
from nmt.evaluation.comparison import compare_two, parts, recall_by_frequency, sentences_by_change
from nmt.evaluation.evaluation_set import EvaluationSet
from nmt.evaluation.metrics import score
from nmt.files.run_directory import RunDirectory
from nmt.text.tokenizer import Tokenizers

REFERENCES = ["the dog sleeps", "a cat", "the dog sees the zebra today", "birds"]
SOURCES = ["der Hund schläft", "eine Katze", "der Hund sieht heute das Zebra im Garten des Nachbarn", "Vögel"]
FIRST = ["the dog sleeps", "a cow", "the dog sees the zebra today", "fish"]
SECOND = ["the hound sleeps", "a cat", "the dog sees the the today", "fish"]
EXPOSURE = (
    Exposure(Counter({"der": 50, "hund": 12, "schläft": 10, "eine": 9, "katze": 1}), [True, True, False, False]),
    Exposure(Counter({"the": 90, "dog": 12, "sleeps": 10, "a": 9, "cat": 1, "sees": 2}), [True, False, True, False]),
)
TEST = EvaluationSet([REFERENCES], SOURCES, EXPOSURE)


def test_sentences_are_ranked_from_the_largest_loss_to_the_largest_gain() -> None:
    ranked = sentences_by_change(FIRST, SECOND, TEST)
    assert [sentence.line for sentence in ranked] == [1, 3, 4, 2]
    assert ranked[0].change < ranked[1].change < 0 == ranked[2].change < ranked[3].change
    best = ranked[3]
    assert (best.source, best.reference, best.first, best.second) == ("eine Katze", "a cat", "a cow", "a cat")


def test_changes_are_differences_of_sacrebleu_sentence_chrf() -> None:
    metric = CHRF()
    for sentence in sentences_by_change(FIRST, SECOND, TEST):
        before, after = (
            metric.sentence_score(text, [sentence.reference]).score for text in (sentence.first, sentence.second)
        )
        assert sentence.change == pytest.approx(after - before)


def test_parts_are_scored_like_separate_test_sets() -> None:
    lengths, rarest, overlap = parts(FIRST, SECOND, TEST, ["chrf", "bleu"]).values()
    assert [(part.name, part.lines) for part in lengths] == [("0 to 19", 3), ("40 to 79", 1)]
    assert [(part.name, part.lines) for part in rarest] == [("0", 2), ("1", 1), ("10 and more", 1)]
    assert [part.lines for part in overlap] == [1, 1, 1, 1]
    lines = [0, 1, 3]
    for system, place in ((FIRST, 0), (SECOND, 1)):
        alone = score([system[line] for line in lines], [[REFERENCES[line] for line in lines]], ["chrf", "bleu"])
        assert [lengths[0].scores[metric.name][place] for metric in alone] == [metric.value for metric in alone]


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (EvaluationSet([REFERENCES]), []),
        (EvaluationSet([REFERENCES], SOURCES), ["length of the source in characters"]),
        (EvaluationSet([REFERENCES], None, EXPOSURE), ["what training has seen of the pair"]),
    ],
)
def test_parts_need_the_source_and_the_training_data(test: EvaluationSet, expected: list[str]) -> None:
    assert list(parts(FIRST, SECOND, test, ["chrf"])) == expected


def test_recall_counts_each_word_of_the_reference_once() -> None:
    """The second system output `the` three times for the third reference, which has it twice: two are counted."""
    recall = recall_by_frequency(FIRST, SECOND, REFERENCES, EXPOSURE[1])
    assert [(words.name, words.words) for words in recall] == [("0", 3), ("1", 1), ("2 to 9", 2), ("10 and more", 6)]
    assert [words.recall for words in recall] == [
        (pytest.approx(2 / 3), pytest.approx(1 / 3)),  # zebra, today; birds
        (0, 1),  # cat
        (1, 1),  # a, sees
        (1, pytest.approx(5 / 6)),  # the dog sleeps the dog the
    ]


@given(st.lists(st.text("ab 가今。\n", max_size=8), min_size=1, max_size=6))
def test_a_system_does_not_differ_from_itself(lines: list[str]) -> None:
    test = EvaluationSet([["a b"] * len(lines)])
    assert {sentence.change for sentence in sentences_by_change(lines, lines, test)} == {0}


@given(st.text())
def test_words_hold_all_letters_of_a_text(text: str) -> None:
    letters = (letter for letter in text.casefold() if letter.isalnum() or letter == "_")
    assert "".join(split_words(text)) == "".join(letters)


def test_exposure_is_counted_in_the_prepared_data(run: Path, corpus: Corpus) -> None:
    source, target = (path.read_text("utf-8").splitlines() for path in corpus.train)
    counts = [Counter(word for line in side for word in split_words(line)) for side in (source, target)]
    pairs = [(source[3], target[3]), ("ich suche das Zebra.", "I seek the zebra."), (source[5], "You see nothing.")]
    progress = list[int]()
    exposure = training_exposure(run / "data", Tokenizers.load(run), pairs, progress.append)
    assert [side.leaked for side in exposure] == [[True, False, True], [True, False, False]]
    for side, expected in zip(exposure, counts, strict=True):
        assert side.frequencies
        assert all(expected[word] == count for word, count in side.frequencies.items())
    assert exposure[0].rarest("ich suche das Zebra") == 0
    assert exposure[1].rarest("I seek the") == min(counts[1][word] for word in ("i", "seek", "the"))
    assert progress == [len(source), len(target)]


def test_a_comparison_names_systems_and_shows_as_many_sentences_as_requested(run: Path) -> None:
    systems = {"one": FIRST, "two": SECOND}
    for show, worse, better in ((0, [], []), (1, [1], [2]), (9, [1, 3], [2])):
        comparison = compare_two(RunDirectory(run), systems, TEST, CompareConfig(show=show))
        assert comparison.systems == ("one", "two")
        assert [sentence.line for sentence in comparison.worse] == worse
        assert [sentence.line for sentence in comparison.better] == better


def test_metrics_of_a_comparison_can_be_chosen(run: Path) -> None:
    for metric, expected in ((None, {"BLEU", "chrF2"}), (["ter"], {"TER"})):
        comparison = compare_two(RunDirectory(run), {"a": FIRST, "b": SECOND}, TEST, CompareConfig(metric=metric))
        assert {name for group in comparison.parts.values() for part in group for name in part.scores} == expected


@pytest.mark.parametrize(
    ("test", "prepared", "message"),
    [
        (EvaluationSet([REFERENCES]), True, "no breakdown by source length or training data: --source not given"),
        (EvaluationSet([REFERENCES], SOURCES), False, "has no training data, so there is no breakdown by it"),
    ],
)
def test_a_breakdown_that_is_missing_is_explained(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, test: EvaluationSet, prepared: bool, message: str
) -> None:
    directory = RunDirectory(run if prepared else tmp_path)
    with caplog.at_level("INFO", logger="nmt"):
        comparison = compare_two(directory, {"a": FIRST, "b": SECOND}, test, CompareConfig())
    assert message in caplog.text
    assert comparison.words == []
    assert len(comparison.worse) == 2


def test_a_comparison_as_json_has_all_of_it(run: Path) -> None:
    comparison = compare_two(RunDirectory(run), {"a": FIRST, "b": SECOND}, TEST, CompareConfig(show=1))
    content = json.loads(json.dumps(comparison.as_json()))
    assert list(content) == ["systems", "parts", "words", "worse", "better"]
    assert content["systems"] == ["a", "b"]
    assert set(content["worse"][0]) == {"line", "change", "source", "reference", "first", "second"}
    assert (content["better"][0]["line"], content["better"][0]["first"]) == (2, "a cow")
    lengths = content["parts"]["length of the source in characters"]
    assert [(part["name"], part["lines"], set(part["scores"])) for part in lengths] == [
        ("0 to 19", 3, {"BLEU", "chrF2"}),
        ("40 to 79", 1, {"BLEU", "chrF2"}),
    ]
    assert sum(words["words"] for words in content["words"]) == 12
    assert all(len(words["recall"]) == 2 for words in content["words"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["a", "--diff"], "--diff needs exactly two files; got 1"),
        (["a", "a", "a", "--diff"], "--diff needs exactly two files; got 3"),
        (["a", "b", "--diff", "--sentence"], "--sentence and --diff cannot be combined"),
        (["a", "b", "--diff", "--significance", "bootstrap"], "--diff and --significance cannot be combined"),
        (["a", "--show", "3"], "--show has no meaning here"),
        (["a", "--alignment", "b"], "--alignment scores the run's model"),
        (["a", "b", "--diff", "--details"], "--details has no meaning here"),
        (["a", "--beam", "3"], "--beam has no meaning here"),
        (["--alignment", "b", "--metric", "bleu"], "--metric has no meaning here"),
        (["a", "--sentence", "--json"], "--sentence prints a line for each sentence, not JSON"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    command: Program, run: Path, options: list[str], message: str
) -> None:
    done = command("eval", *options, "--run", run)
    assert (done.returncode, done.stdout) == (2, b"")
    assert message in done.stderr
