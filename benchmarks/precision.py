"""Compare loss curves of the small model in bfloat16 and float32 with the effect of another random seed.

    NMT_CORPORA=folder-with-multi30k python benchmarks/precision.py --steps 1000

Trains three times on the same data: bfloat16, float32 with the same seed, bfloat16 with another seed. Prints the
training loss, averaged over each tenth of the steps, and the final validation loss.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

RUNS = {"bfloat16": ("bfloat16", 1), "float32": ("float32", 1), "bfloat16, seed 2": ("bfloat16", 2)}
SETTINGS = (
    "--preset small --norm post --optimizer adam --learning-rate 2e-3 --batch-tokens 1024 --attention-dropout 0.1 "
    "--warmup 200 --log-every 10 --average 1"
)


def nmt(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "nmt", *arguments, "--quiet"], check=True)


def prepare(raw: Path, run: Path) -> None:
    """Prepare Multi30k English-German with a joint vocabulary and the first 200 validation pairs."""
    run.mkdir(parents=True, exist_ok=True)
    for language in ("en", "de"):
        lines = (raw / f"val.{language}").read_text(encoding="utf-8").split("\n")[:200]
        (run / f"valid.{language}").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    train = [str(raw / f"train.{language}") for language in ("en", "de")]
    valid = [str(run / f"valid.{language}") for language in ("en", "de")]
    nmt("tokenizer", "train", *train, "--vocab-size", "8000", "--run", str(run))
    nmt("prepare", *train, "--valid", *valid, "--run", str(run))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--work", type=Path, default=Path("precision"))
    given = parser.parse_args()
    curves, valid = {}, {}
    for name, (precision, seed) in RUNS.items():
        run = given.work / f"{precision}-{seed}"
        prepare(Path(os.environ["NMT_CORPORA"]) / "multi30k" / "raw", run)
        options = ["--precision", precision, "--seed", str(seed), "--steps", str(given.steps)]
        every = [f"--{what}-every={given.steps}" for what in ("save", "validate")]
        nmt("train", *SETTINGS.split(), *options, *every, "--run", str(run))
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        losses = [line["loss"] for line in lines if line["kind"] == "train"]
        tenth = max(1, len(losses) // 10)
        curves[name] = [statistics.mean(losses[i : i + tenth]) for i in range(0, len(losses), tenth)]
        valid[name] = next(line["loss"] for line in lines if line["kind"] == "valid")
    print("up to step", *(f"{name:>17}" for name in RUNS), "  - float32   - seed 2", sep="  ")
    for number, (own, exact, other) in enumerate(zip(*curves.values(), strict=True), start=1):
        differences = f"{own - exact:+11.4f} {own - other:+10.4f}"
        print(f"{number * given.steps // 10:10}  {own:17.4f}  {exact:17.4f}  {other:17.4f}  {differences}")
    print("validation", *(f"{loss:17.4f}" for loss in valid.values()), sep="  ")


if __name__ == "__main__":
    main()
