"""The set that translations are scored on, and the translations of each system, read from files."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from nmt.config.evaluation import MetricConfig
from nmt.data.description import read_description
from nmt.data.overlap import Exposure
from nmt.errors import NmtError, UsageError, counted
from nmt.evaluation.metrics import SAME_LINES, tokenizer_for
from nmt.files.lines import read_text
from nmt.files.run_directory import RunDirectory

_TAG = re.compile(r"\s*(<2[\w-]+>)")


class EvaluationSet(NamedTuple):
    """References, one or several per line, and what else is known of a test set."""

    references: Sequence[Sequence[str]]
    sources: Sequence[str] | None = None
    exposure: tuple[Exposure, Exposure] | None = None  # in training, of the sources and of the first references
    tokenizer: str = "13a"  # of BLEU

    def directions(self) -> dict[str, list[int]]:
        """The lines of each target tag, such as <2en>, with which sources begin; empty where all have the same."""
        tags = [match[1] if (match := _TAG.match(source)) else "no tag" for source in self.sources or ()]
        rows = {tag: [row for row, other in enumerate(tags) if other == tag] for tag in dict.fromkeys(tags)}
        return rows if len(rows) > 1 else {}

    def part(self, rows: Sequence[int], tokenizer: str) -> "EvaluationSet":
        """Some lines of the set, for a target language that may have another tokenizer."""
        *references, sources = ([lines[row] for row in rows] for lines in (*self.references, self.sources or ()))
        return EvaluationSet(references, sources, None, tokenizer)

    def changed(self, change: Callable[[str], str]) -> "EvaluationSet":
        """The set with references that are changed as the translations to be scored are."""
        return self._replace(references=[list(map(change, lines)) for lines in self.references])

    def pairs(self, option: str) -> list[tuple[str, str]]:
        """Sources and first references; UsageError, which names an option, where the sources are unknown."""
        if self.sources is None:
            raise UsageError(f"{option} needs the source, too", "give --source FILE")
        return list(zip(self.sources, self.references[0], strict=True))


def read_evaluation_set(
    run: RunDirectory, references: Sequence[Path], source: Path | None, config: MetricConfig, *, strict: bool = False
) -> EvaluationSet:
    """Read references and source, by default the run's test set; NmtError where it has none, or line counts differ."""
    language = config.target_language
    if not references:
        source = source or held_out_test(run, "source")
        language = language or read_description(run.data)["languages"]["target"]
        references = [held_out_test(run, "target")]
    lines = [list(read_text(path, strict=strict)) for path in references]
    sources = list(read_text(source, strict=strict)) if source else None
    if sources is not None and len(sources) != len(lines[0]):
        problem = f"{source} has {counted(len(sources), 'line')}, but the reference has {len(lines[0]):,}"
        raise NmtError(problem, SAME_LINES)
    return EvaluationSet(lines, sources, None, config.tokenize or tokenizer_for(language))


def held_out_test(run: RunDirectory, side: str) -> Path:
    """One side of the run's test set; NmtError where there is none."""
    path = run.held_out("test", side)
    if not run.path.is_dir():
        raise NmtError(f"{run.path}: no such run directory", "give --run DIR, or --reference FILE")
    if not path.exists():
        raise NmtError(f"{path}: the run has no test set", "give --reference FILE, or prepare one with --test")
    return path


def read_systems(files: Sequence[Path], test: EvaluationSet, *, strict: bool = False) -> dict[str, list[str]]:
    """Read the translations of systems, named by their files, or by their paths where file names coincide."""
    names = ["stdin" if str(path) == "-" else path.name for path in files]
    if len(set(names)) < len(names):
        names = [str(path) for path in files]
    if len(set(names)) < len(names):
        raise UsageError("the same file is given twice", "give each system once")
    systems = {name: list(read_text(path, strict=strict)) for name, path in zip(names, files, strict=True)}
    for name, lines in systems.items():
        if len(lines) != len(test.references[0]):
            counts = f"{name} has {counted(len(lines), 'line')}, but the reference has {len(test.references[0]):,}"
            raise NmtError(counts, SAME_LINES)
    return systems
