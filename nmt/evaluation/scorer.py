"""Scores of translations by all metrics, COMET included."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.config.evaluation import EvalConfig
from nmt.errors import UsageError
from nmt.evaluation.comet import comet_score, comet_scores
from nmt.evaluation.evaluation_set import EvaluationSet
from nmt.evaluation.metrics import Score, check_metrics, score, sentence_scores, tokenizer_for


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
        for scorer in (self, *(part for _, part in self.directions().values())):
            check_metrics(self._text_metrics, scorer.test.tokenizer)
        if self.comet_model and self.test.sources is None:
            raise UsageError("comet reads the source, too", "give --source FILE")

    def corpus_scores(self, lines: Sequence[str], *, lowercase: bool = False) -> list[Score]:
        """The score of all lines together by each metric."""
        options = {"confidence": self.config.confidence, "lowercase": lowercase}
        scores = score(lines, self.test.references, self._text_metrics, self.test.tokenizer, **options)
        return [*scores, comet_score(self.comet_model, self._comet(lines))] if self.comet_model else scores

    def directions(self) -> dict[str, tuple[list[int], "Scorer"]]:
        """The lines of each direction of a multilingual set, by its tag, and their scorer."""
        parts = {}
        for tag, rows in self.test.directions().items():
            tokenizer = self.config.tokenize or tokenizer_for(self.config.target_language or tag.strip("<2>"))
            parts[tag] = rows, self._replace(test=self.test.part(rows, tokenizer))
        return parts

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
        return comet_scores(self.comet_model, triples, self.device)
