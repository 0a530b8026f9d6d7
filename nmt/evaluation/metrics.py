"""BLEU, chrF, chrF++ and TER of whole sets, computed by sacrebleu and reported with its signatures (Post 2018).

Whether two systems differ is told by paired bootstrap resampling (Koehn 2004) or approximate randomisation (Riezler &
Maxwell 2005), both sacrebleu's: the p-value is how often a difference as large would come about by chance.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest

from nmt.config import DEFAULT_METRICS
from nmt.errors import NmtError, UsageError
from nmt.text.scripts import base_language

_TOKENIZERS = {"ko": "ko-mecab", "ja": "ja-mecab", "zh": "zh"}
_RESAMPLES = 1000
_NAMES = {"bootstrap": "bs", "randomization": "ar"}
"""Tests of significance, and what sacrebleu calls them."""


class Score(NamedTuple):
    """A score and how it was computed: without its signature a number cannot be compared."""

    name: str
    value: float
    signature: str
    mean: float | None = None  # of resamples of the set
    interval: float | None = None  # half of what 95 % of the resamples lie in
    p_value: float | None = None  # of being no other than the first system
    details: Mapping[str, Any] = {}  # what the score is made of
    digits: int = 2  # behind the point, as far as the metric is told apart


def tokenizer_for(language: str | None) -> str:
    """The tokenizer that BLEU takes for a target language: 13a, but for those that write without spaces and Korean.

    >>> tokenizer_for("de"), tokenizer_for("ja-JP"), tokenizer_for(None)
    ('13a', 'ja-mecab', '13a')
    """
    return _TOKENIZERS.get(base_language(language), "13a")


def require(metrics: Sequence[str], tokenizer: str) -> None:
    """NmtError where one of the metrics cannot be computed here: better told before a set is translated than after."""
    for name in metrics:
        _metric(name, tokenizer)


def score(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = DEFAULT_METRICS,
    tokenizer: str = "13a",
    *,
    confidence: bool = False,
    quiet: bool = False,
) -> list[Score]:
    """Score lines against one or several references for each, with an interval of confidence on request.

    sacrebleu warns of text that looks tokenised, unless `quiet`.

    Raises NmtError when the counts of lines differ, there are no lines, or a tokenizer's package is missing.
    """
    _check(hypotheses, references)
    scores = []
    for name in metrics:
        metric = _metric(name, tokenizer, quiet=quiet)
        found = metric.corpus_score(list(hypotheses), _lists(references), n_bootstrap=_RESAMPLES if confidence else 1)
        mean, interval = (_number(found._mean), _number(found._ci)) if confidence else (None, None)
        signature = str(metric.get_signature())
        scores.append(Score(found.name, float(found.score), signature, mean, interval, details=_details(found)))
    return scores


def compare(
    systems: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
    test: str,
    metrics: Sequence[str] = DEFAULT_METRICS,
    tokenizer: str = "13a",
    samples: int | None = None,
) -> dict[str, list[Score]]:
    """Score several systems and test each against the first: by `bootstrap` or `randomization`, with so many samples.

    Raises NmtError as `score` does, and UsageError where there is nothing to compare.
    """
    if len(systems) < 2:
        raise UsageError(f"--significance compares systems, and there are {len(systems)}", "give several files")
    for lines in systems.values():
        _check(lines, references)
    named: list[tuple[str, Sequence[str]]] = [(name, list(lines)) for name, lines in systems.items()]
    asked = {name: _metric(name, tokenizer) for name in metrics}
    paired = PairedTest(named, asked, _lists(references), _NAMES[test], samples or 0, n_ar_confidence=-1)
    signatures: Any
    found: Any
    signatures, found = paired()
    table: dict[str, list[Score]] = {name: [] for name in systems}
    for metric, signature in signatures.items():
        for name, one in zip(systems, found[metric], strict=True):
            p_value = _number(one.p_value)
            if p_value is not None and one.score == found[metric][0].score:
                p_value = 1.0  # sacrebleu counts differences that are larger, of which there may be none
            table[name].append(
                Score(metric, float(one.score), str(signature), _number(one.mean), _number(one.ci), p_value)
            )
    return table


def sentence_scores(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], name: str = "chrf", tokenizer: str = "13a"
) -> list[float]:
    """The score of each line by itself; BLEU of the n-grams that a line is long enough for."""
    _check(hypotheses, references)
    metric = BLEU(effective_order=True, tokenize=tokenizer) if name == "bleu" else _metric(name, tokenizer)
    each = zip(hypotheses, zip(*references, strict=True), strict=True)
    return [float(metric.sentence_score(line, list(right)).score) for line, right in each]


def _metric(name: str, tokenizer: str, *, quiet: bool = False) -> Any:
    match name:
        case "bleu":
            if tokenizer not in BLEU.TOKENIZERS:
                names = ", ".join(sorted(BLEU.TOKENIZERS))
                raise UsageError(f"--tokenize {tokenizer} is unknown", f"choose from {names}")
            try:
                return BLEU(tokenize=tokenizer, force=quiet)
            except (ImportError, RuntimeError):
                raise NmtError(
                    f"BLEU's tokenizer {tokenizer} needs a package more",
                    f"pip install 'sacrebleu[{tokenizer.partition('-')[0]}]', or take another with --tokenize",
                ) from None
        case "chrf":
            return CHRF()
        case "chrf++":
            return CHRF(word_order=2)
    return TER()


def _check(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    for number, lines in enumerate(references, start=1):
        if len(lines) != len(hypotheses):
            raise NmtError(
                f"{len(hypotheses):,} hypotheses but {len(lines):,} lines in reference {number}",
                "line N of one must be the translation of line N of the other",
            )
    if not hypotheses:
        raise NmtError("nothing to score: there are no lines")


def _lists(references: Sequence[Sequence[str]]) -> list[list[str]]:
    return [list(lines) for lines in references]


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _details(found: Any) -> dict[str, Any]:
    """What BLEU is made of: n-gram precisions, the brevity penalty, and the lengths of both sides in words."""
    if not hasattr(found, "precisions"):
        return {}
    return {
        "precisions": [float(one) for one in found.precisions],
        "brevity_penalty": float(found.bp),
        "length_ratio": float(found.ratio),
        "words": int(found.sys_len),
        "reference_words": int(found.ref_len),
    }
