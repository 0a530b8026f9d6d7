"""Minimum Bayes risk decoding (Kumar & Byrne 2004; Eikema & Aziz 2022): the candidate of highest expected utility.

    u(h) = mean over candidates r of utility(h, r)

where the candidates are samples of the model's distribution, and the utility is a sentence score of sacreBLEU.
"""

from collections import Counter
from collections.abc import Sequence


def expected_utilities(candidates: Sequence[str], utility: str) -> list[float]:
    """The mean utility (chrf or bleu, 0 to 100) of each candidate, with each candidate as the reference in turn."""
    import sacrebleu  # of which most translations need nothing

    metric = sacrebleu.CHRF() if utility == "chrf" else sacrebleu.BLEU(effective_order=True)
    counts = Counter(candidates)
    totals = {
        candidate: sum(count * metric.sentence_score(candidate, [text]).score for text, count in counts.items())
        for candidate in counts
    }
    return [totals[candidate] / len(candidates) for candidate in candidates]
