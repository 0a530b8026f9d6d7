"""Train-test overlap: how often training saw each word of a test set, and which of its sentences."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from nmt.data.cleaning import BLOCK
from nmt.data.token_store import TokenRows
from nmt.errors import NmtError
from nmt.files.run_directory import SIDES, TRAIN
from nmt.text.clean import words_of
from nmt.text.sentences import WITHOUT_SPACES
from nmt.text.tokenizer import Tokenizer, Tokenizers

COMMON = 10  # occurrences of a common word
_WORD = re.compile(rf"(?=\w)[{WITHOUT_SPACES}]|[^\s{WITHOUT_SPACES}]+")


def split_words(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation; single characters in scripts without spaces.

    >>> split_words("Don't touch Port 80!"), split_words("今日は。")
    (['don', 't', 'touch', 'port', '80'], ['今', '日', 'は'])
    """
    return _WORD.findall(words_of(text))


class Exposure(NamedTuple):
    """The overlap of one side of a test set with the training text."""

    frequencies: Counter[str]  # of the test set's words in the training text
    leaked: list[bool]  # whether each sentence, as the tokenizer restores it, is in the training text

    def rarest(self, text: str) -> int:
        """The frequency of the rarest word of a text; COMMON for a text without words."""
        return min((self.frequencies[word] for word in split_words(text)), default=COMMON)


def training_exposure(
    data: Path, tokenizers: Tokenizers, pairs: Sequence[tuple[str, str]], progress: Callable[[int], None]
) -> tuple[Exposure, Exposure]:
    """Search a data directory's training set for both sides of a test set; `progress` takes the rows read so far."""
    source, target = (
        _exposure(TokenRows(data / TRAIN, side), tokenizer, [pair[index] for pair in pairs], progress)
        for index, (side, tokenizer) in enumerate(zip(SIDES, tokenizers, strict=True))
    )
    return source, target


def _exposure(rows: TokenRows, tokenizer: Tokenizer, lines: Sequence[str], progress: Callable[[int], None]) -> Exposure:
    normalized = tokenizer.decode(tokenizer.encode(lines))
    wanted = {word for line in (*lines, *normalized) for word in split_words(line)}
    unseen, frequencies = set(normalized), Counter[str]()
    for start in range(0, len(rows), BLOCK):
        block = range(start, min(start + BLOCK, len(rows)))
        try:
            decoded = tokenizer.decode([row.tolist() for row in rows.read(block)])
        except IndexError:
            raise NmtError(f"{rows.name}: tokens beyond the tokenizer's vocabulary", "run nmt prepare again") from None
        frequencies.update(word for word in chain.from_iterable(map(split_words, decoded)) if word in wanted)
        unseen.difference_update(decoded)
        progress(block.stop)
    return Exposure(frequencies, [line not in unseen for line in normalized])
