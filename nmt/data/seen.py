"""What training has seen of a test set: how often each of its words, and which of its sentences."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nmt.data.binary import Rows
from nmt.data.chunks import CHUNK
from nmt.errors import NmtError
from nmt.text.sentences import WITHOUT_SPACES
from nmt.text.tokenizer import Tokenizer, Tokenizers

_WORD = re.compile(rf"(?=\w)[{WITHOUT_SPACES}]|[^\W{WITHOUT_SPACES}]+")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; in a script without spaces each character is one.

    >>> words("Don't touch Port 80!"), words("今日は。")
    (['don', 't', 'touch', 'port', '80'], ['今', '日', 'は'])
    """
    return _WORD.findall(text.casefold())


class Seen(NamedTuple):
    """What training has seen of one side of a test set."""

    counts: Counter[str]
    """How often each word of the set occurs in the training text."""
    sentences: list[bool]
    """Whether each sentence of the set stands in the training text as it is."""

    def rarest(self, text: str) -> int:
        """How often training has seen the rarest word of a text; of one without words the rarest is common."""
        return min((self.counts[word] for word in words(text)), default=COMMON)


COMMON = 10
"""So often a word was seen that it counts as common."""


def seen_in_training(
    data: Path, tokenizers: Tokenizers, pairs: Sequence[tuple[str, str]], progress: Callable[[int], None]
) -> tuple[Seen, Seen]:
    """Read the training set of a data directory and look for both sides of a test set in it.

    The prepared rows are decoded, so what is compared is text as the tokenizer leaves it. `progress` is told how many
    rows have been read so far. Raises NmtError when files are missing or damaged.
    """
    sides = tokenizers.source, tokenizers.target
    source, target = (
        _seen(Rows(data / "train", name), tokenizer, [pair[side] for pair in pairs], progress)
        for side, (name, tokenizer) in enumerate(zip(("source", "target"), sides, strict=True))
    )
    return source, target


def _seen(rows: Rows, tokenizer: Tokenizer, lines: Sequence[str], progress: Callable[[int], None]) -> Seen:
    regular = tokenizer.decode(tokenizer.encode(lines))
    wanted = {word for line in (*lines, *regular) for word in words(line)}
    missing, counts = set(regular), Counter[str]()
    for start in range(0, len(rows), CHUNK):
        chunk = range(start, min(start + CHUNK, len(rows)))
        try:
            decoded = tokenizer.decode([rows[row].tolist() for row in chunk])
        except IndexError:
            raise NmtError(f"{rows.name}: tokens that the tokenizer does not have", "run nmt prepare again") from None
        counts.update(word for word in chain.from_iterable(map(words, decoded)) if word in wanted)
        missing.difference_update(decoded)
        progress(chunk.stop)
    return Seen(counts, [line not in missing for line in regular])
