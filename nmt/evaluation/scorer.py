"""Scores of translations by all metrics, COMET included."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.config.evaluation import EvalConfig
from nmt.errors import UsageError
from nmt.evaluation.comet import comet_score, comet_scores
from nmt.evaluation.evaluation_set import EvaluationSet
from nmt.evaluation.metrics import Score, check_metrics, score, sentence_scores
from nmt.runtime import choose_device


class Scorer(NamedTuple):
    """Scores translations of an evaluation set."""

    test: EvaluationSet
    config: EvalConfig
    comet_model: Path | None = None
    device: str = "auto"  # of COMET

    @property
    def _text_metrics(self) -> list[str]:
        return [name for name in self.config.metrics if name != "comet"]

    def check(self) -> None:
        """Raise the NmtError of a metric that cannot be computed, before a test set is translated in vain."""
        check_metrics(self._text_metrics, self.test.tokenizer)
        if self.comet_model and self.test.sources is None:
            raise UsageError("comet reads the source, too", "give --source FILE")

    def corpus_scores(self, lines: Sequence[str]) -> list[Score]:
        """The score of all lines together by each metric."""
        references, confidence = self.test.references, self.config.confidence
        scores = score(lines, references, self._text_metrics, self.test.tokenizer, confidence=confidence)
        return [*scores, comet_score(self.comet_model, self._comet(lines))] if self.comet_model else scores

    def sentence_scores(self, lines: Sequence[str]) -> list[list[str]]:
        """A column for each metric: the score of each line, as text with its significant decimals."""
        return [
            [f"{value:.4f}" for value in self._comet(lines)]
            if metric == "comet"
            else [f"{value:.2f}" for value in sentence_scores(lines, self.test.references, metric, self.test.tokenizer)]
            for metric in self.config.metrics
        ]

    def _comet(self, lines: Sequence[str]) -> list[float]:
        assert self.comet_model is not None
        assert self.test.sources is not None
        triples = zip(self.test.sources, lines, self.test.references[0], strict=True)
        return comet_scores(self.comet_model, triples, choose_device(self.device))
