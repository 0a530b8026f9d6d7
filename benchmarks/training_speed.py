"""Compare the training throughput of nmt and Eole, alternating, on the same text with the same model and batch size.

    NMT_CORPORA=folder-with-multi30k python benchmarks/training_speed.py --size small --rounds 3

Requires an environment with nmt installed and an otherwise idle machine. The first run installs Eole into its own
virtual environment under --work. Each figure is source + target tokens/s without padding, as logged by the program
itself: the median over the log lines after --warm seconds. Both systems use bfloat16, dropout 0.1 and label smoothing
0.1. The last lines are the ratio of nmt's throughput to Eole's, and nmt's MFU of the matmul peak that torch reaches on
this machine (measured between rounds).
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import eole
import sentencepiece
import torch
from eole import Shape

SHAPES = {"small": Shape(256, 1024, 4, 3, 4096), "base": Shape(512, 2048, 8, 6, 4096)}
MEGAFLOP = {"small": 23.1, "base": 145.7}  # per token in training: 3 * 2 * the weights that it is multiplied by
VOCABULARY = 8000


def make_data(corpora: Path, work: Path) -> None:
    """Prepare Multi30k English-German with a joint vocabulary: nmt's run directory, and tokenized text for Eole."""
    if (work / "vocabulary.txt").exists():
        return
    files = [str(corpora / "multi30k" / "raw" / f"train.{language}") for language in ("en", "de")]
    run = str(work / "nmt")
    nmt("tokenizer", "train", *files, "--vocab-size", str(VOCABULARY), "--run", run)
    nmt("prepare", *files, "--no-clean", "--run", run)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(work / "nmt" / "tokenizer.model"))
    for file, side in zip(files, ("source", "target"), strict=True):
        eole.write_pieces(pieces, Path(file), work / f"train.{side}")
    eole.write_vocabulary(pieces, work / "vocabulary.txt")


def nmt(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "nmt", *arguments], check=True)


def nmt_options(size: str) -> dict[str, object]:
    """nmt's options for the same model and batch size as Eole."""
    shape = SHAPES[size]
    options: dict[str, object] = {
        "preset": size,
        "optimizer": "adam",
        "dim": shape.width,
        "feed-forward": shape.feed_forward,
    }
    options |= {"heads": shape.heads, "encoder-layers": shape.layers, "decoder-layers": shape.layers, "norm": "post"}
    return options | {"batch-tokens": shape.batch, "dropout": 0.1, "attention-dropout": 0.1, "precision": "bfloat16"}


def nmt_command(work: Path, size: str) -> tuple[list[str], Path]:
    """Command line that trains nmt in a run directory without checkpoints, and the path of its log."""
    run = work / "nmt"
    (run / "metrics.jsonl").unlink(missing_ok=True)
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    options = nmt_options(size) | {
        "log-every": 2,
        "steps": 1_000_000,
        "save-every": 1_000_000,
        "validate-every": 1_000_000,
    }
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    return [sys.executable, "-m", "nmt", "train", "--run", str(run), *flags], run / "metrics.jsonl"


def rates(log: Path, system: str) -> list[float]:
    """Source + target tokens/s of each log line."""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    if system == "eole":
        return [float(source) + float(target) for source, target in re.findall(r"(\d+)/ *(\d+) tok/s", text)]
    lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    return [line["tokens_per_second"] for line in lines if line["kind"] == "train"]


def measure(command: list[str], log: Path, system: str, warm: float, seconds: float) -> tuple[float, float]:
    """Train for `warm` + `seconds` seconds; return the median tokens/s after `warm` seconds and peak memory in MB."""
    with open(log.parent / f"{system}.out", "w", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    source = log if system == "nmt" else log.parent / f"{system}.out"
    begun = None
    while process.poll() is None:
        time.sleep(0.5)
        if begun is None and rates(source, system):
            begun = time.monotonic()
            count = len(rates(source, system))
        if begun is not None and time.monotonic() - begun < warm:
            count = len(rates(source, system))
        if begun is not None and time.monotonic() - begun > warm + seconds:
            break
    if process.poll() is not None:
        raise SystemExit(f"{system} ended by itself; see {log.parent / f'{system}.out'}")
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return statistics.median(rates(source, system)[count:]), int(peak[1]) / 1024 if peak else 0.0


def matrix_rate(size: str) -> float:
    """Measure the bfloat16 GFLOP/s of a batch's feed-forward matmul."""
    shape = SHAPES[size]
    x, weight = (
        torch.randn(shape.batch, shape.width).bfloat16(),
        torch.randn(shape.feed_forward, shape.width).bfloat16(),
    )
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        torch.nn.functional.linear(x, weight)
        times.append(time.perf_counter() - begin)
    return 2 * shape.batch * shape.width * shape.feed_forward / statistics.median(times) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(SHAPES), default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", type=float, default=20, help="warm-up seconds of each training that do not count")
    parser.add_argument("--seconds", type=float, default=60, help="measured seconds of each training")
    parser.add_argument("--work", type=Path, default=Path("training-speed"))
    given = parser.parse_args()
    given.work.mkdir(exist_ok=True)
    work = given.work.resolve()
    make_data(Path(os.environ["NMT_CORPORA"]), work)
    settings = eole.write_settings(work / "eole.yaml", SHAPES[given.size])
    theirs = eole.training(eole.environment(work), settings), work / "eole.log"
    found: dict[str, list[float]] = {"nmt": [], "eole": []}
    memory: dict[str, float] = {}
    matrix = []
    for number in range(given.rounds):
        matrix.append(matrix_rate(given.size))
        for system in found:
            command, log = nmt_command(work, given.size) if system == "nmt" else theirs
            rate, memory[system] = measure(command, log, system, given.warm, given.seconds)
            found[system].append(rate)
            print(f"round {number + 1} {system:5} {rate:8,.0f} tokens/s, peak {memory[system]:,.0f} MB", flush=True)
    for system, values in found.items():
        print(f"{system:5} median {statistics.median(values):,.0f} [{min(values):,.0f} to {max(values):,.0f}] tokens/s")
    ratios = [ours / theirs for ours, theirs in zip(found["nmt"], found["eole"], strict=True)]
    print(f"nmt / eole, {given.size}: {statistics.median(ratios):.2f} [{min(ratios):.2f} to {max(ratios):.2f}]")
    share = statistics.median(found["nmt"]) * MEGAFLOP[given.size] / 1000 / statistics.median(matrix)
    print(f"bfloat16 products {statistics.median(matrix):,.0f} GFLOP/s; nmt's model FLOPs are {share:.0%} of that")


if __name__ == "__main__":
    main()
