"""Scores of given translations: those that search added up, whatever else is in the batch."""

import json
import math
from pathlib import Path

import pytest
from conftest import Program

from nmt import Translator
from nmt.config import SearchConfig
from nmt.decoding.hypotheses import length_penalty
from nmt.decoding.lines import Line
from nmt.decoding.score import score_pairs, token_log_probs
from nmt.text.tokenizer import END

LINES = ["ich sehe den Hund", "du hörst den Vogel", "wir suchen heute", "", "ich", "ich sehe den Hund " * 9]


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return Translator.load(run / "model")


def test_a_translation_has_the_log_probability_that_search_found(translator: Translator) -> None:
    config = SearchConfig(beam=4, n_best=4, max_length=30, length_penalty=0.7)
    sentences = [part for line in LINES for part in translator.sentences(Line(line), config)]
    rows = [one.source for one in sentences]
    results = translator.engine.search(rows, [one.request for one in sentences], config, None)
    for row, hypotheses in zip(rows, results, strict=True):
        targets = [one.tokens if one.truncated else [*one.tokens, END] for one in hypotheses]
        found = token_log_probs(translator, [row] * len(targets), targets)
        for one, log_probs in zip(hypotheses, found, strict=True):
            assert sum(log_probs) == pytest.approx(one.log_prob, abs=1e-5 * len(log_probs))
            assert sum(log_probs) / length_penalty(len(log_probs), 0.7) == pytest.approx(one.score, abs=1e-5)


def test_a_pair_does_not_notice_its_neighbours(translator: Translator) -> None:
    pairs = [(source, target) for source in LINES for target in ("I see the dog", "", "you " * 40)]
    together = list(score_pairs(translator, pairs))
    assert len(together) == len(pairs)
    for pair, one in zip(pairs, together, strict=True):
        (alone,) = score_pairs(translator, [pair])
        assert one.token_scores == pytest.approx(alone.token_scores, abs=1e-5)
        assert one.log_prob == pytest.approx(sum(one.token_scores))
        assert one.tokens == [*translator.tokenizers.target.encode_pieces([pair[1]])[0], "</s>"]


def test_the_first_tokens_are_a_distribution(translator: Translator) -> None:
    vocabulary = translator.model.config.target_vocabulary
    found = token_log_probs(translator, [[4, END]] * vocabulary, [[token, END] for token in range(vocabulary)])
    assert math.fsum(math.exp(row[0]) for row in found) == pytest.approx(1, abs=1e-4)


def test_a_sentence_longer_than_any_of_training_has_a_score(translator: Translator) -> None:
    """The encodings of its positions are computed; where a line is split, its parts would have no translations."""
    long = "ich sehe den Hund " * translator.model.config.max_length
    (found,) = score_pairs(translator, [(long, "I see the dog")])
    assert math.isfinite(found.log_prob)


def test_the_command_prints_a_line_for_each_pair(command: Program, run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("ich sehe den Hund\n\ndu\n", encoding="utf-8")
    (tmp_path / "a.en").write_text("I see the dog\n\nyou\n", encoding="utf-8")
    files = tmp_path / "a.de", tmp_path / "a.en"
    plain = command("score", *files, "--run", run, "--tokens").stdout.decode().splitlines()
    lines = [json.loads(line) for line in command("score", *files, "--run", run, "--json").stdout.splitlines()]
    assert len(plain) == len(lines) == 3
    for row, line in zip(plain, lines, strict=True):
        total, score, tokens = row.split("\t")
        assert float(total) == pytest.approx(line["log_prob"], abs=1e-5)
        assert float(score) == pytest.approx(line["score"], abs=1e-5)
        assert [token.rpartition(":")[0] for token in tokens.split(" ")] == line["tokens"]
    assert lines[1]["tokens"] == ["</s>"]


def test_files_of_unequal_length_are_an_error(command: Program, run: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("ich\ndu\n", encoding="utf-8")
    (tmp_path / "b").write_text("I\n", encoding="utf-8")
    done = command("score", tmp_path / "a", tmp_path / "b", "--run", run)
    assert done.returncode == 1
    assert "has 2 lines but" in done.stderr
