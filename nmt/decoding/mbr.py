"""Minimum Bayes risk decoding (Kumar & Byrne 2004; Eikema & Aziz 2022): the candidate of highest expected utility.

    u(h) = mean over candidates r of utility(h, r)

where the candidates are samples of the model's distribution, and the utility is a sentence score as of sacreBLEU.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from nmt.text.chrf import CharacterNgrams


def expected_utilities(candidates: Sequence[str], utility: str) -> list[float]:
    """The mean utility (chrf or bleu, 0 to 100) of each candidate, with each candidate as the reference in turn."""
    counts = Counter(candidates)
    score = _chrf(list(counts)) if utility == "chrf" else _bleu()
    totals = {candidate: sum(count * score(candidate, text) for text, count in counts.items()) for candidate in counts}
    return [totals[candidate] / len(candidates) for candidate in candidates]


def _chrf(texts: Sequence[str]) -> Callable[[str, str], float]:
    ngrams = {text: CharacterNgrams(text) for text in texts}
    return lambda text, reference: ngrams[text].chrf(ngrams[reference])


def _bleu() -> Callable[[str, str], float]:
    import sacrebleu  # of which most translations need nothing

    metric = sacrebleu.BLEU(effective_order=True)
    return lambda text, reference: float(metric.sentence_score(text, [reference]).score)
