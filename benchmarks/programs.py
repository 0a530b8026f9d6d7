"""Run a program for a benchmark and record its output, time and peak memory (Linux)."""

import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Outcome(NamedTuple):
    """Result of a program."""

    output: str
    seconds: float
    peak: int  # bytes, children included; shared memory counts once


def run(command: Sequence[object]) -> Outcome:
    """Run a program with one thread per process; raise SystemExit with its messages if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    start, peak, done = time.perf_counter(), 0, threading.Event()
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process = subprocess.Popen(list(map(str, command)), env=environment, text=True, **pipes)

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.2):
            peak = max(peak, _memory_of(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, messages = process.communicate()
    taken = time.perf_counter() - start
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(messages)
    return Outcome(output, taken, peak)


def _memory_of(process: int) -> int:
    """Proportional set size of a process and its children."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        own = next(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except (OSError, StopIteration):
        return 0
    return own + sum(_memory_of(int(child)) for child in children)
