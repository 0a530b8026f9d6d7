"""Split held-out sets off a corpus."""

from collections.abc import Iterable, Sequence

from nmt.data.cleaning import BLOCK, DUPLICATES, texts
from nmt.errors import NmtError, counted
from nmt.files.lines import batched
from nmt.text.clean import Cleaner
from nmt.text.duplicates import hashes_of
from nmt.text.pair import SentencePair

_SPARE = 4  # pairs drawn for each that is needed, because cleaning drops some


def split_off(
    pairs: Iterable[SentencePair], names: Sequence[str], split: int, cleaner: Cleaner, where: object
) -> dict[str, list[SentencePair]]:
    """Draw `split` pairs for each name from those that the cleaner keeps; NmtError if that is over half of the corpus.

    Those with the smallest hashes are drawn: the same in every run, however often a pair occurs.
    """
    needed = split * len(names)
    drawn, total = dict[int, SentencePair](), 0
    for block in batched(pairs, BLOCK):
        total += len(block)
        backwards = block[::-1]  # the first of equal pairs overwrites the others
        hashes = hashes_of(DUPLICATES["pair"](*pair) for pair in texts(backwards)).tolist()
        drawn = dict(zip(hashes, backwards, strict=True)) | drawn
        drawn = {key: drawn[key] for key in sorted(drawn)[: _SPARE * needed]}
    kept = [pair for pair in drawn.values() if not cleaner.rejected_by(*cleaner.normalize_pair(*pair[:2]))][:needed]
    if total < 2 * needed or len(kept) < needed:
        problem = f"--split {split} takes {counted(needed, 'pair')}, more than half of the {total:,} in {where}"
        raise NmtError(problem, "lower it, give the corpus to split first, or give --valid and --test files")
    return {
        name: sorted(kept[start : start + split], key=lambda pair: pair.line)
        for name, start in zip(names, range(0, needed, split), strict=True)
    }
