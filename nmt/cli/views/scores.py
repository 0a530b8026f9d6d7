"""Scores, and what systems differ in, drawn in the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nmt.cli.output import write_line
from nmt.cli.views.console import Page
from nmt.text.sentences import visible

if TYPE_CHECKING:
    from nmt.evaluation.alignment_error import AlignmentError
    from nmt.evaluation.differences import Part, Sentence, Words
    from nmt.evaluation.metrics import Score

CERTAIN = 0.05  # probability of chance below which a difference is called significant


def draw_scores(scores: "Sequence[Score]", *, details: bool) -> None:
    """The scores of one system, a line each."""
    for one in scores:
        spread = "" if one.mean is None else f" (mean {one.mean:.2f} ± {one.interval:.2f})"
        write_line(f"{one.name:6} {one.value:6.{one.digits}f}{spread}  {one.signature}")
        if details and one.details:
            write_line(f"       {_detailed(one)}")


def draw_systems(found: "Mapping[str, Sequence[Score]]", *, details: bool = False) -> None:
    """A row for each system, a column for each metric; the signatures below."""
    baseline = next(iter(found.values()))
    tested = any(one.p_value is not None for scores in found.values() for one in scores)
    table = _table("system")
    for one in baseline:
        table.add_column(one.name, justify="right", no_wrap=True)
        if tested:
            table.add_column("p", no_wrap=True)
    for name, scores in found.items():
        cells = []
        for one in scores:
            cells.append(f"{one.value:.{one.digits}f}" + (f" ± {one.interval:.2f}" if one.interval is not None else ""))
            if tested:
                cells.append(chance(one.p_value))
        table.add_row(Text(name), *cells)
    console = Page()
    console.print(table)
    if tested:
        console.print(f"p: how likely chance makes a difference from {next(iter(found))} as large; * below {CERTAIN}")
    for one in baseline:
        console.print(f"{one.name}: {one.signature}", soft_wrap=True)
    detailed = [(name, one) for name, scores in found.items() for one in scores if details and one.details]
    for name, one in detailed:
        console.print(Text(f"{name}: {_detailed(one)}"), soft_wrap=True)


def chance(p_value: float | None) -> str:
    """A p-value, with a star where it is significant.

    >>> chance(0.0123), chance(0.04996), chance(None)
    ('0.0123*', '0.0500', '')
    """
    return "" if p_value is None else f"{p_value:.4f}{'*' if round(p_value, 4) < CERTAIN else ''}"


def draw_differences(
    names: Sequence[str],
    parts: "Mapping[str, Sequence[Part]]",
    words: "Sequence[Words]",
    sentences: "tuple[Sequence[Sentence], Sequence[Sentence]]",
) -> None:
    """The parts of a test set, the words by frequency, and the sentences that are worse and better in the second."""
    console = Page()
    console.print(Text.assemble((f"from {names[0]} to {names[1]}", "bold"), ": scores of the first, and the change"))
    for title, group in parts.items():
        console.print(Text(f"\nby {title}", style="bold"))
        table = _table()
        table.add_column("lines", justify="right", no_wrap=True)
        for metric in group[0].scores:
            table.add_column(metric, justify="right", no_wrap=True)
            table.add_column("change", justify="right", no_wrap=True)
        for part in group:
            cells = [cell for both in part.scores.values() for cell in _changed(*both)]
            table.add_row(part.name, f"{part.lines:,}", *cells)
        console.print(table)
    if words:
        console.print(Text("\nwords of the reference, by how often training has seen them", style="bold"))
        table = _table()
        for column in ("words", "written", "change"):
            table.add_column(column, justify="right", no_wrap=True)
        for one in words:
            before, after = one.recall
            table.add_row(one.name, f"{one.words:,}", f"{before:.1%}", f"{100 * (after - before):+.1f}")
        console.print(table)
    for title, chosen in zip(("worst", "best"), sentences, strict=True):
        if not chosen:
            continue
        console.print(Text(f"\nlines that {names[1]} does {title} on, by the change in sentence chrF", style="bold"))
        for sentence in chosen:
            _draw_sentence(console, names, sentence)


def draw_alignment_errors(errors: "Iterable[AlignmentError]") -> None:
    """A row for each layer, a column for each head."""
    rows: dict[int, list[AlignmentError]] = {}
    for one in errors:
        rows.setdefault(one.layer, []).append(one)
    best = min((one for row in rows.values() for one in row), key=lambda one: one.error_rate)
    table = _table("alignment error rate")
    heads = [one.head for one in next(iter(rows.values()))]
    for head in heads:
        table.add_column("mean" if head is None else f"head {head}", justify="right", no_wrap=True)
    for layer, row in rows.items():
        cells = [Text(f"{one.error_rate:.3f}", style="bold green" if one is best else "") for one in row]
        table.add_row(f"layer {layer}", *cells)
    console = Page()
    console.print(table)
    where = "the mean of the heads" if best.head is None else f"head {best.head}"
    console.print(
        f"best: {where} of layer {best.layer}, {best.error_rate:.3f} (precision {best.precision:.3f}, recall "
        f"{best.recall:.3f}); 0 is perfect, and every link wrong is 1"
    )


def _detailed(one: "Score") -> str:
    """What BLEU is made of."""
    precisions = " / ".join(f"{precision:.1f}" for precision in one.details["precisions"])
    return (
        f"n-gram precisions {precisions}, brevity penalty {one.details['brevity_penalty']:.3f}, "
        f"{one.details['words']:,} words for {one.details['reference_words']:,} "
        f"(ratio {one.details['length_ratio']:.3f})"
    )


def _table(title: str = "") -> Table:
    table = Table(box=None, padding=(0, 1), header_style="bold")
    table.add_column(title, overflow="fold")
    return table


def _changed(before: float, after: float) -> tuple[str, str]:
    return f"{before:.2f}", f"{after - before:+.2f}"


def _draw_sentence(console: Console, names: Sequence[str], sentence: "Sentence") -> None:
    console.print(f"line {sentence.line:,}: {sentence.change:+.1f}")
    labels = [("source", sentence.source), ("reference", sentence.reference)]
    labels += list(zip(names, (sentence.first, sentence.second), strict=True))
    width = max(len(label) for label, text in labels if text is not None)
    for label, text in labels:
        if text is not None:
            line = Text.assemble((f"  {label:>{width}}  ", "dim"), visible(text))
            console.print(line, soft_wrap=True)
