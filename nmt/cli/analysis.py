"""`nmt eval --diff` and `--alignment`: what is behind scores."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from nmt.cli.options import Common, Given
from nmt.cli.output import counting, log, write_line
from nmt.cli.translate import open_translator
from nmt.config import EvalConfig, RuntimeConfig
from nmt.errors import UsageError

if TYPE_CHECKING:
    from nmt.data.seen import Seen


class Test(NamedTuple):
    """What translations are held against."""

    references: list[list[str]]
    sources: list[str] | None
    tokenizer: str  # of BLEU


_SHOWN = 3  # sentences that got worse, and as many that got better
_DIFF_METRICS = ("bleu", "chrf")  # as many as fit beside each other in 80 columns


def tell_differences(
    common: Common, systems: Mapping[str, Sequence[str]], test: Test, config: EvalConfig, *, as_json: bool
) -> None:
    """Where the second system differs from the first."""
    from nmt.cli.views.scores import draw_differences
    from nmt.evaluation.differences import EvaluationSet, parts, recall_by_frequency, sentences_by_change

    (first, second), names = systems.values(), list(systems)
    looked_at = EvaluationSet(test.references, test.sources, _seen_in_training(common, test))
    ranked = sentences_by_change(first, second, looked_at)
    groups = parts(first, second, looked_at, config.metric or _DIFF_METRICS, test.tokenizer)
    words = recall_by_frequency(first, second, test.references[0], looked_at.seen[1]) if looked_at.seen else []
    count = _SHOWN if config.show is None else config.show
    shown = (
        [one for one in ranked[:count] if one.change < 0],
        [one for one in ranked[::-1][:count] if one.change > 0],
    )
    if as_json:
        content = {
            "systems": names,
            "parts": {title: [one._asdict() for one in group] for title, group in groups.items()},
            "words": [one._asdict() for one in words],
            "worse": [one._asdict() for one in shown[0]],
            "better": [one._asdict() for one in shown[1]],
        }
        write_line(json.dumps(content, ensure_ascii=False))
    else:
        draw_differences(names, groups, words, shown)


def _seen_in_training(common: Common, test: Test) -> "tuple[Seen, Seen] | None":
    """What the run's training data hold of the test set, where there are such data and the sources are known."""
    from nmt.data.seen import seen_in_training
    from nmt.text.tokenizer import Tokenizers

    if test.sources is None:
        log("without --source nothing is told by the length of the source and by what training has seen")
        return None
    if not (common.data / "train").is_dir():
        log(f"{common.data} has no training data, so nothing is told by what training has seen; name a --run with some")
        return None
    pairs = list(zip(test.sources, test.references[0], strict=True))
    with counting("sentences of the training data read", quiet=common.quiet) as progress:
        return seen_in_training(common.data, Tokenizers.load(common.run), pairs, progress)


def tell_alignment(
    common: Common,
    given: Given,
    model: Path,
    path: Path,
    sources: Sequence[str] | None,
    references: Sequence[str],
    *,
    as_json: bool,
) -> None:
    """The alignment error rate of each head of the run's model."""
    from nmt.cli.views.scores import draw_alignment_errors
    from nmt.evaluation.alignment_error import alignment_errors, read_alignments

    if sources is None:
        raise UsageError("--alignment needs the source, too", "give --source FILE")
    pairs = list(zip(sources, references, strict=True))
    gold = read_alignments(path, pairs)
    translator = open_translator([model], given.build(RuntimeConfig))
    with counting("sentence pairs aligned", quiet=common.quiet) as progress:
        errors = alignment_errors(translator, pairs, gold, progress)
    if as_json:
        write_line(json.dumps([one._asdict() for one in errors]))
    else:
        draw_alignment_errors(errors)
