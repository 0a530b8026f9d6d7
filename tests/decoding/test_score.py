"""Scores of given translations: those of search, whatever else is in the batch."""

import json
import math
from pathlib import Path

import pytest
from conftest import Program

from nmt import Translator
from nmt.config.evaluation import ScoreConfig
from nmt.config.search import SearchConfig
from nmt.decoding.engine import length_penalty
from nmt.decoding.line_parts import LineSplitter
from nmt.decoding.score import score_pairs, token_log_probs
from nmt.decoding.translation import Line
from nmt.text.tokenizer import END

LINES = ["ich sehe den Hund", "du hörst den Vogel", "wir suchen heute", "", "ich", "ich sehe den Hund " * 9]


@pytest.fixture(scope="module")
def translator(run: Path) -> Translator:
    return Translator.load(run / "model", engine="torch")


def test_a_translation_has_the_log_probability_that_search_reported(translator: Translator) -> None:
    config = SearchConfig(beam=4, n_best=4, max_length=30, length_penalty=0.7)
    splitter = LineSplitter(translator.tokenizers, config, translator.engine.max_length)
    requests = [part.request for line in LINES for part in splitter.split(Line(line))]
    for request, n_best in zip(requests, translator.engine.search(requests, config), strict=True):
        targets = [hypothesis.tokens + [END] * (not hypothesis.truncated) for hypothesis in n_best]
        scored = token_log_probs(translator, [list(request.source)] * len(targets), targets)
        for hypothesis, log_probs in zip(n_best, scored, strict=True):
            assert sum(log_probs) == pytest.approx(hypothesis.log_prob, abs=1e-5 * len(log_probs))
            assert sum(log_probs) / length_penalty(len(log_probs), 0.7) == pytest.approx(hypothesis.score, abs=1e-5)


def test_a_pair_does_not_depend_on_its_neighbours(translator: Translator) -> None:
    pairs = [(source, target) for source in LINES for target in ("I see the dog", "", "you " * 40)]
    together = list(score_pairs(translator, pairs))
    assert len(together) == len(pairs)
    for pair, score in zip(pairs, together, strict=True):
        (alone,) = score_pairs(translator, [pair])
        assert score.token_scores == pytest.approx(alone.token_scores, abs=1e-5)
        assert score.log_prob == pytest.approx(sum(score.token_scores))
        assert score.tokens == [*translator.tokenizers.target.encode_pieces([pair[1]])[0], "</s>"]


def test_the_score_is_divided_by_the_length_penalty(translator: Translator) -> None:
    """By hand, for targets of one to five tokens with END."""
    for normalization, penalty in (("wu", lambda length: ((5 + length) / 6) ** 0.6), ("average", lambda n: n**0.6)):
        config = ScoreConfig(length_penalty=0.6, length_normalization=normalization)
        for score in score_pairs(translator, [("ich", target) for target in ("", "I", "I see the dog")], config):
            assert score.score == pytest.approx(score.log_prob / penalty(len(score.tokens)))


def test_batches_of_any_size_give_the_same_scores(translator: Translator) -> None:
    pairs = [(source, target) for source in LINES for target in ("I", "you see the tree today")]
    expected = [score.log_prob for score in score_pairs(translator, pairs)]
    for batch_tokens in (1, 30, 200):
        scores = score_pairs(translator, iter(pairs), ScoreConfig(batch_tokens=batch_tokens))
        assert [score.log_prob for score in scores] == pytest.approx(expected, abs=1e-4)


def test_the_first_tokens_are_a_distribution(translator: Translator) -> None:
    vocabulary = translator.model.config.target_vocabulary
    log_probs = token_log_probs(translator, [[4, END]] * vocabulary, [[token, END] for token in range(vocabulary)])
    assert math.fsum(math.exp(row[0]) for row in log_probs) == pytest.approx(1, abs=1e-4)


def test_a_sentence_longer_than_the_maximum_length_has_a_score(translator: Translator) -> None:
    """Its position encodings are computed; it cannot be split, because its parts have no translations."""
    long = "ich sehe den Hund " * translator.model.config.max_length
    (score,) = score_pairs(translator, [(long, "I see the dog")])
    assert math.isfinite(score.log_prob)


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
