"""BLEU, chrF, chrF++ and TER, computed by sacrebleu and reported with its signatures (Post 2018).

Significance tests are paired bootstrap resampling (Koehn 2004) and approximate randomization (Riezler & Maxwell 2005).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from sacrebleu.metrics import BLEU, CHRF, TER
from sacrebleu.significance import PairedTest
from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
from sacrebleu.utils import SACREBLEU_DIR

from nmt.config.evaluation import DEFAULT_METRICS
from nmt.errors import NmtError, UsageError, counted
from nmt.text.scripts import base_language

SAME_LINES = "line N of one must be the translation of line N of the other"

_TOKENIZERS = {"ko": "ko-mecab", "ja": "ja-mecab", "zh": "zh"}
_RESAMPLES = 1000
_TESTS = {"bootstrap": "bs", "randomization": "ar"}  # sacrebleu's names


class _ChrF(CHRF):
    """sacrebleu's chrF whose zeros have the type of the statistics: it cannot average scores of several types."""

    def _compute_f_score(self, statistics: list[int]) -> float:
        return super()._compute_f_score(statistics) or 0.0 * statistics[0]


class Score(NamedTuple):
    """A score, with the signature that makes it comparable."""

    name: str
    value: float
    signature: str
    mean: float | None = None  # over bootstrap resamples of the test set
    interval: float | None = None  # half the width of the 95 % confidence interval
    p_value: float | None = None  # of the difference from the first system
    details: Mapping[str, Any] = {}  # the components of BLEU
    digits: int = 2  # decimals to print


def tokenizer_for(language: str | None) -> str:
    """The default tokenizer of BLEU for a target language.

    >>> tokenizer_for("de"), tokenizer_for("ja-JP"), tokenizer_for(None)
    ('13a', 'ja-mecab', '13a')
    """
    return _TOKENIZERS.get(base_language(language), "13a")


def check_metrics(metrics: Sequence[str], tokenizer: str) -> None:
    """Raise the NmtError of a metric that cannot be computed here, before a test set is translated in vain."""
    for name in metrics:
        _metric(name, tokenizer)


def score(
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    metrics: Sequence[str] = DEFAULT_METRICS,
    tokenizer: str = "13a",
    *,
    confidence: bool = False,
    lowercase: bool = False,
    quiet: bool = False,
) -> list[Score]:
    """Score lines against one or several references each; unless `quiet`, sacrebleu warns of tokenized text.

    Raises NmtError for unequal numbers of lines, for no lines, and where the package of BLEU's tokenizer is missing.
    """
    _check_lines(hypotheses, references)
    resamples, scores = _RESAMPLES if confidence else 1, []
    for name in metrics:
        metric = _metric(name, tokenizer, lowercase=lowercase, quiet=quiet)
        result = metric.corpus_score(hypotheses, references, n_bootstrap=resamples)
        mean, interval = (float(result._mean), float(result._ci)) if confidence else (None, None)
        signature, details = str(metric.get_signature()), _bleu_details(result)
        scores.append(Score(result.name, float(result.score), signature, mean, interval, details=details))
    return scores


def significance(
    systems: Mapping[str, Sequence[str]],
    references: Sequence[Sequence[str]],
    test: str,
    metrics: Sequence[str] = DEFAULT_METRICS,
    tokenizer: str = "13a",
    samples: int | None = None,
) -> dict[str, list[Score]]:
    """Score systems, and test each against the first by `bootstrap` or `randomization`; UsageError for a single one."""
    if len(systems) < 2:
        raise UsageError(f"--significance needs at least two files; got {len(systems)}")
    for lines in systems.values():
        _check_lines(lines, references)
    by_name = {name: _metric(name, tokenizer) for name in metrics}
    paired: Any = PairedTest(list(systems.items()), by_name, references, _TESTS[test], samples or 0, n_ar_confidence=-1)
    signatures, results = paired()
    table: dict[str, list[Score]] = {name: [] for name in systems}
    for metric, signature in signatures.items():
        for name, result in zip(systems, results[metric], strict=True):
            numbers = [result.mean, result.ci, result.p_value]
            if result.p_value is not None and result.score == results[metric][0].score:
                numbers[2] = 1.0  # sacrebleu counts larger differences, of which there may be none
            mean, interval, p_value = (None if number is None else float(number) for number in numbers)
            table[name].append(Score(metric, float(result.score), str(signature), mean, interval, p_value))
    return table


def scores_as_json(scores: Sequence[Score], lines: int, *, details: bool = False) -> dict[str, Any]:
    """The scores of a system as a JSON object."""
    content: dict[str, Any] = {"lines": lines}
    for metric in scores:
        values: Mapping[str, Any] = metric._asdict()
        optional = {key: values[key] for key in ("mean", "interval", "p_value") if values[key] is not None}
        content[metric.name] = {"score": metric.value, "signature": metric.signature, **optional}
        if details and metric.details:
            content[metric.name]["details"] = dict(metric.details)
    return content


def sentence_scores(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], name: str = "chrf", tokenizer: str = "13a"
) -> list[float]:
    """The score of each line; BLEU is limited to the n-grams that the line is long enough for."""
    _check_lines(hypotheses, references)
    metric = BLEU(effective_order=True, tokenize=tokenizer) if name == "bleu" else _metric(name, tokenizer)
    lines = zip(hypotheses, zip(*references, strict=True), strict=True)
    return [float(metric.sentence_score(line, list(expected)).score) for line, expected in lines]


def _metric(name: str, tokenizer: str, *, lowercase: bool = False, quiet: bool = False) -> Any:
    match name:
        case "bleu":
            if tokenizer not in BLEU.TOKENIZERS:
                names = ", ".join(sorted(BLEU.TOKENIZERS))
                raise UsageError(f"--tokenize {tokenizer} is unknown", f"choose from {names}")
            _check_downloaded(tokenizer)
            try:
                return BLEU(tokenize=tokenizer, lowercase=lowercase, force=quiet)
            except (ImportError, RuntimeError):
                extra = f"pip install 'sacrebleu[{tokenizer.partition('-')[0]}]'"
                problem = f"BLEU's tokenizer {tokenizer} requires an extra package"
                raise NmtError(problem, f"{extra}, or choose another with --tokenize") from None
        case "chrf":
            return _ChrF(lowercase=lowercase)
        case "chrf++":
            return _ChrF(word_order=2, lowercase=lowercase)
    return TER()


def _check_downloaded(tokenizer: str) -> None:
    """Raise NmtError for a tokenizer whose SentencePiece model sacrebleu would download."""
    if url := SPM_MODELS.get(tokenizer, {}).get("url"):
        path = Path(SACREBLEU_DIR, "models", PurePosixPath(url).name)
        if not path.exists():
            hint = f"download {url} to {path}, or to models/{path.name} below a directory that $SACREBLEU names"
            raise NmtError(f"--tokenize {tokenizer} needs its SentencePiece model, and nmt downloads nothing", hint)


def _check_lines(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> None:
    for number, lines in enumerate(references, start=1):
        if len(lines) != len(hypotheses):
            given = counted(len(hypotheses), "hypothesis", "hypotheses")
            raise NmtError(f"{given} but {counted(len(lines), 'line')} in reference {number}", SAME_LINES)
    if not hypotheses:
        raise NmtError("nothing to score: there are no lines")


def _bleu_details(result: Any) -> dict[str, Any]:
    """The n-gram precisions, brevity penalty and lengths of a BLEU score; nothing for other metrics."""
    if not hasattr(result, "precisions"):
        return {}
    return {
        "precisions": [float(precision) for precision in result.precisions],
        "brevity_penalty": float(result.bp),
        "length_ratio": float(result.ratio),
        "words": int(result.sys_len),
        "reference_words": int(result.ref_len),
    }
