"""Runs in short: a line for each thing that changed in training, with a curve as high as a letter."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

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
_CERTAIN = 0.05


def draw_runs(runs: Sequence[Mapping[str, Any]], console: Console | None = None) -> None:
    """Draw runs one below the other."""
    console = console or Console(highlight=False)
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
            console.print(Text(f"  test  {score['name']:6} {score['value']:6.2f}{spread}{_chance(score, runs[0])}"))


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
        told.append(f"{machine['device']}, {machine['threads']} threads{processes}, {machine['precision']}")
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
    return f"kept {train['pairs']:,} of {train['read']:,} pairs; dropped: {rules}" if rules else ""


def _chance(score: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    if score["p_value"] is None:
        return ""
    certain = "*" if score["p_value"] < _CERTAIN else ""
    return f"  p {score['p_value']:.4f}{certain} of being no other than {first['name']}"
