"""BLEU and chrF on software documentation: what `--preset auto` makes of it, beside Eole, in the same minutes.

    NMT_CORPORA=folder-with-softdoc python benchmarks/software_documentation.py --minutes 15 de-en en-de ko-en en-ko

Both train at the same time, each on one core of its own, with the vocabulary that `nmt tokenizer train` chooses; the
cores change hands from one direction to the next. nmt has no option but --minutes, and its minutes include averaging.
Eole is at work until the time is up and translates with its last checkpoint, at most 50 updates older; it trains the
small model of training_speed.py with a rate of 2e-3 after 400 updates, then the inverse square root (its own warm-up
of thousands of updates would be longer than the training). `nmt eval` scores both, on 1,500 sentences, beam 5.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import sentencepiece
from training_quality import write_eole_settings
from training_speed import eole_environment, nmt, write_pieces, write_vocabulary

EVERY = 50
"""Updates between Eole's checkpoints."""

CLOSING = 0.75
"""Minutes that nmt takes beside training: to look at its pace, and for the average of its checkpoints."""


def prepare(corpus: Path, source: str, target: str, work: Path) -> None:
    """One direction as nmt's run and as pieces for Eole, of the same pairs and the same vocabulary."""
    run = work / "nmt"
    files = {part: [str(corpus / f"{part}.{language}") for language in (source, target)] for part in PARTS}
    nmt("tokenizer", "train", *files["train"], "--run", str(run))
    nmt(
        "prepare",
        *files["train"],
        "--valid",
        *files["valid"],
        "--test",
        *files["test"],
        "--no-clean",
        "--run",
        str(run),
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(run / "tokenizer.model"))
    for part in ("train", "test"):
        for file, side in zip(files[part], ("source", "target"), strict=True):
            write_pieces(pieces, Path(file), work / f"{part}.{side}")
    write_vocabulary(pieces, work / "vocabulary.txt")


PARTS = ("train", "valid", "test")


def start(command: list[object], core: int, log: Path, output: Path | None = None) -> subprocess.Popen[bytes]:
    """A program with one thread on one core; what it prints goes to the log, or its stdout to `output`."""
    with open(log, "wb") as messages, open(output or log, "ab") as printed:
        return subprocess.Popen(
            ["taskset", "-c", str(core), *map(str, command)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=printed,
            stderr=messages,
        )


def eole_training(work: Path, program: Path) -> list[object]:
    """How Eole is started."""
    size = len((work / "vocabulary.txt").read_text(encoding="utf-8").splitlines()) + 200
    sizes = {"src_vocab_size": size, "tgt_vocab_size": size}
    settings = write_eole_settings(work / "eole.yaml", save_checkpoint_steps=EVERY, **sizes)
    return [program, "train", "-c", settings]


def eole_translation(work: Path, program: Path) -> list[object]:
    """How Eole translates."""
    files = ["-src", work / "test.source", "-output", work / "eole.pieces", "-model_path", work / "eole-model"]
    return [program, "predict", *files, "-beam_size", "5", "-batch_size", "32", "-gpu_ranks", "-1"]


def measure(direction: str, minutes: float, first_core: int, corpora: Path, work: Path, eole: Path) -> None:
    source, target = direction.split("-")
    corpus = next(path for path in ((corpora / name) for name in (direction, f"{target}-{source}")) if path.exists())
    work.mkdir()
    prepare(corpus, source, target, work)
    run = work / "nmt"
    begin = time.time()
    training = [sys.executable, "-m", "nmt", "train", "--run", run, "--threads", 1]
    ours = start([*training, "--minutes", minutes - CLOSING], first_core, work / "nmt.log")
    theirs = start(eole_training(work, eole), 1 - first_core, work / "eole.log")
    try:
        theirs.wait(60 * minutes)
    except subprocess.TimeoutExpired:
        theirs.kill()
        theirs.wait()
    else:
        raise SystemExit(f"Eole ended by itself; see {work / 'eole.log'}")
    if ours.wait():
        raise SystemExit(f"nmt failed; see {work / 'nmt.log'}")
    files = [work / "nmt.txt", work / "eole.txt"]
    translating = [sys.executable, "-m", "nmt", "translate", "--run", run, "--beam", 5, "--threads", 1]
    translation = start([*translating, corpus / f"test.{source}"], first_core, work / "nmt2.log", files[0])
    if start(eole_translation(work, eole), 1 - first_core, work / "eole2.log").wait() or translation.wait():
        raise SystemExit(f"translating failed; see {work}/*2.log")
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(run / "tokenizer.model"))
    found = (work / "eole.pieces").read_text(encoding="utf-8").split("\n")[:-1]
    files[1].write_text("".join(pieces.decode(line.split()) + "\n" for line in found), encoding="utf-8")
    updates = re.findall(r"Step (\d+)/", (work / "eole.log").read_text(encoding="utf-8"))[-1]
    took = ((run / "model" / "config.json").stat().st_mtime - begin) / 60
    print(f"{direction}: nmt's model after {took:.1f} of {minutes:g} minutes; Eole after {updates} updates", flush=True)
    scoring = ["--target-language", target, "--metric", "bleu", "--metric", "chrf", "--significance", "bootstrap"]
    nmt("eval", *map(str, files), "--reference", str(corpus / f"test.{target}"), *scoring)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directions", nargs="+", help="such as de-en")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--work", type=Path, default=Path("software-documentation"))
    given = parser.parse_args()
    given.work.mkdir(exist_ok=True)
    work = given.work.resolve()
    eole = eole_environment(work)
    for number, direction in enumerate(given.directions):
        shutil.rmtree(work / direction, ignore_errors=True)
        measure(
            direction, given.minutes, number % 2, Path(os.environ["NMT_CORPORA"]) / "softdoc", work / direction, eole
        )


if __name__ == "__main__":
    main()
