"""BLEU of nmt and of Eole after the same number of updates on the same text: faster must not mean worse.

    NMT_CORPORA=folder-with-multi30k python benchmarks/training_quality.py --updates 600

Both train the small model of training_speed.py in bfloat16 on batches of about 4,096 tokens, with layer normalisation
before each sub-layer (as Eole does unless told otherwise), the same dropout, label smoothing, Adam and learning rate
(2e-3 after 400 updates, then the inverse square root), and translate Multi30k's test_2016_flickr with a beam of 5.
sacrebleu scores both: raw text, cased, 13a. --system runs one of the two alone.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import sacrebleu
import sentencepiece
from training_speed import SHAPES, eole_environment, eole_settings, make_data, nmt, nmt_options, write_pieces

SIZE, PEAK, WARMUP = "small", 2e-3, 400


def train_nmt(work: Path, updates: int, source: Path) -> list[str]:
    """Translations of the test set by nmt."""
    limits = {"steps": updates, "save-every": updates, "validate-every": updates, "average": 1}
    options = nmt_options(SIZE) | limits | {"peak-rate": PEAK, "warmup": WARMUP, "schedule": "inverse-sqrt"}
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


def write_eole_settings(path: Path, **changes: object) -> Path:
    """Eole's settings for the folder that `path` lies in, with nmt's learning rate and with these changes."""
    text = eole_settings(path.parent, SIZE)
    factor = PEAK * (SHAPES[SIZE][0] * WARMUP) ** 0.5  # of its schedule, factor * (width * step)^-0.5 after the warm-up
    changes = {"learning_rate": f"{factor:.4f}", "warmup_steps": WARMUP, "report_every": 50, **changes}
    for key, value in changes.items():
        text = re.sub(rf"\b{key}: [^,\n]+", f"{key}: {value}", text)
    path.write_text("\n".join(line.removeprefix("        ") for line in text.splitlines()), encoding="utf-8")
    return path


def train_eole(work: Path, updates: int, source: Path) -> list[str]:
    """Translations of the test set by Eole."""
    program = eole_environment(work)
    settings = write_eole_settings(work / "eole-quality.yaml", train_steps=updates, save_checkpoint_steps=updates)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(work / "nmt" / "tokenizer.model"))
    write_pieces(pieces, source, work / "test.pieces")
    with open(work / "eole-quality.out", "w", encoding="utf-8") as output:
        subprocess.run([program, "train", "-c", settings], stdout=output, stderr=subprocess.STDOUT, check=True)
        files = ["-src", work / "test.pieces", "-output", work / "eole.pieces", "-model_path", work / "eole-model"]
        options = ["-beam_size", "5", "-batch_size", "32", "-gpu_ranks", "-1"]
        subprocess.run([program, "predict", *files, *options], stdout=output, stderr=subprocess.STDOUT, check=True)
    found = (work / "eole.pieces").read_text(encoding="utf-8").split("\n")[:-1]
    return [pieces.decode(line.split()) for line in found]


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
