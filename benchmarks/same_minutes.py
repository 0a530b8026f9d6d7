"""Compare BLEU and chrF of `nmt train --minutes` and Eole after the same training time.

    NMT_CORPORA=folder-with-corpora python benchmarks/same_minutes.py --minutes 15 softdoc/ko-en multi30k/en-de

Both train at the same time, each on its own core, with the vocabulary that `nmt tokenizer train` chooses; they swap
cores after each direction. nmt gets no option but --minutes, which here includes its speed measurement and checkpoint
averaging. Eole trains a model of the shape and batch size that nmt chose by the number of pairs (nmt may double its own
batch size later; results/same-minutes.txt says so where it did), with Adam, a peak learning rate of 2e-3, the same
warm-up and inverse square root decay. Eole trains until the time is up and translates with its last checkpoint, at most
50 steps older. Both use a beam size of 5, and `nmt eval` scores them (Korean requires `pip install 'sacrebleu[ko]'`).
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from functools import cached_property
from pathlib import Path

import eole
import sentencepiece
from training_speed import nmt

from nmt.config.presets import auto_preset
from nmt.data.description import read_description

EVERY, PEAK = 50, 2e-3
"""Steps between Eole's checkpoints, and its peak learning rate."""

CLOSING = 0.75
"""Minutes that nmt needs besides training: for its speed measurement and checkpoint averaging."""

PARTS = {
    "softdoc": ("train", "valid", "test"),
    "multi30k": ("train", "val", "test_2016_flickr"),
}
"""Training, validation and test files of each corpus."""


class Task:
    """A translation direction of a corpus, and the working folder of both systems."""

    def __init__(self, name: str, corpora: Path, work: Path) -> None:
        corpus, direction = name.split("/")
        self.name, self.languages, self.work = name, direction.split("-"), work / name.replace("/", "-")
        folders = (corpora / corpus / folder for folder in (direction, "-".join(self.languages[::-1]), "raw"))
        folder = next(path for path in folders if path.exists())
        self.train, self.valid, self.test = (
            [str(folder / f"{part}.{language}") for language in self.languages] for part in PARTS[corpus]
        )
        self.run = self.work / "nmt"

    def prepare(self) -> None:
        """Prepare nmt's run directory and tokenized text for Eole, with the same pairs and vocabulary."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        nmt("tokenizer", "train", *self.train, "--run", str(self.run))
        sets = [*self.train, "--valid", *self.valid, "--test", *self.test]
        nmt("prepare", *sets, "--no-clean", "--run", str(self.run))
        for name, files in (("train", self.train), ("test", self.test)):
            for file, side in zip(files, ("source", "target"), strict=True):
                eole.write_pieces(self.pieces, Path(file), self.work / f"{name}.{side}")
        eole.write_vocabulary(self.pieces, self.work / "vocabulary.txt")

    @cached_property
    def pieces(self) -> sentencepiece.SentencePieceProcessor:
        return sentencepiece.SentencePieceProcessor(model_file=str(self.run / "tokenizer.model"))

    def eole_settings(self) -> Path:
        """Write Eole's settings with the model shape, batch size and warm-up that nmt chooses for this corpus."""
        pairs = read_description(self.run / "data")["sets"]["train"]["pairs"]
        chosen, _ = auto_preset(pairs, gpu=False)
        sizes = (int(str(chosen[key])) for key in ("dim", "feed_forward", "heads", "encoder_layers", "batch_tokens"))
        shape, warmup = eole.Shape(*sizes), int(str(chosen["warmup"]))
        rate = {"learning_rate": eole.noam_factor(PEAK, shape, warmup), "warmup_steps": warmup}
        return eole.write_settings(self.work / "eole.yaml", shape, **rate, save_checkpoint_steps=EVERY)

    def measure(self, minutes: float, first_core: int, program: Path) -> None:
        """Train, translate and score with both systems."""
        begin = time.time()
        ours = self.nmt(first_core, "train", "--minutes", minutes - CLOSING)
        theirs = self.start("eole", 1 - first_core, eole.training(program, self.eole_settings()))
        try:
            theirs.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            theirs.kill()
            theirs.wait()
        else:
            raise SystemExit(f"Eole ended by itself; see {self.work / 'eole.log'}")
        if ours.wait():
            raise SystemExit(f"nmt failed; see {self.work / 'nmt.log'}")
        took = ((self.run / "model" / "config.json").stat().st_mtime - begin) / 60
        last = int(re.findall(r"Step (\d+)/", (self.work / "eole.log").read_text(encoding="utf-8"))[-1])
        updates = last // EVERY * EVERY  # of the latest checkpoint
        files = [self.work / "nmt.txt", self.work / "eole.txt"]
        ours = self.nmt(first_core, "translate", "--beam", 5, self.test[0], output=files[0])
        found = self.work / "eole.pieces"
        command = eole.translating(program, self.work, self.work / "test.source", found)
        if self.start("eole-translate", 1 - first_core, command).wait() or ours.wait():
            raise SystemExit(f"translating failed; see {self.work}/*-translate.log")
        files[1].write_text("".join(line + "\n" for line in eole.read_pieces(self.pieces, found)), encoding="utf-8")
        scoring = ["--target-language", self.languages[1], "--metric", "bleu", "--metric", "chrf"]
        print(
            f"{self.name}: nmt's model after {took:.1f} of {minutes:g} minutes; Eole after {updates} updates",
            flush=True,
        )
        nmt("eval", *map(str, files), "--reference", self.test[1], *scoring, "--significance", "bootstrap")

    def nmt(self, core: int, command: str, *options: object, output: Path | None = None) -> subprocess.Popen[bytes]:
        whole = [sys.executable, "-m", "nmt", command, "--run", self.run, "--threads", 1, *options]
        return self.start("nmt" if command == "train" else f"nmt-{command}", core, whole, output)

    def start(
        self, name: str, core: int, command: list[object] | list[str], output: Path | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program with one thread on one core; its output goes to a log, stdout to `output` if given."""
        log = self.work / f"{name}.log"
        with open(log, "wb") as messages, open(output or log, "ab") as printed:
            return subprocess.Popen(
                ["taskset", "-c", str(core), *map(str, command)],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdout=printed,
                stderr=messages,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="+", help="corpus and direction, such as softdoc/de-en")
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--work", type=Path, default=Path("same-minutes"))
    given = parser.parse_args()
    given.work.mkdir(exist_ok=True)
    program = eole.environment(given.work.resolve())
    for number, name in enumerate(given.tasks):
        task = Task(name, Path(os.environ["NMT_CORPORA"]), given.work.resolve())
        task.prepare()
        task.measure(given.minutes, number % 2, program)


if __name__ == "__main__":
    main()
