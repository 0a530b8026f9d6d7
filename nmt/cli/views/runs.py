"""Summaries of runs in the terminal: a sparkline for each quantity that training logs."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.table import Table
from rich.text import Text

from nmt.cli.views.console import Page
from nmt.cli.views.scores import SIGNIFICANT, p_value
from nmt.errors import counted
from nmt.files.run_directory import SIDES
from nmt.training.progress import duration

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 32  # of a sparkline, at most
_CURVES = (
    ("train", "loss", "loss", ".3f"),
    ("valid", "loss", "validation loss", ".3f"),
    ("valid", "bleu", "BLEU", ".2f"),
    ("valid", "chrf", "chrF", ".2f"),
    ("train", "learning_rate", "learning rate", ".1e"),
    ("train", "gradient_norm", "gradient norm", ".2f"),
    ("train", "tokens_per_second", "throughput (tokens/s)", ",.0f"),
)


def draw_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    """Draw the summaries of runs, one below another."""
    console, test_sets = Page(), len({run["test_set"] for run in runs if run["scores"]})
    for number, run in enumerate(runs):
        if number:
            console.print()
        console.print(Text.assemble((str(run["name"]), "bold"), "  ", ", ".join(_summary(run))), soft_wrap=True)
        for line in filter(None, (_training(run), _cleaning(run))):
            console.print(Text(f"  {line}"), soft_wrap=True)
        console.print(_curves(run, max(4, min(_WIDTH, console.width - 46))))
        for score in run["scores"]:
            interval = "" if score["interval"] is None else f" ± {score['interval']:.2f}"
            p = "" if score["p_value"] is None else f"  p {p_value(score['p_value'])}"
            test = f"test set {run['test_set']}" if test_sets > 1 else "test"
            console.print(Text(f"  {test}  {score['name']:6} {score['value']:6.2f}{interval}{p}"))
        console.print(Text(f"  {_evaluation(run)}"))
    if test_sets > 1:
        console.print("\nscores on different test sets cannot be compared")
    if any(score["p_value"] is not None for run in runs for score in run["scores"]):
        baseline = "the first run with the same test set"
        console.print(f"\np: p-value of the difference from {baseline}; * significant, below {SIGNIFICANT}")


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw a curve from its minimum at the bottom to its maximum at the top, averaged where it exceeds the width.

    >>> sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8), sparkline([1.0, 1.0, 9.0, 9.0], 2), sparkline([3.0], 5)
    ('▁▂▃▄▅▆▇█', '▁█', '▁')
    """
    columns = min(width, len(values))
    cuts = [round(i * len(values) / columns) for i in range(columns + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(cuts)]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0
    return "".join(_BARS[round((mean - low) * scale)] for mean in means)


def _curves(run: Mapping[str, Any], width: int) -> Table:
    grid = Table(box=None, padding=(0, 1), show_header=False)
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    for kind, key, name, digits in _CURVES:
        values = [line[key] for line in run[kind] if isinstance(line.get(key), int | float)]
        if values:
            grid.add_row(name, f"{values[0]:{digits}}", sparkline(values, width), f"{values[-1]:{digits}}")
    return grid


def _summary(run: Mapping[str, Any]) -> list[str]:
    parts = []
    if data := run["data"]:
        languages = [data["languages"][side] or "?" for side in SIDES]
        parts += ["-".join(languages), counted(data["sets"]["train"]["pairs"], "pair")]
    if model := run["model"]:
        shape = model["shape"]
        layers = f"{shape['encoder_layers']}+{shape['decoder_layers']} layers of {shape['dim']}"
        parts += [f"{model['parameters']:,} parameters", layers]
    return parts


def _training(run: Mapping[str, Any]) -> str:
    """Training time, hardware, compute precision and best validation score."""
    state, parts = run["state"], []
    if "step" in state:
        flops = sum(line.get("flops") or 0 for line in run["train"])
        cost = f" ({flops:.2g} FLOPs)" if flops else ""
        parts.append(f"{counted(state['step'], 'step')}{cost} in {duration(state['seconds'])}")
    if run["start"]:
        machine = run["start"][-1]
        processes = f", {machine['processes']} processes" if machine["processes"] > 1 else ""
        threads = counted(machine["threads"], "thread")
        parts.append(f"{machine['device']}, {threads}{processes}, {machine['precision']}")
    if scored := [line for line in run["valid"] if isinstance(line.get("bleu"), float)]:
        best = max(scored, key=lambda line: (round(line["bleu"], 1), -(line["loss"] or 0)))  # as the model is chosen
        parts.append(f"best validation BLEU {best['bleu']:.2f} at step {best['step']:,}")
    return "; ".join(parts)


def _cleaning(run: Mapping[str, Any]) -> str:
    if not run["data"]:
        return ""
    train = run["data"]["sets"]["train"]
    rules = ", ".join(f"{count:,} {rule}" for rule, count in train["dropped"].items())
    return f"kept {train['pairs']:,} of {counted(train['read'], 'pair')}; dropped: {rules or 'none'}"


def _evaluation(run: Mapping[str, Any]) -> str:
    """The search settings of the test set's translation."""
    evaluation = run["evaluation"]
    if not run["scores"]:
        return "test set not translated yet: run nmt eval"
    if evaluation is None:
        return "search settings of the test set's translation unknown"
    search = evaluation["search"]
    model = "" if evaluation["of_this_model"] else ", by an earlier model: run nmt eval again"
    return f"translated with beam size {search.get('beam')}, length penalty {search.get('length_penalty')}{model}"
