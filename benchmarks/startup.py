"""Measure the start-up time and memory of `nmt train` for any number of sentence pairs.

    python benchmarks/startup.py --pairs 100000 10000000

Prepares the embedded corpus, repeats its arrays up to --pairs pairs, and trains a tiny model. The time is from program
start to the first logged step. Memory is the peak private memory of the process, without memory-mapped files,
whose pages the system may drop at any time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from nmt.data.token_store import ArrayWriter

CORPUS = Path(__file__).parents[1] / "data"
TINY = "--preset tiny --batch-tokens 1024 --log-every 1 --save-every 100 --validate-every 100 --average 1"


def nmt(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "nmt", *map(str, arguments), "--quiet"], check=True)


def repeat(data: Path, pairs: int) -> None:
    """Repeat the training set of a data directory up to `pairs` pairs."""
    described = json.loads((data / "data.json").read_text(encoding="utf-8"))
    times = -(-pairs // described["sets"]["train"]["pairs"])
    for side in ("source", "target"):
        ids, offsets = (np.load(data / "train" / f"{side}.{part}.npy") for part in ("ids", "offsets"))
        writers = [
            ArrayWriter(data / "train" / f"{side}.{name}.npy", one.dtype)
            for name, one in (("ids", ids), ("offsets", offsets))
        ]
        writers[1].append([0])
        for number in range(times):
            writers[0].append(ids)
            writers[1].append(offsets[1:] + number * len(ids))
        for writer in writers:
            writer.close()
    described["sets"]["train"]["pairs"] *= times
    (data / "data.json").write_text(json.dumps(described), encoding="utf-8")


def private_memory(process: "subprocess.Popen[bytes]") -> float:
    """Current private memory of a process in MB."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(status.split("RssAnon:")[1].split()[0]) / 1024 if "RssAnon:" in status else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[100_000, 10_000_000])
    given = parser.parse_args()
    for pairs in given.pairs:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            nmt("tokenizer", "train", CORPUS / "train.ko", CORPUS / "train.en", "--vocab-size", 2000, "--run", run)
            nmt("prepare", CORPUS / "train.ko", CORPUS / "train.en", "--run", run)
            repeat(run / "data", pairs)
            command = [sys.executable, "-m", "nmt", "train", "--run", run, "--steps", "1000", *TINY.split()]
            begin, peak, log = time.monotonic(), 0.0, run / "metrics.jsonl"
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            while process.poll() is None and not (log.exists() and '"train"' in log.read_text("utf-8")):
                time.sleep(0.02)
            seconds = time.monotonic() - begin
            while process.poll() is None and time.monotonic() - begin < seconds + 5:
                peak = max(peak, private_memory(process))
                time.sleep(0.1)
            process.kill()
            process.wait()
            print(f"{pairs:12,} pairs: first step after {seconds:.1f} s, {peak:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
