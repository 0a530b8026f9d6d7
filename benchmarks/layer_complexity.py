"""Measure the paper's table 1: how the time of a layer grows with the sequence length n and the width d.

    python benchmarks/layer_complexity.py

Four layers map a sequence of n vectors to another: self-attention (only the two products of equation 1, one head),
self-attention in a window of r positions, a recurrent layer (only the recurrence, step by step), and a convolution of
width k. Each is timed on one thread for several n at fixed d, and for several d at fixed n; the exponents are the
slopes of linear fits in log-log space. Theory is table 1: O(n^2 d), O(r n d), O(n d^2), O(k n d^2).
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, KERNEL = 32, 3


def self_attention(n: int, d: int) -> Callable[[], Tensor]:
    query, key, value = torch.randn(3, n, d)
    return lambda: (query @ key.T).mul_(d**-0.5).softmax(-1) @ value


def windowed_attention(n: int, d: int) -> Callable[[], Tensor]:
    """Let each block of r positions attend to itself and to the previous block."""
    blocks = n // WINDOW
    query, key, value = torch.randn(3, blocks, WINDOW, d)
    keys, values = (torch.cat([one.roll(1, 0), one], dim=1) for one in (key, value))
    return lambda: (query @ keys.transpose(1, 2)).mul_(d**-0.5).softmax(-1) @ values


def recurrent(n: int, d: int) -> Callable[[], Tensor]:
    inputs, weight = torch.randn(n, d), torch.randn(d, d) / d**0.5

    def run() -> Tensor:
        state = torch.zeros(d)
        for one in inputs:
            state = torch.tanh(one + weight @ state)
        return state

    return run


def convolution(n: int, d: int) -> Callable[[], Tensor]:
    inputs, weight = torch.randn(1, d, n), torch.randn(d, d, KERNEL)
    return lambda: F.conv1d(inputs, weight, padding=KERNEL // 2)


LAYERS = {
    "self-attention": (self_attention, "n^2 d", (2, 1)),
    f"self-attention, r = {WINDOW}": (windowed_attention, "r n d", (1, 1)),
    "recurrent": (recurrent, "n d^2", (1, 2)),
    f"convolution, k = {KERNEL}": (convolution, "k n d^2", (1, 2)),
}


def seconds(run: Callable[[], Tensor]) -> float:
    """Median time of a layer over at least five runs and half a second."""
    run()
    taken: list[float] = []
    while len(taken) < 5 or sum(taken) < 0.5:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def slope(sizes: list[int], times: list[float]) -> float:
    """Exponent of growth: least-squares fit in log-log space."""
    x, y = [math.log(size) for size in sizes], [math.log(one) for one in times]
    mean_x, mean_y = statistics.mean(x), statistics.mean(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048, 4096])
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 512, 1024, 2048])
    parser.add_argument("--length", type=int, default=1024, help="fixed n while d grows")
    parser.add_argument("--width", type=int, default=512, help="fixed d while n grows")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        for name, (layer, theory, expected) in LAYERS.items():
            over_n = [seconds(layer(n, given.width)) for n in given.lengths]
            over_d = [seconds(layer(given.length, d)) for d in given.widths]
            print(
                f"{name:24} O({theory}): time grows with n^{slope(given.lengths, over_n):.2f} (theory {expected[0]}) "
                f"and d^{slope(given.widths, over_d):.2f} (theory {expected[1]})"
            )
            for what, sizes, times in (("n", given.lengths, over_n), ("d", given.widths, over_d)):
                print(
                    "    "
                    + "  ".join(f"{what}={size}: {1e3 * one:.2f} ms" for size, one in zip(sizes, times, strict=True))
                )


if __name__ == "__main__":
    main()
