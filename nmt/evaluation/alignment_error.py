"""How well each head of a model's cross-attention tells which words belong together.

The model is made to write the references of a test set; each target word is aligned with the source word that it looks
at most. What is found is held against links made by hand, by the alignment error rate of Och & Ney 2003.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from nmt.decoding.translate import Translator
from nmt.errors import NmtError
from nmt.evaluation.attention_maps import attention_maps, by_word
from nmt.files import read_text

Link = tuple[int, int]
"""Indices of a source word and a target word, from 0."""

_LINK = re.compile(r"(\d+)([-?p])(\d+)")


class GoldAlignment(NamedTuple):
    """The true links of a sentence pair."""

    sure: frozenset[Link]
    possible: frozenset[Link]
    """All links that are not wrong; the sure ones are among them."""


class AlignmentError(NamedTuple):
    """How well a head, or the mean of the heads of a layer, aligns words."""

    layer: int  # from 1
    head: int | None  # from 1; None: the mean of all heads
    error_rate: float
    precision: float
    recall: float


def parse_alignment(line: str) -> GoldAlignment:
    """Links as Pharaoh writes them, `0-0 1-2`; `1?2` and `1p2` are possible ones. ValueError for anything else.

    >>> gold = parse_alignment("0-0 1?2")
    >>> sorted(gold.sure), sorted(gold.possible)
    ([(0, 0)], [(0, 0), (1, 2)])
    """
    sure, possible = set[Link](), set[Link]()
    for link in line.split():
        match = _LINK.fullmatch(link)
        if not match:
            raise ValueError(f"{link} is no link such as 0-1")
        pair = int(match[1]), int(match[3])
        possible.add(pair)
        if match[2] == "-":
            sure.add(pair)
    return GoldAlignment(frozenset(sure), frozenset(possible))


def read_alignments(path: Path, pairs: Sequence[tuple[str, str]]) -> list[GoldAlignment]:
    """The alignment of each sentence pair, one a line.

    Raises NmtError for a line that is none, a link to a word that is not there, and another number of lines.
    """
    lines = list(read_text(path))
    if len(lines) != len(pairs):
        raise NmtError(f"{path} has {len(lines):,} lines for {len(pairs):,} sentence pairs", "give one for each pair")
    found = []
    for number, (line, pair) in enumerate(zip(lines, pairs, strict=True), start=1):
        counts = [len(side.split()) for side in pair]
        try:
            gold = parse_alignment(line)
        except ValueError as error:
            raise NmtError(f"{path}, line {number:,}: {error}") from None
        for link in sorted(gold.possible):
            if link[0] >= counts[0] or link[1] >= counts[1]:
                raise NmtError(
                    f"{path}, line {number:,}: the link {link[0]}-{link[1]}, but the pair has {counts[0]} and "
                    f"{counts[1]} words",
                    "words are what stands between spaces, counted from 0",
                )
        found.append(gold)
    if not any(gold.sure for gold in found):
        raise NmtError(f"{path}: has no sure links, which an error rate needs", "write them as 0-0 1-2")
    return found


def alignment_errors(
    translator: Translator,
    pairs: Sequence[tuple[str, str]],
    gold: Sequence[GoldAlignment],
    progress: Callable[[int], None] = lambda pairs: None,
) -> list[AlignmentError]:
    """The alignment error of each head of each layer, and of the mean of a layer's heads, which comes first.

    Pairs whose words cannot be told apart in their pieces, as where the tokenizer's normalisation joins some, are left
    out. Raises NmtError where nothing remains, and UsageError for a pair that the model cannot read.
    """
    counts: dict[tuple[int, int | None], list[int]] = {}
    for number, ((source, target), true) in enumerate(zip(pairs, gold, strict=True), start=1):
        progress(number)
        if not source.strip() or not target.strip():
            continue
        cross = by_word(attention_maps(translator, source, target)["cross"])
        if (len(cross.keys) - 1, len(cross.queries) - 1) != (len(source.split()), len(target.split())):
            continue
        for layer, heads in enumerate(cross.weights[:, :, :-1, :-1], start=1):  # without </s>
            each: Iterable[tuple[int | None, Tensor]] = [(None, heads.mean(dim=0)), *enumerate(heads, start=1)]
            for head, weights in each:
                links = {(int(best), word) for word, best in enumerate(weights.argmax(dim=1))}
                found = (len(links), len(true.sure), len(links & true.sure), len(links & true.possible))
                before = counts.setdefault((layer, head), [0, 0, 0, 0])
                counts[layer, head] = [sum(both) for both in zip(before, found, strict=True)]
    if not counts:
        raise NmtError("no pair could be aligned: there are none whose pieces make whole words")
    return [AlignmentError(*key, *_rates(*found)) for key, found in counts.items()]


def _rates(links: int, sure: int, right: int, not_wrong: int) -> tuple[float, float, float]:
    """Error rate 1 - (|A and S| + |A and P|) / (|A| + |S|), precision and recall (Och & Ney 2003, section 6).

    >>> _rates(links=4, sure=2, right=2, not_wrong=3)
    (0.16666666666666663, 0.75, 1.0)
    """
    return 1 - (right + not_wrong) / max(1, links + sure), not_wrong / max(1, links), right / max(1, sure)
