"""Scores against sacrebleu itself and against arithmetic by hand, and their JSON."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
import sacrebleu.tokenizers.tokenizer_spm
from sacrebleu.metrics import BLEU, CHRF, TER

from nmt.config.evaluation import EvalConfig
from nmt.errors import NmtError, UsageError
from nmt.evaluation import metrics
from nmt.evaluation import scorer as scorer_module
from nmt.evaluation.evaluation_set import EvaluationSet
from nmt.evaluation.metrics import Score, check_metrics, score, scores_as_json, sentence_scores, significance
from nmt.evaluation.scorer import Scorer

REFERENCES = ["the cat sat on the mat", "a dog barked", "birds fly south in the winter"]
HYPOTHESES = ["the cat sat on a mat", "the dog barked", "birds fly in winter"]
TEST = EvaluationSet([REFERENCES], ["x", "y", "z"])


def test_bleu_details_are_those_of_the_papers_formula() -> None:
    """2 of 4 words, 1 of 3 bigrams, brevity penalty exp(1 - 5 / 4) (Papineni et al. 2002, section 2.3)."""
    (bleu,) = score(["a b x y"], [["a b c d e"]], ["bleu"])
    assert bleu.details["precisions"][:2] == pytest.approx([100 * 2 / 4, 100 * 1 / 3])
    assert bleu.details["brevity_penalty"] == pytest.approx(math.exp(1 - 5 / 4))
    assert (bleu.details["words"], bleu.details["reference_words"]) == (4, 5)
    assert bleu.details["length_ratio"] == pytest.approx(4 / 5)


def test_metrics_are_scored_in_the_order_of_the_request() -> None:
    scores = score(HYPOTHESES, [REFERENCES], ["ter", "chrf++", "bleu", "chrf"])
    assert [metric.name for metric in scores] == ["TER", "chrF2++", "BLEU", "chrF2"]
    expected = [TER(), CHRF(word_order=2), BLEU(), CHRF()]
    for metric, reference in zip(scores, expected, strict=True):
        assert metric.value == pytest.approx(reference.corpus_score(HYPOTHESES, [REFERENCES]).score)
        assert metric.signature == str(reference.get_signature())
        assert (metric.mean, metric.interval, metric.p_value) == (None, None, None)
        assert bool(metric.details) is (metric.name == "BLEU")


def test_references_may_be_any_sequences() -> None:
    expected = score(HYPOTHESES, [REFERENCES, HYPOTHESES])
    assert score(tuple(HYPOTHESES), (tuple(REFERENCES), tuple(HYPOTHESES))) == expected


def test_the_scores_of_lines_use_all_references() -> None:
    assert sentence_scores(["a b c"], [["x y z"], ["a b c"]], "chrf") == [pytest.approx(100)]
    assert sentence_scores(["a b"], [["a b"]], "bleu") == [pytest.approx(100)]  # too short for 4-grams


@pytest.mark.parametrize(
    ("hypotheses", "references", "message"),
    [
        ([], [[]], "nothing to score: there are no lines"),
        (["a"], [["a", "b"]], "1 hypothesis but 2 lines in reference 1"),
        (["a", "b"], [["a", "b"], ["a"]], "2 hypotheses but 1 line in reference 2"),
    ],
)
def test_lines_that_do_not_pair_up_are_refused(
    hypotheses: list[str], references: list[list[str]], message: str
) -> None:
    for function in (score, sentence_scores):
        with pytest.raises(NmtError, match=message):
            function(hypotheses, references)
    with pytest.raises(NmtError, match=message):
        significance({"a": hypotheses, "b": hypotheses}, references, "bootstrap")


def test_a_single_system_has_nothing_to_be_compared_with() -> None:
    with pytest.raises(UsageError, match="needs at least two files; got 1"):
        significance({"a": HYPOTHESES}, [REFERENCES], "bootstrap")


def test_a_translation_with_hardly_a_word_has_intervals() -> None:
    """Most resamples have no match at all: sacrebleu's chrF is then a number of another type."""
    hypotheses, references = [""] * 49 + ["a b"], [["a b c d"] * 50]
    for row in score(hypotheses, references, ["bleu", "chrf", "chrf++"], confidence=True):
        assert row.mean is not None
        assert row.mean == pytest.approx(row.value, abs=0.1)


def test_an_identical_system_has_p_value_one() -> None:
    """sacrebleu counts larger differences alone, and there are none: its own p-value would be near 0."""
    systems = {"first": HYPOTHESES, "again": HYPOTHESES, "better": REFERENCES}
    table = significance(systems, [REFERENCES], "bootstrap", ["bleu"], samples=100)
    assert [row[0].p_value for row in table.values()][:2] == [None, 1.0]
    better = table["better"][0].p_value
    assert better is not None
    assert better < 1


def test_unknown_tokenizers_and_those_that_are_not_installed_are_refused_before_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_metrics(["bleu", "chrf", "chrf++", "ter"], "13a")
    check_metrics(["chrf"], "unknown")  # chrF takes no tokenizer
    with pytest.raises(UsageError, match="--tokenize unknown is unknown"):
        check_metrics(["chrf", "bleu"], "unknown")

    def fail(*_: object, **__: object) -> None:
        raise ImportError("no MeCab")

    monkeypatch.setattr(BLEU, "__init__", fail)
    with pytest.raises(NmtError, match="BLEU's tokenizer ko-mecab requires an extra package") as caught:
        check_metrics(["bleu"], "ko-mecab")
    assert "pip install 'sacrebleu[ko]'" in caught.value.hint


# ----------------------------------------------------------------------------------------------------------------- JSON


def test_json_has_what_was_computed_and_no_more() -> None:
    plain = Score("BLEU", 12.5, "nrefs:1", details={"brevity_penalty": 0.5})
    tested = Score("TER", 50.0, "nrefs:1", mean=51.0, interval=2.0, p_value=0.03)
    assert scores_as_json([plain, tested], 7) == {
        "lines": 7,
        "BLEU": {"score": 12.5, "signature": "nrefs:1"},
        "TER": {"score": 50.0, "signature": "nrefs:1", "mean": 51.0, "interval": 2.0, "p_value": 0.03},
    }
    detailed = scores_as_json([plain, tested], 7, details=True)
    assert detailed["BLEU"]["details"] == {"brevity_penalty": 0.5}
    assert "details" not in detailed["TER"]


def test_a_value_of_zero_is_kept() -> None:
    assert scores_as_json([Score("BLEU", 1.0, "s", mean=0.0, interval=0.0, p_value=0.0)], 1)["BLEU"] == {
        "score": 1.0,
        "signature": "s",
        "mean": 0.0,
        "interval": 0.0,
        "p_value": 0.0,
    }


# --------------------------------------------------------------------------------------------------------------- Scorer


def test_a_tokenizer_that_would_be_downloaded_is_refused_with_the_place_for_its_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, run: Path
) -> None:
    for module in (metrics, sacrebleu.tokenizers.tokenizer_spm):
        monkeypatch.setattr(module, "SACREBLEU_DIR", str(tmp_path))
    for name in ("flores101", "flores200", "spm", "spBLEU-1K"):
        with pytest.raises(NmtError, match=f"--tokenize {name} needs its SentencePiece model") as caught:
            check_metrics(["bleu"], name)
    assert caught.value.hint.startswith("download https://www.dlnlp.ai/spBLEU-1K/spbleu-1k_tokenizer_spm.model to ")
    assert not list(tmp_path.iterdir())
    (tmp_path / "models").mkdir()
    shutil.copy(run / "tokenizer.model", tmp_path / "models" / "flores200sacrebleuspm")
    (result,) = score(["ich sehe den Hund"], [["ich sehe den Hund"]], ["bleu"], "flores200")
    assert "tok:flores200" in result.signature


def test_the_scorer_computes_the_metrics_of_its_settings() -> None:
    scorer = Scorer(TEST, EvalConfig(metric=["chrf", "bleu"], confidence=True))
    scorer.check()
    scores = scorer.corpus_scores(HYPOTHESES)
    assert scores == score(HYPOTHESES, [REFERENCES], ["chrf", "bleu"], confidence=True)
    assert all(metric.interval is not None for metric in scores)
    chrf, bleu = scorer.sentence_scores(HYPOTHESES)
    expected = [CHRF().sentence_score(line, [right]).score for line, right in zip(HYPOTHESES, REFERENCES, strict=True)]
    assert chrf == [f"{value:.2f}" for value in expected]
    assert len(bleu) == 3


def test_the_scorer_refuses_what_it_cannot_compute_before_anything_is_translated() -> None:
    with pytest.raises(UsageError, match="--tokenize nothing is unknown"):
        Scorer(TEST._replace(tokenizer="nothing"), EvalConfig()).check()
    config = EvalConfig(metric=["comet"])
    with pytest.raises(UsageError, match="comet reads the source, too"):
        Scorer(EvaluationSet([REFERENCES]), config, Path("model.ckpt")).check()
    Scorer(TEST, config, Path("model.ckpt")).check()


def test_comet_takes_its_place_among_the_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is replaced: it gets source, translation and reference of each line, and the corpus gets the mean."""
    calls = list[tuple[object, ...]]()

    def comet_scores(checkpoint: Path, lines: Sequence[tuple[str, ...]], device: str) -> list[float]:
        calls.append((checkpoint, list(lines), device))
        return [0.5, 0.25, 0.75]

    monkeypatch.setattr(scorer_module, "comet_scores", comet_scores)
    monkeypatch.setattr("nmt.evaluation.comet.version", lambda package: f"{package}-9")
    checkpoint = Path("wmt/checkpoints/model.ckpt")
    scorer = Scorer(TEST, EvalConfig(metric=["comet", "chrf"]), checkpoint, "cpu")
    chrf, comet = scorer.corpus_scores(HYPOTHESES)
    assert chrf.name == "chrF2"
    assert comet == Score("COMET", 0.5, "model:wmt|version:unbabel-comet-9", digits=4)
    assert calls[0] == (checkpoint, list(zip("xyz", HYPOTHESES, REFERENCES, strict=True)), "cpu")
    columns = scorer.sentence_scores(HYPOTHESES)
    assert columns[0] == ["0.5000", "0.2500", "0.7500"]
    assert all(len(value.split(".")[1]) == 2 for value in columns[1])
