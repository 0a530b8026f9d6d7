"""How to score translations."""

from collections.abc import Sequence
from dataclasses import dataclass

from nmt.config.search import LengthPenaltyConfig
from nmt.config.setting import Config, Group, setting

_metrics, _significance = Group("Metrics"), Group("Significance")

METRICS = ("bleu", "chrf", "chrf++", "ter")
DEFAULT_METRICS = ("bleu", "chrf", "ter")
SIGNIFICANCE_TESTS = ("bootstrap", "randomization", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricConfig(Config):
    """Metrics, and the tokenization of BLEU."""

    metric: list[str] | None = _metrics(None, "bleu, chrf, chrf++ or ter; may be repeated (default: bleu, chrf, ter)")
    tokenize: str | None = _metrics(None, "SacreBLEU tokenizer (default by language: ko-mecab, ja-mecab, zh, else 13a)")
    target_language: str | None = _metrics(None, "Target language code (default: that of the run's data)")
    details: bool = _metrics(False, "Also print n-gram precisions, brevity penalty and lengths")

    @property
    def metrics(self) -> list[str]:
        """The metrics to compute, each once."""
        return list(dict.fromkeys(self.metric or DEFAULT_METRICS))

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        return self._unknown_metrics(METRICS)

    def _unknown_metrics(self, known: Sequence[str]) -> list[str]:
        unknown = [name for name in self.metrics if name not in known]
        return [f"--metric {name} is not one of {', '.join(known)}" for name in unknown]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig(MetricConfig):
    """How to compare systems."""

    significance: str = _significance(
        "bootstrap",
        "Significance test against the first system: paired bootstrap resampling or approximate randomization",
        choices=SIGNIFICANCE_TESTS,
    )
    samples: int | None = _significance(
        None, "Number of resamples (default: 1,000 for bootstrap, 10,000 for randomization)", "[100, 1000000]"
    )
    show: int = setting(3, "Number of sentences to show with the largest losses and gains", "[0, inf)")

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        problems = MetricConfig.problems(self)
        if self.samples is not None and self.significance == "off":
            problems.append("--samples requires --significance bootstrap or randomization")
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig(CompareConfig):
    """How to score translations; what `nmt compare` took over is hidden."""

    metric: list[str] | None = _metrics(
        None, "bleu, chrf, chrf++, ter or comet; may be repeated (default: bleu, chrf, ter)"
    )
    confidence: bool = _metrics(False, "95% confidence intervals, from 1,000 bootstrap resamples of the test set")
    significance: str = setting("off", "Moved to nmt compare", choices=SIGNIFICANCE_TESTS, hidden=True)
    samples: int | None = setting(None, "Moved to nmt compare", "[100, 1000000]", hidden=True)
    show: int = setting(3, "Moved to nmt compare", "[0, inf)", hidden=True)

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        if self.significance != "off":
            return CompareConfig.problems(self)
        return self._unknown_metrics((*METRICS, "comet"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreConfig(LengthPenaltyConfig):
    """How to score given translations with a model."""

    batch_tokens: int = setting(2048, "Batch size in tokens on the longer side, padding included", "[1, inf)")
