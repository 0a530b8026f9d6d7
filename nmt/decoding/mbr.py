"""Minimum Bayes risk decoding (Kumar & Byrne 2004; Eikema & Aziz 2022): of many translations, the one that is most
like all the others.

    u(h) = mean over candidates r of utility(h, r)

where each candidate stands for one sample of what the model believes, and the utility is sacrebleu's sentence score.
"""

from collections import Counter
from collections.abc import Sequence


def expected_utilities(candidates: Sequence[str], utility: str) -> list[float]:
    """The mean utility (chrf or bleu, 0 to 100) of each candidate, with all of them as references in turn."""
    import sacrebleu

    metric = sacrebleu.CHRF() if utility == "chrf" else sacrebleu.BLEU(effective_order=True)
    counts = Counter(candidates)
    score = {
        one: sum(count * metric.sentence_score(one, [reference]).score for reference, count in counts.items())
        / len(candidates)
        for one in counts
    }
    return [score[one] for one in candidates]
