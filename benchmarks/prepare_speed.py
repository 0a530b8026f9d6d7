"""Compare throughput and memory of `nmt prepare` and SentencePiece's batched encoding on the same lines, alternating.

    python benchmarks/prepare_speed.py train.de train.en --pairs 500000 --rounds 3

The corpus is repeated up to --pairs pairs; a number at the end of each repeated line avoids duplicates. SentencePiece
reads both files and encodes them in large batches with --threads threads, and writes nothing; `nmt prepare` cleans,
encodes, drops duplicates and writes arrays. The script prints pairs/s of each whole program (median, slowest and
fastest), their ratio, and the peak memory of all its processes. With --train it also measures the time to the second
training step on that data.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from programs import run

SENTENCEPIECE = """
import sys, itertools, sentencepiece
model, threads, *files = sys.argv[1:]
processor = sentencepiece.SentencePieceProcessor(model_file=model)
for path in files:
    with open(path, encoding="utf-8", newline="\\n") as lines:
        while batch := list(itertools.islice(lines, 100_000)):
            processor.encode(batch, out_type=int, num_threads=int(threads))
"""


def perturbed(source: Path, target: Path, pairs: int) -> Iterator[tuple[str, str]]:
    """Repeat a corpus up to `pairs` distinct pairs."""
    both = list(zip(*(path.read_text("utf-8").split("\n")[:-1] for path in (source, target)), strict=True))
    for number, (left, right) in zip(range(pairs), itertools.cycle(both), strict=False):
        yield (left, right) if number < len(both) else (f"{left} {number}", f"{right} {number}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--pairs", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--alone", action="store_true", help="skip SentencePiece, for very large corpora")
    parser.add_argument("--train", action="store_true", help="also measure the start of training")
    parser.add_argument("--folder", type=Path, help="temporary folder with space for the corpus and the arrays")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        files, directory = [folder / "train.source", folder / "train.target"], folder / "run"
        with open(files[0], "w", encoding="utf-8") as left, open(files[1], "w", encoding="utf-8") as right:
            for one, other in perturbed(given.source, given.target, given.pairs):
                left.write(one + "\n")
                right.write(other + "\n")
        nmt = [sys.executable, "-m", "nmt"]
        train = ["tokenizer", "train", given.source, given.target, "--vocab-size", "16000", "--run", directory]
        subprocess.run([*nmt, *map(str, train)], check=True, stderr=subprocess.DEVNULL)
        sides: dict[str, list[object]] = {
            "sentencepiece": [
                sys.executable,
                "-c",
                SENTENCEPIECE,
                directory / "tokenizer.model",
                given.threads,
                *files,
            ],
            "nmt prepare": [*nmt, "prepare", *files, "--run", directory],
        }
        if given.alone:
            del sides["sentencepiece"]
        found: dict[str, list[tuple[float, int]]] = {side: [] for side in sides}
        for _ in range(given.rounds):
            for side, command in sides.items():
                found[side].append(run(command)[1:])
        base = statistics.median(taken for taken, _ in found["sentencepiece"]) if not given.alone else 0.0
        for side, results in found.items():
            rates = sorted(given.pairs / taken for taken, _ in results)
            memory = max(peak for _, peak in results) / 1e6
            middle = statistics.median(rates)
            print(
                f"{side:14} {middle:9,.0f} [{rates[0]:,.0f} to {rates[-1]:,.0f}] pairs/s  {memory:5,.0f} MB  "
                + (f"{middle * base / given.pairs:.2f}" if base else f"{given.pairs / middle:,.0f} s"),
                flush=True,
            )
        if given.train:
            settings = [
                "--preset",
                "tiny",
                "--steps",
                "2",
                "--batch-tokens",
                "1024",
                "--log-every",
                "1",
                "--average",
                "1",
                "--quiet",
                "--run",
            ]
            taken, peak = run([*nmt, "train", *settings, directory])[1:]
            print(f"two updates of nmt train after {taken:.1f} s, {peak / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
