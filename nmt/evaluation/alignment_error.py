"""Alignment error rate (Och & Ney 2003) of each head of a model's cross-attention.

The model is forced to output the references of a test set. Each target word is aligned to the source word that it
attends to most, and the links are compared with gold alignments.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.decoding.translator import Translator
from nmt.errors import NmtError, counted
from nmt.evaluation.attention_maps import attention_maps, by_word
from nmt.files.lines import read_text

Link = tuple[int, int]  # indices of a source word and a target word, from 0


class GoldAlignment(NamedTuple):
    """The gold links of a sentence pair."""

    sure: frozenset[Link]
    possible: frozenset[Link]  # includes the sure ones


class AlignmentError(NamedTuple):
    """The alignment error rate of a head, or of the mean of a layer's heads."""

    layer: int  # from 1
    head: int | None  # from 1; None: the mean of all heads
    error_rate: float
    precision: float
    recall: float


def parse_alignment(line: str) -> GoldAlignment:
    """Parse links in Pharaoh format, `0-0 1-2`; `1?2` and `1p2` are possible links. ValueError for anything else.

    >>> gold = parse_alignment("0-0 1?2")
    >>> sorted(gold.sure), sorted(gold.possible)
    ([(0, 0)], [(0, 0), (1, 2)])
    """
    sure, possible = set[Link](), set[Link]()
    for text in line.split():
        match = re.fullmatch(r"(\d+)([-?p])(\d+)", text)
        if not match:
            raise ValueError(f"{text} is not a link such as 0-1")
        link = int(match[1]), int(match[3])
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return GoldAlignment(frozenset(sure), frozenset(possible))


def read_alignments(path: Path, pairs: Sequence[tuple[str, str]]) -> list[GoldAlignment]:
    """Read the gold alignment of each pair, one per line; NmtError for a malformed line or a link beyond its words."""
    lines = list(read_text(path))
    if len(lines) != len(pairs):
        raise NmtError(f"{path} has {counted(len(lines), 'line')}, not {len(pairs):,}", "give one for each pair")
    alignments = []
    for number, (line, (source, target)) in enumerate(zip(lines, pairs, strict=True), start=1):
        try:
            alignments.append(parse_alignment(line))
        except ValueError as error:
            raise NmtError(f"{path}, line {number:,}: {error}") from None
        counts = len(source.split()), len(target.split())
        for link in sorted(alignments[-1].possible):
            if link[0] >= counts[0] or link[1] >= counts[1]:
                problem = f"the link {link[0]}-{link[1]}, but the pair has {counts[0]} and {counts[1]} words"
                raise NmtError(f"{path}, line {number:,}: {problem}", "words are separated by spaces, and count from 0")
    if not any(gold.sure for gold in alignments):
        raise NmtError(f"{path}: has no sure links, which an error rate requires", "write them as 0-0 1-2")
    return alignments


def alignment_errors(
    translator: Translator,
    pairs: Sequence[tuple[str, str]],
    alignments: Sequence[GoldAlignment],
    progress: Callable[[int], None] = lambda pairs: None,
) -> list[AlignmentError]:
    """The alignment error of each layer: first that of the mean of its heads, then that of each head.

    Pairs whose pieces do not form the same words as their spaces are skipped. Raises NmtError where no pair is left,
    and UsageError for a pair that is too long for the model.
    """
    counts = defaultdict[tuple[int, int | None], list[tuple[int, ...]]](list)  # the arguments of `_rates`
    for number, ((source, target), gold) in enumerate(zip(pairs, alignments, strict=True), start=1):
        progress(number)
        if not source.strip() or not target.strip():
            continue
        cross = by_word(attention_maps(translator, source, target)["cross"])
        if (len(cross.keys) - 1, len(cross.queries) - 1) != (len(source.split()), len(target.split())):
            continue
        for layer, heads in enumerate(cross.weights[:, :, :-1, :-1], start=1):  # without </s>
            for head, weights in [(None, heads.mean(dim=0)), *enumerate(heads, start=1)]:
                links = {(int(best), word) for word, best in enumerate(weights.argmax(dim=1))}
                matches = len(links & gold.sure), len(links & gold.possible)
                counts[layer, head].append((len(links), len(gold.sure), *matches))
    if not counts:
        raise NmtError("no sentence pair could be aligned", "their words must be separated by spaces")
    return [AlignmentError(*key, *_rates(*map(sum, zip(*rows, strict=True)))) for key, rows in counts.items()]


def _rates(links: int, sure: int, sure_matches: int, possible_matches: int) -> tuple[float, float, float]:
    """Error rate 1 - (|A and S| + |A and P|) / (|A| + |S|), precision and recall (Och & Ney 2003, section 6)."""
    error_rate = 1 - (sure_matches + possible_matches) / max(1, links + sure)
    return error_rate, possible_matches / max(1, links), sure_matches / max(1, sure)
