"""Compare BLEU of nmt and Eole after the same number of steps on the same text: speed must not cost quality.

    NMT_CORPORA=folder-with-multi30k python benchmarks/training_quality.py --updates 600

Both train the small model of training_speed.py in bfloat16 on batches of about 4,096 tokens, with pre-norm layers
(Eole's default) and the same dropout, label smoothing, Adam and learning rate schedule (peak 2e-3 after 400 warm-up
steps, then inverse square root decay), and translate Multi30k's test_2016_flickr with a beam size of 5. sacrebleu
scores both: raw text, cased, 13a. --system runs only one of the two.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import eole
import sacrebleu
import sentencepiece
from training_speed import SHAPES, make_data, nmt, nmt_options

SIZE, PEAK, WARMUP = "small", 2e-3, 400


def train_nmt(work: Path, updates: int, source: Path) -> list[str]:
    """Train nmt and return its translations of the test set."""
    limits = {"steps": updates, "save-every": updates, "validate-every": updates, "average": 1}
    options = nmt_options(SIZE) | limits | {"learning-rate": PEAK, "warmup": WARMUP, "schedule": "inverse-sqrt"}
    options["norm"] = "pre"
    run = work / "nmt"
    nmt(
        "train",
        "--run",
        str(run),
        "--quiet",
        *(part for key, one in options.items() for part in (f"--{key}", str(one))),
    )
    with open(source, "rb") as text, open(work / "nmt.txt", "wb") as output:
        command = [sys.executable, "-m", "nmt", "translate", "--run", str(run), "--beam", "5"]
        subprocess.run(command, stdin=text, stdout=output, check=True)
    return (work / "nmt.txt").read_text(encoding="utf-8").split("\n")[:-1]


def train_eole(work: Path, updates: int, source: Path) -> list[str]:
    """Train Eole and return its translations of the test set."""
    program, shape = eole.environment(work), SHAPES[SIZE]
    rate = {"learning_rate": eole.noam_factor(PEAK, shape, WARMUP), "warmup_steps": WARMUP}
    limits = {"train_steps": updates, "save_checkpoint_steps": updates}
    settings = eole.write_settings(work / "eole-quality.yaml", shape, **rate, **limits)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(work / "nmt" / "tokenizer.model"))
    eole.write_pieces(pieces, source, work / "test.pieces")
    with open(work / "eole-quality.out", "w", encoding="utf-8") as output:
        translating = eole.translating(program, work, work / "test.pieces", work / "eole.pieces")
        for command in (eole.training(program, settings), translating):
            subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=True)
    return eole.read_pieces(pieces, work / "eole.pieces")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--updates", type=int, default=600)
    parser.add_argument("--system", choices=("nmt", "eole", "both"), default="both")
    parser.add_argument("--work", type=Path, default=Path("training-quality"))
    given = parser.parse_args()
    given.work.mkdir(exist_ok=True)
    work, raw = given.work.resolve(), Path(os.environ["NMT_CORPORA"]) / "multi30k" / "raw"
    make_data(raw.parent.parent, work)
    references = (raw / "test_2016_flickr.de").read_text(encoding="utf-8").split("\n")[:-1]
    systems = {"nmt": train_nmt, "eole": train_eole}
    for name, train in systems.items():
        if given.system not in (name, "both"):
            continue
        found = train(work, given.updates, raw / "test_2016_flickr.en")
        metric = sacrebleu.BLEU()
        score = metric.corpus_score(found, [references])
        print(f"{name:5} after {given.updates} updates: {score.score:.2f} BLEU  {metric.get_signature()}", flush=True)


if __name__ == "__main__":
    main()
