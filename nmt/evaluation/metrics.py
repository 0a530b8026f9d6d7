"""BLEU, chrF and TER of whole sets, computed by sacrebleu and reported with its signatures (Post 2018)."""

from collections.abc import Sequence
from typing import NamedTuple

from sacrebleu.metrics import BLEU, CHRF, TER

from nmt.errors import NmtError


class Score(NamedTuple):
    """A score and how it was computed: without its signature a number cannot be compared."""

    name: str
    value: float
    signature: str


METRICS = ("bleu", "chrf", "ter")


def score(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], metrics: Sequence[str] = METRICS
) -> list[Score]:
    """Score lines against one or several references for each.

    Raises NmtError when the counts of lines differ or there are no lines.
    """
    for number, lines in enumerate(references, start=1):
        if len(lines) != len(hypotheses):
            raise NmtError(
                f"{len(hypotheses):,} hypotheses but {len(lines):,} lines in reference {number}",
                "line N of one must be the translation of line N of the other",
            )
    if not hypotheses:
        raise NmtError("nothing to score: there are no lines")
    scores = []
    for name in metrics:
        metric = {"bleu": BLEU, "chrf": CHRF, "ter": TER}[name]()
        result = metric.corpus_score(list(hypotheses), [list(lines) for lines in references])
        scores.append(Score(result.name, float(result.score), str(metric.get_signature())))
    return scores
