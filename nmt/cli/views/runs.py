"""Runs in short: a line for each thing that changed in training, with a curve as high as a letter."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.table import Table
from rich.text import Text

from nmt.cli.output import counted
from nmt.cli.views.console import Page
from nmt.cli.views.scores import chance
from nmt.training.progress import duration

_BARS = "▁▂▃▄▅▆▇█"
_CURVE = 32  # cells at most
_CURVES = (
    ("train", "loss", "loss", ".3f"),
    ("valid", "loss", "validation loss", ".3f"),
    ("valid", "bleu", "BLEU", ".2f"),
    ("valid", "chrf", "chrF", ".2f"),
    ("train", "rate", "learning rate", ".1e"),
    ("train", "gradient_norm", "gradient norm", ".2f"),
    ("train", "tokens_per_second", "tokens a second", ",.0f"),
)


def draw_runs(runs: Sequence[Mapping[str, Any]]) -> None:
    """Draw runs one below the other."""
    console = Page()
    for place, run in enumerate(runs):
        if place:
            console.print()
        console.print(Text.assemble((str(run["name"]), "bold"), "  ", ", ".join(_made_of(run))), soft_wrap=True)
        for told in (_trained(run), _dropped(run)):
            if told:
                console.print(Text(f"  {told}"), soft_wrap=True)
        console.print(_curves(run, max(4, min(_CURVE, console.width - 46))))
        for score in run["scores"]:
            spread = f" ± {score['interval']:.2f}" if score["interval"] is not None else ""
            certain = "" if score["p_value"] is None else f"  p {chance(score['p_value'])}"
            console.print(Text(f"  test  {score['name']:6} {score['value']:6.2f}{spread}{certain}"))
        console.print(Text(f"  {_evaluated(run)}"))
    if any(score["p_value"] is not None for run in runs for score in run["scores"]):
        console.print("\np: how likely chance makes a difference from the first run of the same test set as large")


def sparkline(values: Sequence[float], width: int) -> str:
    """A curve through means of neighbouring values, the lowest at the bottom and the highest at the top.

    >>> sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8), sparkline([1.0, 1.0, 9.0, 9.0], 2), sparkline([3.0], 5)
    ('▁▂▃▄▅▆▇█', '▁█', '▁')
    """
    cuts = [round(i * len(values) / min(width, len(values))) for i in range(min(width, len(values)) + 1)]
    means = [sum(values[start:end]) / (end - start) for start, end in pairwise(cuts)]
    low, high = min(means), max(means)
    share = (len(_BARS) - 1) / (high - low) if high > low else 0
    return "".join(_BARS[round((mean - low) * share)] for mean in means)


def _curves(run: Mapping[str, Any], width: int) -> Table:
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for kind, key, name, digits in _CURVES:
        values = [line[key] for line in run[kind] if isinstance(line.get(key), int | float)]
        if values:
            table.add_row(name, f"{values[0]:{digits}}", sparkline(values, width), f"{values[-1]:{digits}}")
    return table


def _made_of(run: Mapping[str, Any]) -> list[str]:
    """Languages, amount of data, size."""
    told = []
    if data := run["data"]:
        languages = [language or "?" for language in data["languages"].values()]
        told += ["-".join(languages), f"{data['sets']['train']['pairs']:,} pairs"]
    if model := run["model"]:
        shape = model["shape"]
        told.append(f"{model['parameters']:,} parameters")
        told.append(f"{shape['encoder_layers']}+{shape['decoder_layers']} layers of {shape['dim']}")
    return told


def _trained(run: Mapping[str, Any]) -> str:
    """How long, and on what."""
    state = run["state"]
    told = []
    if "step" in state:
        told.append(f"{state['step']:,} updates in {duration(state['seconds'])}")
    if run["start"]:
        machine = run["start"][-1]
        processes = f", {machine['processes']} processes" if machine["processes"] > 1 else ""
        threads = counted(int(machine["threads"]), "thread")
        told.append(f"{machine['device']}, {threads}{processes}, {machine['precision']}")
    if scores := [(line["bleu"], line["step"]) for line in run["valid"] if isinstance(line.get("bleu"), float)]:
        best, step = max(scores)
        told.append(f"best validation BLEU {best:.2f} at step {step:,}")
    return "; ".join(told)


def _dropped(run: Mapping[str, Any]) -> str:
    """What cleaning dropped."""
    if not run["data"]:
        return ""
    train = run["data"]["sets"]["train"]
    rules = ", ".join(f"{count:,} {rule}" for rule, count in train["dropped"].items())
    return f"kept {train['pairs']:,} of {train['read']:,} pairs; dropped: {rules or 'none'}"


def _evaluated(run: Mapping[str, Any]) -> str:
    """How the scores of the test set came about."""
    evaluation = run["evaluation"]
    if not run["scores"]:
        return "no scores of a test set: nmt eval translates it"
    if evaluation is None:
        return "how the test set was translated is not known"
    search = evaluation["search"]
    by = "" if evaluation["of_this_model"] else ", by another model than the run has now: nmt eval translates it again"
    return f"translated with beam {search.get('beam')}, length penalty {search.get('length_penalty')}{by}"
