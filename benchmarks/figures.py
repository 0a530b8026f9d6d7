"""Plot the figures of docs/paper.md with matplotlib, from the code and from committed measurements.

pip install matplotlib && python benchmarks/figures.py
"""

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from nmt.config.training import TrainingConfig
from nmt.model.positions import sinusoidal_positions
from nmt.training.schedule import learning_rate

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"


def positions() -> None:
    """Plot the positional encodings as a heat map, and some dimensions as curves."""
    encoding = sinusoidal_positions(100, 128)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(2, 3))
    left.imshow(encoding, aspect="auto", cmap="RdBu", interpolation="nearest")
    left.set(xlabel="dimension", ylabel="position")
    for dimension in (0, 16, 32, 64):
        right.plot(encoding[:, dimension], label=f"dimension {dimension}")
    right.set(xlabel="position")
    right.legend(fontsize=8, loc="upper right")
    save(figure, "positions")


def warmup() -> None:
    """Plot the learning rate of equation 3 for two model widths and two warm-up lengths."""
    figure, axes = plt.subplots(figsize=(6, 3.2))
    steps = range(1, 20_001, 20)
    for width, updates in ((512, 4000), (512, 8000), (256, 4000)):
        config = TrainingConfig(learning_rate=(width * updates) ** -0.5, warmup=updates)
        axes.plot(steps, [learning_rate(step, config) for step in steps], label=f"d {width}, warm-up {updates:,}")
    axes.set(xlabel="update", ylabel="learning rate")
    axes.legend(fontsize=8)
    save(figure, "warmup")


def layer_complexity() -> None:
    """Plot the times of benchmarks/layer_complexity.py and table 1 on log-log axes: a power law is a straight line."""
    text = (ROOT / "benchmarks" / "results" / "layer-complexity.txt").read_text("utf-8")
    found = re.findall(r"^(\S.*?) {2,}(O\(.*?\)).*?theory (\d)\) and .*?theory (\d)\)\n(.*)\n(.*)$", text, re.MULTILINE)
    figure, both = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True)
    for axes in both:
        axes.set(xscale="log", yscale="log")
    for name, order, *powers, by_length, by_width in found:
        for axes, line, power in zip(both, (by_length, by_width), powers, strict=True):
            pairs = re.findall(r"=(\d+): ([\d.]+) ms", line)
            sizes, times = [int(size) for size, _ in pairs], [float(time) for _, time in pairs]
            points = axes.plot(sizes, times, "o", label=f"{name}: {order}")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
            axes.minorticks_off()
            theory = [times[0] * (size / sizes[0]) ** int(power) for size in sizes]
            axes.plot(sizes, theory, "--", linewidth=1, color=points[0].get_color())
    for axes, label in zip(both, ("length n (d 512)", "width d (n 1,024)"), strict=True):
        axes.set(xlabel=label)
    both[0].set(ylabel="milliseconds")
    both[0].legend(fontsize=7)
    save(figure, "layer-complexity")


def save(figure: plt.Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(IMAGES / f"{name}.png", dpi=100)


if __name__ == "__main__":
    for draw in (positions, warmup, layer_complexity):
        draw()
