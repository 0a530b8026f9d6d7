"""Scores and comparisons of systems, and alignment error rates, in the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from nmt.cli.output import write_line
from nmt.cli.views.console import Page, table
from nmt.text.control_characters import visible

if TYPE_CHECKING:
    from nmt.evaluation.alignment_error import AlignmentError
    from nmt.evaluation.comparison import Comparison, Sentence
    from nmt.evaluation.metrics import Score

SIGNIFICANT = 0.05

_TITLES = {
    "length of the source in characters": "source length in characters",
    "how often training has seen the rarest word of the source": "training frequency of the rarest source word",
    "what training has seen of the pair": "test-set overlap with the training data",
}  # headings of the parts of a test set, by their keys in JSON


def draw_scores(scores: "Sequence[Score]", *, details: bool) -> None:
    """Print the scores of one system, one per line."""
    for metric in scores:
        interval = "" if metric.mean is None else f" (mean {metric.mean:.2f} ± {metric.interval:.2f})"
        write_line(f"{metric.name:6} {metric.value:6.{metric.digits}f}{interval}  {metric.signature}")
        if details and metric.details:
            write_line(f"       {_bleu_details(metric)}")


def draw_systems(systems: "Mapping[str, Sequence[Score]]", *, details: bool = False) -> None:
    """Draw a row for each system and a column for each metric, with their signatures below."""
    console, scores = Page(), table("system")
    baseline, first = next(iter(systems.items()))
    tested = any(metric.p_value is not None for row in systems.values() for metric in row)
    for metric in first:
        scores.add_column(metric.name, justify="right", no_wrap=True)
        if tested:
            scores.add_column("p", no_wrap=True)
    for name, row in systems.items():
        cells = []
        for metric in row:
            interval = "" if metric.interval is None else f" ± {metric.interval:.2f}"
            cells += [f"{metric.value:.{metric.digits}f}{interval}", *([p_value(metric.p_value)] if tested else [])]
        scores.add_row(Text(name), *cells)
    console.print_table(scores)
    if tested:
        console.print(Text(f"p: p-value of the difference from {baseline}; * significant, below {SIGNIFICANT}"))
    for signature in dict.fromkeys(f"{metric.name}: {metric.signature}" for row in systems.values() for metric in row):
        console.print(signature, soft_wrap=True)
    for name, row in systems.items():
        for metric in row:
            if details and metric.details:
                console.print(Text(f"{name}: {_bleu_details(metric)}"), soft_wrap=True)


def p_value(probability: float | None) -> str:
    """Format a p-value, with a star where it is significant as printed."""
    return "" if probability is None else f"{probability:.4f}{'*' if round(probability, 4) < SIGNIFICANT else ''}"


def draw_differences(comparison: "Comparison") -> None:
    """Draw scores on the parts of a test set, word recall, and the sentences that changed most."""
    console, (first, second) = Page(), comparison.systems
    console.print(
        Text.assemble((f"from {first} to {second}", "bold"), f": the scores of {first}, and the change in {second}")
    )
    for title, group in comparison.parts.items():
        console.print(Text(f"\nby {_TITLES[title]}", style="bold"))
        scores = table("", "lines", *(column for metric in group[0].scores for column in (metric, "change")))
        for part in group:
            changes = [(f"{before:.2f}", _change(after - before, 2)) for before, after in part.scores.values()]
            scores.add_row(part.name, f"{part.lines:,}", *(cell for pair in changes for cell in pair))
        console.print_table(scores)
    if comparison.words:
        console.print(Text("\nreference words, by training frequency", style="bold"))
        recalls = table("", "words", "recall", "change")
        for words in comparison.words:
            before, after = words.recall
            recalls.add_row(words.name, f"{words.words:,}", f"{before:.1%}", _change(100 * (after - before), 1))
        console.print_table(recalls)
    for title, sentences in (("losses", comparison.worse), ("gains", comparison.better)):
        if sentences:
            console.print(Text(f"\nlargest {title} of {second} in sentence chrF", style="bold"))
        for sentence in sentences:
            _draw_sentence(console, comparison.systems, sentence)


def _draw_sentence(console: Console, names: Sequence[str], sentence: "Sentence") -> None:
    console.print(f"line {sentence.line:,}: {_change(sentence.change, 1)}")
    labels = "source", "reference", *names
    texts = sentence.source, sentence.reference, sentence.first, sentence.second
    shown = [(label, text) for label, text in zip(labels, texts, strict=True) if text is not None]
    width = max(len(label) for label, _ in shown)
    for label, text in shown:
        console.print(Text.assemble((f"  {label:>{width}}  ", "dim"), visible(text)), soft_wrap=True)


def draw_alignment_errors(errors: "Iterable[AlignmentError]") -> None:
    """Draw a row for each layer and a column for each head."""
    layers: dict[int, list[AlignmentError]] = {}
    for error in errors:
        layers.setdefault(error.layer, []).append(error)
    best = min((error for row in layers.values() for error in row), key=lambda error: error.error_rate)
    heads = ["mean" if error.head is None else f"head {error.head}" for error in next(iter(layers.values()))]
    rates = table("alignment error rate", *heads)
    for layer, row in layers.items():
        cells = [Text(f"{error.error_rate:.3f}", style="bold green" if error is best else "") for error in row]
        rates.add_row(f"layer {layer}", *cells)
    console = Page()
    console.print_table(rates)
    where = "the mean of the heads" if best.head is None else f"head {best.head}"
    numbers = f"{best.error_rate:.3f} (precision {best.precision:.3f}, recall {best.recall:.3f})"
    console.print(f"best: {where} of layer {best.layer}, {numbers}; 0 is perfect")


def _bleu_details(bleu: "Score") -> str:
    precisions = " / ".join(f"{precision:.1f}" for precision in bleu.details["precisions"])
    lengths = f"{bleu.details['words']:,} words, {bleu.details['reference_words']:,} in the reference"
    ratio, penalty = bleu.details["length_ratio"], bleu.details["brevity_penalty"]
    return f"n-gram precisions {precisions}, brevity penalty {penalty:.3f}, length ratio {ratio:.3f} ({lengths})"


def _change(value: float, digits: int) -> str:
    """A change with its sign; never -0.00.

    >>> _change(-0.004, 2), _change(-0.2, 1)
    ('+0.00', '-0.2')
    """
    return f"{round(value, digits) + 0.0:+.{digits}f}"
