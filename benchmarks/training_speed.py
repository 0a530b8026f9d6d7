"""Training speed of nmt beside Eole's, in turn on the same text, with the same model and batches.

    NMT_CORPORA=folder-with-multi30k python benchmarks/training_speed.py --size small --rounds 3

Run it in an environment with nmt installed and on a machine with nothing else to do. Eole is installed into a virtual
environment of its own under --work on the first run. Each figure is source + target tokens a second without padding,
as the program's own log counts them, the median over the log lines of a window that begins after --warm seconds; both
sides run in bfloat16 with dropout 0.1 and label smoothing 0.1. The last lines are nmt's median divided by Eole's, and
the share of the matrix rate that torch reaches on this machine (measured here, between the rounds).
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
import venv
from pathlib import Path

import sentencepiece
import torch

SHAPES = {"small": (256, 1024, 4, 3), "base": (512, 2048, 8, 6)}  # width, feed-forward width, heads, layers of a side
MEGAFLOP = {"small": 23.1, "base": 145.7}  # of a token in training: 3 * 2 * weights that it is multiplied with
VOCABULARY, BATCH = 8000, 4096
EOLE = "eole==0.6.4"


def make_data(corpora: Path, work: Path) -> None:
    """Multi30k English-German with a joint vocabulary, in nmt's run and as pieces for Eole."""
    if (work / "vocabulary.txt").exists():
        return
    files = [str(corpora / "multi30k" / "raw" / f"train.{language}") for language in ("en", "de")]
    run = str(work / "nmt")
    nmt("tokenizer", "train", *files, "--vocab-size", str(VOCABULARY), "--run", run)
    nmt("prepare", *files, "--no-clean", "--run", run)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(work / "nmt" / "tokenizer.model"))
    for file, side in zip(files, ("source", "target"), strict=True):
        write_pieces(pieces, Path(file), work / f"train.{side}")
    write_vocabulary(pieces, work / "vocabulary.txt")


def write_pieces(pieces: sentencepiece.SentencePieceProcessor, text: Path, output: Path) -> None:
    """The lines of a text cut into pieces, as Eole reads them."""
    rows = pieces.encode(text.read_text(encoding="utf-8").split("\n")[:-1], out_type=str)
    output.write_text("".join(" ".join(row) + "\n" for row in rows), encoding="utf-8")


def write_vocabulary(pieces: sentencepiece.SentencePieceProcessor, output: Path) -> None:
    """The pieces that were learnt, as Eole reads them."""
    learnt = [pieces.id_to_piece(i) for i in range(4, len(pieces))]
    counts = (f"{piece}\t{len(learnt) - i}\n" for i, piece in enumerate(learnt))
    output.write_text("".join(counts), encoding="utf-8")


def nmt(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "nmt", *arguments], check=True)


def eole_environment(work: Path) -> Path:
    """The program of Eole, installed where it is not yet, with the torch that nmt runs on."""
    home = work / "eole"
    if not (home / "bin" / "eole").exists():
        venv.create(home, with_pip=True)
        version = torch.__version__.split("+")[0]
        for packages in ([f"torch=={version}"], [f"torch=={version}", EOLE, "aiohttp"]):
            subprocess.run([home / "bin" / "pip", "install", "--quiet", *packages], check=True)
    return home / "bin" / "eole"


def eole_settings(work: Path, size: str) -> str:
    """Eole's settings for the model and batches that nmt trains."""
    width, feed_forward, heads, layers = SHAPES[size]
    return f"""
        seed: 1
        share_vocab: true
        src_vocab: {work}/vocabulary.txt
        src_vocab_size: {VOCABULARY + 200}
        tgt_vocab_size: {VOCABULARY + 200}
        overwrite: true
        report_every: 2
        data: {{train: {{path_src: {work}/train.source, path_tgt: {work}/train.target}}}}
        training: {{model_path: {work}/eole-model, world_size: 0, gpu_ranks: [], num_workers: 0, compute_dtype: bf16,
            batch_type: tokens, batch_size: {BATCH}, batch_size_multiple: 1, normalization: tokens, accum_count: [1],
            bucket_size: 262144, optim: adam, adam_beta2: 0.98, learning_rate: 2, decay_method: noam, warmup_steps: 800,
            max_grad_norm: 1.0, label_smoothing: 0.1, dropout: [0.1], attention_dropout: [0.1], dropout_steps: [0],
            param_init: 0, param_init_method: xavier_uniform, train_steps: 1000000, valid_steps: 10000000,
            save_checkpoint_steps: 1000000, keep_checkpoint: 1}}
        model: {{architecture: transformer, layers: {layers}, hidden_size: {width}, heads: {heads},
            transformer_ff: {feed_forward}, share_embeddings: true, share_decoder_embeddings: true,
            embeddings: {{word_vec_size: {width}, position_encoding: true,
                position_encoding_type: SinusoidalInterleaved}}}}
    """


def eole_command(work: Path, size: str, program: Path) -> tuple[list[str], Path]:
    """How Eole is started, and where its log goes."""
    settings = work / f"eole-{size}.yaml"
    text = "\n".join(line.removeprefix("        ") for line in eole_settings(work, size).splitlines())
    settings.write_text(text, encoding="utf-8")
    return [str(program), "train", "-c", str(settings)], work / "eole.log"


def nmt_options(size: str) -> dict[str, object]:
    """nmt's options for the model and batches that Eole trains."""
    width, feed_forward, heads, layers = SHAPES[size]
    options: dict[str, object] = {
        "preset": "small" if size == "small" else "base",
        "optimizer": "adam",
        "dim": width,
        "feed-forward": feed_forward,
    }
    options |= {"heads": heads, "encoder-layers": layers, "decoder-layers": layers, "norm": "post"}
    return options | {"batch-tokens": BATCH, "dropout": 0.1, "attention-dropout": 0.1, "precision": "bfloat16"}


def nmt_command(work: Path, size: str) -> tuple[list[str], Path]:
    """How nmt is started, in a run without checkpoints, and where its log goes."""
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
    """Source + target tokens a second in each line of a log."""
    text = log.read_text(encoding="utf-8") if log.exists() else ""
    if system == "eole":
        return [float(source) + float(target) for source, target in re.findall(r"(\d+)/ *(\d+) tok/s", text)]
    lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    return [line["tokens_per_second"] for line in lines if line["kind"] == "train"]


def measure(command: list[str], log: Path, system: str, warm: float, seconds: float) -> tuple[float, float]:
    """Run a training for a while: the median rate after `warm` seconds of it, and its peak memory in MB."""
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
    """bfloat16 GFLOP/s of the feed-forward product of a batch."""
    width, feed_forward, _, _ = SHAPES[size]
    x, weight = torch.randn(BATCH, width).bfloat16(), torch.randn(feed_forward, width).bfloat16()
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        torch.nn.functional.linear(x, weight)
        times.append(time.perf_counter() - begin)
    return 2 * BATCH * width * feed_forward / statistics.median(times) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=sorted(SHAPES), default="small")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm", type=float, default=20, help="seconds left out at the start of each training")
    parser.add_argument("--seconds", type=float, default=60, help="seconds of each training that count")
    parser.add_argument("--work", type=Path, default=Path("training-speed"))
    given = parser.parse_args()
    given.work.mkdir(exist_ok=True)
    work = given.work.resolve()
    make_data(Path(os.environ["NMT_CORPORA"]), work)
    eole = eole_environment(work)
    found: dict[str, list[float]] = {"nmt": [], "eole": []}
    memory: dict[str, float] = {}
    matrix = []
    for number in range(given.rounds):
        matrix.append(matrix_rate(given.size))
        for system in found:
            command, log = nmt_command(work, given.size) if system == "nmt" else eole_command(work, given.size, eole)
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
