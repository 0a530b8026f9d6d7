"""Synthetic corpora: passes of models over texts, written as TSV; killed and run again, they give the same bytes."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from nmt.config.synthesis import SynthesisConfig
from nmt.decoding.synthesis import Example, Synthesizer, SyntheticPair, Teacher
from nmt.errors import counted
from nmt.files.lines import batched, read_text
from nmt.files.resumable import ResumableFiles
from nmt.text.duplicates import HashSet, hashes_of

logger = logging.getLogger("nmt")

COMMIT = 1000  # pairs between two states from which an interrupted command continues


class Pass(NamedTuple):
    """One teacher, and the texts that it translates."""

    backward: bool  # whether these are targets
    examples: Callable[[], Iterator[Example]]
    teacher: Callable[[], Teacher]  # loads it


def write_synthetic(
    passes: Sequence[Pass],
    config: SynthesisConfig,
    seed: int,
    files: Sequence[Path],
    made_by: Mapping[str, Any] | None,
    report: Callable[[int], None],
) -> Counter[str]:
    """Write the pairs that are kept to the first file, and the others, with reasons, to the second if there is one.

    Returns the number of texts by what became of them. `made_by` identifies the inputs: with others it starts anew,
    with None always.
    """
    with ResumableFiles(files, made_by) as output:
        done, first = output.state.get("texts", 0), output.state.get("pass", 0)
        counts = Counter[str](output.state.get("counts", {}))
        seen = HashSet(files[0].parent)
        if output.state:
            logger.info("continuing after %s", counted(counts.total(), "pair"))
            for lines in batched(read_text(output.written(0)), COMMIT):
                seen.add(hashes_of(lines))
        for number, (backward, examples, teacher) in enumerate(passes):
            if number < first:
                continue
            synthesizer = Synthesizer(config, backward=backward, seed=seed)
            texts = done if number == first else 0
            for pairs in batched(synthesizer(islice(examples(), texts, None), teacher()), COMMIT):
                counts += _write(pairs, output, seen, config)
                texts += len(pairs)
                output.commit({"pass": number, "texts": texts, "counts": counts})
                report(counts.total())
        seen.close()
        output.finish()
    return counts


def _write(
    pairs: Sequence[SyntheticPair], output: ResumableFiles, seen: HashSet, config: SynthesisConfig
) -> Counter[str]:
    """Write pairs; return how many of each reason there are."""
    lines = ["\t".join(" ".join(text.replace("\t", " ").split("\n")) for text in pair[:2]) for pair in pairs]
    kept = [index for index, pair in enumerate(pairs) if pair.reason == "kept"]
    is_new = seen.add(hashes_of(lines[index] for index in kept))
    reasons = [pair.reason for pair in pairs]
    for index, new in zip(kept, is_new, strict=True):
        if not (new or config.keep_duplicates):
            reasons[index] = "duplicate"
    for line, reason in zip(lines, reasons, strict=True):
        if reason == "kept":
            output.write(0, line)
        elif len(output.paths) > 1:
            output.write(1, f"{reason}\t{line}")
    return Counter(reasons)
