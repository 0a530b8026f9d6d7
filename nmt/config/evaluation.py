"""How to score translations."""

from dataclasses import dataclass

from nmt.config.search import LengthPenaltyConfig
from nmt.config.setting import Config, Group, setting

_metrics, _significance = Group("Metrics"), Group("Significance")

METRICS = ("bleu", "chrf", "chrf++", "ter", "comet")
DEFAULT_METRICS = ("bleu", "chrf", "ter")
SIGNIFICANCE_TESTS = ("bootstrap", "randomization", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricConfig(Config):
    """Metrics, and the tokenization of BLEU."""

    metric: list[str] | None = _metrics(
        None, "Metric: bleu, chrf, chrf++, ter, or comet; may be repeated (default: bleu, chrf and ter)"
    )
    tokenize: str | None = _metrics(
        None, "BLEU's tokenizer, one of sacreBLEU's (default: 13a; ko-mecab, ja-mecab or zh by the target language)"
    )
    target_language: str | None = _metrics(None, "Target language code; else that of the run's data")
    details: bool = _metrics(False, "Also print n-gram precisions, brevity penalty and lengths")

    @property
    def metrics(self) -> list[str]:
        """The metrics to compute, each once."""
        return list(dict.fromkeys(self.metric or DEFAULT_METRICS))

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        return [
            f"--metric {name} is unknown; choose from {', '.join(METRICS)}"
            for name in self.metrics
            if name not in METRICS
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareConfig(MetricConfig):
    """How to compare systems."""

    significance: str = _significance(
        "bootstrap",
        "Significance test against the first system: paired bootstrap resampling or approximate randomization",
        choices=SIGNIFICANCE_TESTS,
    )
    samples: int | None = _significance(
        None, "Resamples of that test (default: 1,000 of the bootstrap, 10,000 randomizations)", "[100, inf)"
    )
    show: int = setting(3, "Sentences to show of those that got worse and of those that got better", "[0, inf)")

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        problems = MetricConfig.problems(self)
        if self.samples is not None and self.significance == "off":
            problems.append("--samples are those of --significance; give it, too")
        if "comet" in self.metrics:
            problems.append("systems are compared by bleu, chrf, chrf++ and ter, not by comet; choose with --metric")
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig(CompareConfig):
    """How to score translations; what `nmt compare` took over is hidden."""

    confidence: bool = _metrics(False, "Confidence intervals, from 1,000 bootstrap resamples of the test set")
    significance: str = setting("off", "Moved to nmt compare", choices=SIGNIFICANCE_TESTS, hidden=True)
    samples: int | None = setting(None, "Moved to nmt compare", "[100, inf)", hidden=True)
    show: int = setting(3, "Moved to nmt compare", "[0, inf)", hidden=True)

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        return MetricConfig.problems(self) if self.significance == "off" else CompareConfig.problems(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreConfig(LengthPenaltyConfig):
    """How to score given translations with a model."""

    batch_tokens: int = setting(2048, "Batch size in tokens on the longer side, padding included", "[1, inf)")
