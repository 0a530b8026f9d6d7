"""The sets that a model is scored on: read, or cut off a corpus; written as text, and as rows for the loss."""

from collections.abc import Iterable, Sequence

from nmt.data.chunks import CHUNK
from nmt.errors import NmtError
from nmt.files import chunks
from nmt.text.clean import Cleaner
from nmt.text.duplicates import hashes_of
from nmt.text.pair import SentencePair

_SPARE = 4
"""How many times as many pairs are drawn as are needed, because cleaning drops some of them."""


def check_not_empty(held_out: dict[str, list[SentencePair]]) -> None:
    """NmtError for a set without a pair that could be scored."""
    for name, pairs in held_out.items():
        if not any(pair.source.strip() and pair.target.strip() for pair in pairs):
            raise NmtError(f"the {name} set is empty", f"check the files given to --{name}")


def cut_off(
    pairs: Iterable[SentencePair], names: Sequence[str], split: int, cleaner: Cleaner, where: object
) -> dict[str, list[SentencePair]]:
    """Draw `split` pairs for each name among those that the cleaner keeps, in the order of the corpus.

    Drawn are those whose texts have the smallest hashes, so that the draw is the same in every run and does not depend
    on how often a pair occurs. NmtError where more than half of the corpus would go.
    """
    needed = split * len(names)
    drawn = dict[int, SentencePair]()
    total = 0
    for chunk in chunks(pairs, CHUNK):
        total += len(chunk)
        backwards = chunk[::-1]  # so that of pairs that are the same the first one stays
        hashes = hashes_of(f"{pair.source}\n{pair.target}" for pair in backwards).tolist()
        drawn = dict(zip(hashes, backwards, strict=True)) | drawn
        drawn = {key: drawn[key] for key in sorted(drawn)[: _SPARE * needed]}
    kept = [pair for pair in drawn.values() if not cleaner.rule_against(*map(cleaner.regular, pair[:2]))][:needed]
    if total < 2 * needed or len(kept) < needed:
        raise NmtError(
            f"--split {split} takes {needed:,} pairs, more than half of the {total:,} in {where}",
            "lower it, name the corpus to cut them off first, or give --valid and --test files",
        )
    return {
        name: sorted(kept[start : start + split], key=lambda pair: pair.line)
        for name, start in zip(names, range(0, needed, split), strict=True)
    }
