"""`nmt eval`: score translations."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nmt.cli.compare import print_comparison
from nmt.cli.options import Common, Given, Json, Model, References, Source, Strict
from nmt.cli.output import counting, working, write_line
from nmt.cli.translate import open_translator
from nmt.config.evaluation import EvalConfig
from nmt.config.runtime import RuntimeConfig
from nmt.config.search import SearchConfig
from nmt.config.setting import settings_of
from nmt.errors import UsageError

if TYPE_CHECKING:
    from nmt.evaluation.evaluation_set import EvaluationSet
    from nmt.evaluation.scorer import Scorer

Hypotheses = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Translations of one or more systems, or - for stdin.",
        metavar="HYPOTHESIS",
        show_default="stdin, or the run's model's own",
    ),
]
CometModel = Annotated[
    Path | None, typer.Option(help="COMET checkpoint; a pickle, which can run code: load only one that you trust.")
]
Sentence = Annotated[
    bool, typer.Option("--sentence", help="Print sentence-level scores, tab-separated, instead of corpus scores.")
]
Alignment = Annotated[
    Path | None,
    typer.Option(help="Gold word alignments of the test set (0-0 1-2): print the alignment error rate of each head."),
]
Perturb = Annotated[
    list[str] | None,
    typer.Option(
        help="Score the test set perturbed, too, in lower case: upper,title,lower,typos,spaces,no-punctuation.",
        metavar="KINDS",
    ),
]
Diff = Annotated[bool, typer.Option("--diff", help="Moved to nmt compare.", hidden=True)]


def evaluate(
    common: Common,
    given: Annotated[Given, EvalConfig, SearchConfig, RuntimeConfig],
    hypothesis: Hypotheses = None,
    reference: References = None,
    source: Source = None,
    model: Model = None,
    strict: Strict = False,
    sentence: Sentence = False,
    alignment: Alignment = None,
    comet_model: CometModel = None,
    perturb: Perturb = None,
    json_output: Json = False,
    diff: Diff = False,
) -> None:
    """Evaluate translations with BLEU, chrF, TER or COMET.

    Without arguments, translates the prepared test set with the run's model and scores the result. With --reference
    but no files, scores stdin. To test whether systems differ, and to see where, use nmt compare.

    For example:

        nmt eval --beam 8
        nmt eval output.en --reference reference.en
        nmt translate < test.de | nmt eval --reference test.en --metric bleu --metric ter --confidence
    """
    config, files = given.build(EvalConfig), hypothesis or ([Path("-")] if reference else [])
    significance, directory = config.significance != "off", model or common.run.model
    purposes = {"--sentence": sentence, "--alignment": alignment, "--perturb": bool(perturb)}
    purposes |= {"--diff": diff, "--significance": significance}
    _check_options(given, [name for name, wanted in purposes.items() if wanted], files)
    if sentence and json_output:
        raise UsageError("--sentence prints a line for each sentence, not JSON", "leave out --json")
    if ("comet" in config.metrics) != (comet_model is not None):
        raise UsageError("--metric comet and --comet-model FILE belong together", "give both")

    from nmt.evaluation.evaluation_set import read_evaluation_set, read_systems
    from nmt.evaluation.scorer import Scorer

    test = read_evaluation_set(common.run, reference or [], source, config, strict=strict)
    if alignment:
        _print_alignment_errors(common, given, directory, alignment, test, as_json=json_output)
        return
    scorer = Scorer(test, config, comet_model, given.build(RuntimeConfig).device)
    scorer.check()
    if perturb:
        kinds = [kind.strip() for names in perturb for kind in names.split(",")]
        _print_perturbed(given, directory, kinds, scorer, as_json=json_output)
        return
    provenance: dict[str, Any] | None = None
    if files:
        systems = read_systems(files, test, strict=strict)
    else:
        systems, provenance = _translate_test_set(common, given, directory)
    if diff or significance:  # as before there was nmt compare
        print_comparison(common, systems, test, config, scores=significance, differences=diff, as_json=json_output)
    elif sentence:
        _print_sentence_scores(common, scorer, systems)
    else:
        _print_scores(common, scorer, systems, provenance, as_json=json_output)


def _check_options(given: Given, purposes: Sequence[str], files: Sequence[Path]) -> None:
    """UsageError for options that exclude each other, and for those that would do nothing."""
    if len(purposes) > 1:
        raise UsageError(f"{' and '.join(purposes)} cannot be combined", "give one of them")
    purpose = purposes[0] if purposes else ""
    if purpose in ("--alignment", "--perturb") and files:
        raise UsageError(f"{purpose} scores the run's model, not translations", "leave out the files")
    if purpose == "--diff" and len(files) != 2:
        raise UsageError(f"--diff needs exactly two files; got {len(files)}")
    ignored = {"show"} if purpose != "--diff" else set[str]()
    ignored |= {"samples"} if purpose != "--significance" else set()
    if files or purpose == "--alignment":
        ignored |= settings_of(SearchConfig).keys()
    if purpose in ("--sentence", "--diff", "--alignment"):
        ignored |= {"confidence", "details"}
    if purpose == "--alignment":
        ignored |= {"metric", "tokenize"}
    if purpose == "--perturb":
        ignored |= {"details", "n_best"}
    given.refuse(ignored, "here")


def _translate_test_set(common: Common, given: Given, directory: Path) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The translation of the prepared test set by the run's model, and how it was made."""
    config, runtime = given.build(SearchConfig), given.build(RuntimeConfig)
    if config.n_best > 1:
        raise UsageError("eval scores one translation of each line", "leave out --n-best")

    from nmt.data.description import warn_of_other_data
    from nmt.runs.evaluation import translate_test_set

    warn_of_other_data(directory, common.run.data)
    translator = open_translator([directory], runtime)
    lines, provenance = translate_test_set(common.run, directory, translator, config, runtime.precision)
    return {directory.name: lines}, provenance


def _print_scores(
    common: Common,
    scorer: "Scorer",
    systems: Mapping[str, Sequence[str]],
    provenance: Mapping[str, Any] | None,
    *,
    as_json: bool,
) -> None:
    from nmt.cli.views.scores import draw_scores, draw_systems
    from nmt.evaluation.metrics import scores_as_json
    from nmt.runs.evaluation import save_scores

    details, count = scorer.config.details, len(scorer.test.references[0])
    with working(quiet=common.quiet) as show:
        show(f"computing {', '.join(scorer.config.metrics)}")  # TER takes seconds for a long line
        scores = {name: scorer.corpus_scores(lines) for name, lines in systems.items()}
    content = {name: scores_as_json(row, count, details=details) for name, row in scores.items()}
    directions = {}
    for tag, (rows, part) in scorer.directions().items():
        for name, lines in systems.items():
            directions[f"{name} {tag}"] = row = part.corpus_scores([lines[number] for number in rows])
            content[name].setdefault("directions", {})[tag] = scores_as_json(row, len(rows), details=details)
    first = next(iter(scores))
    if provenance is not None:
        save_scores(common.run, provenance, content[first])
    if as_json:
        write_line(json.dumps(content if len(content) > 1 else content[first]))
    elif len(scores) > 1:
        draw_systems(scores, details=details)
    else:
        draw_scores(scores[first], details=details)
    if directions and not as_json:
        draw_systems(directions, details=details)


def _print_sentence_scores(common: Common, scorer: "Scorer", systems: Mapping[str, Sequence[str]]) -> None:
    with working(quiet=common.quiet) as show:
        show(f"computing {', '.join(scorer.config.metrics)}")
        columns = [column for lines in systems.values() for column in scorer.sentence_scores(lines)]
    for row in zip(*columns, strict=True):
        write_line("\t".join(row))


def _print_perturbed(given: Given, directory: Path, kinds: Sequence[str], scorer: "Scorer", *, as_json: bool) -> None:
    """Print the scores of the run's model on the test set as it is and perturbed, of text without case.

    Where sources have no final punctuation, that of translations and references does not count either.
    """
    import numpy as np

    from nmt.cli.views.scores import draw_systems
    from nmt.evaluation.metrics import scores_as_json
    from nmt.text.perturbation import PERTURBATIONS, no_punctuation

    if unknown := [kind for kind in kinds if kind not in PERTURBATIONS]:
        raise UsageError(f"--perturb: {', '.join(unknown)} is not one of {', '.join(PERTURBATIONS)}")
    search, test = given.build(SearchConfig), scorer.test
    sources, _ = zip(*test.pairs("--perturb"), strict=True)
    translator = open_translator([directory], given.build(RuntimeConfig))
    perturbed: dict[str, Sequence[str]] = {"clean": sources}
    for kind in kinds:
        random = np.random.default_rng(search.seed)
        perturbed[kind] = [PERTURBATIONS[kind](source, random) for source in sources]
    scores = {}
    for kind, lines in perturbed.items():

        def compared(text: str, kind: str = kind) -> str:
            return (no_punctuation(text) if kind == "no-punctuation" else text).casefold()

        translations = [compared(translation.text) for translation in translator.stream(lines, search)]
        scores[kind] = scorer._replace(test=test.changed(compared)).corpus_scores(translations, lowercase=True)
    if as_json:
        write_line(json.dumps({kind: scores_as_json(row, len(sources)) for kind, row in scores.items()}))
    else:
        draw_systems(scores)


def _print_alignment_errors(
    common: Common, given: Given, directory: Path, alignment: Path, test: "EvaluationSet", *, as_json: bool
) -> None:
    """Print the alignment error rate of each head of the run's model."""
    from nmt.cli.views.scores import draw_alignment_errors
    from nmt.evaluation.alignment_error import alignment_errors, read_alignments

    pairs = test.pairs("--alignment")
    gold = read_alignments(alignment, pairs)
    translator = open_translator([directory], given.build(RuntimeConfig), engine="torch")
    with counting("sentence pairs aligned", quiet=common.quiet) as progress:
        errors = alignment_errors(translator, pairs, gold, progress)
    if as_json:
        write_line(json.dumps([error._asdict() for error in errors]))
    else:
        draw_alignment_errors(errors)
