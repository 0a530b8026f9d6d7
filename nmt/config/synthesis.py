"""How to make training data with models."""

from dataclasses import dataclass

from nmt.config.setting import Config, Group, setting

_filters = Group("Filters")


@dataclass(frozen=True, slots=True, kw_only=True)
class SynthesisConfig(Config):
    """Marks, noise and filters of synthetic pairs."""

    tag: str = setting("", "Tag before each synthetic source, such as <bt>; train the tokenizer with it as a --symbol")
    noise: float = setting(
        0.0,
        "Noise in synthetic sources (Edunov et al. 2018): probability, up to 0.5, that a word is dropped, or moved",
        "[0, 0.5]",
    )
    length_ratio: float = _filters(3.0, "Maximum ratio of the lengths of a pair in characters, besides 20", "[1, inf)")
    min_score: float | None = _filters(None, "Minimum mean log-probability of a translation's tokens, such as -2")
    keep_copies: bool = _filters(False, "Keep translations that equal their source, case aside")
    keep_duplicates: bool = _filters(False, "Keep pairs that occur again")
