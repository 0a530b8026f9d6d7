"""chrF of sentences (Popović 2015), as sacreBLEU computes it, for texts that are compared many times.

The n-grams of each text are counted once.
"""

from collections import Counter

ORDER, BETA = 6, 2
"""The longest n-grams of characters, and how many times as much recall counts as precision."""


class CharacterNgrams:
    """The n-grams of a text's characters, without spaces."""

    def __init__(self, text: str) -> None:
        characters = "".join(text.split())
        self.length = len(characters)
        self.counts = Counter([characters[i : i + n] for n in range(1, ORDER + 1) for i in range(self.length - n + 1)])
        self.repeated = {ngram for ngram, count in self.counts.items() if count > 1}

    def chrf(self, reference: "CharacterNgrams") -> float:
        """The F-score of mean precision and mean recall, over the lengths that both texts have n-grams of; 0 to 100.

        >>> CharacterNgrams("the cat").chrf(CharacterNgrams("the cat"))
        100.0
        """
        matches = Counter(map(len, self.counts.keys() & reference.counts.keys()))  # by their length
        for ngram in self.repeated & reference.repeated:
            matches[len(ngram)] += min(self.counts[ngram], reference.counts[ngram]) - 1
        orders = range(1, min(ORDER, self.length, reference.length) + 1)
        if not matches:
            return 0.0
        precision, recall = (
            sum(matches[n] / (text.length - n + 1) for n in orders) / len(orders) for text in (self, reference)
        )
        return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)
