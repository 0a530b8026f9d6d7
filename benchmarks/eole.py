"""Install, configure and run Eole for the benchmarks that compare it with nmt."""

import re
import subprocess
import venv
from pathlib import Path
from typing import NamedTuple

import sentencepiece
import torch

EOLE = "eole==0.6.4"


class Shape(NamedTuple):
    """Model shape and batch size that both systems use."""

    width: int
    feed_forward: int
    heads: int
    layers: int  # encoder layers, and as many decoder layers
    batch: int  # batch size in tokens of the longer side


def environment(work: Path) -> Path:
    """Return the path of the Eole program; install it if missing, with the torch version that nmt uses."""
    home = work / "eole"
    if not (home / "bin" / "eole").exists():
        venv.create(home, with_pip=True)
        version = torch.__version__.split("+")[0]
        for packages in ([f"torch=={version}"], [f"torch=={version}", EOLE, "aiohttp"]):
            subprocess.run([home / "bin" / "pip", "install", "--quiet", *packages], check=True)
    return home / "bin" / "eole"


def write_pieces(pieces: sentencepiece.SentencePieceProcessor, text: Path, output: Path) -> None:
    """Segment a text with SentencePiece and write it in Eole's format."""
    rows = pieces.encode(text.read_text(encoding="utf-8").split("\n")[:-1], out_type=str)
    output.write_text("".join(" ".join(row) + "\n" for row in rows), encoding="utf-8")


def read_pieces(pieces: sentencepiece.SentencePieceProcessor, found: Path) -> list[str]:
    """Read Eole's output and detokenize it."""
    return [pieces.decode(line.split()) for line in found.read_text(encoding="utf-8").split("\n")[:-1]]


def write_vocabulary(pieces: sentencepiece.SentencePieceProcessor, output: Path) -> None:
    """Write the vocabulary, without special tokens, in Eole's format."""
    learnt = [pieces.id_to_piece(i) for i in range(4, len(pieces))]
    counts = (f"{piece}\t{len(learnt) - i}\n" for i, piece in enumerate(learnt))
    output.write_text("".join(counts), encoding="utf-8")


def noam_factor(peak: float, shape: Shape, warmup: int) -> float:
    """Eole's `learning_rate` for a peak learning rate: factor * (width * step)^-0.5 after the warm-up."""
    return round(peak * (shape.width * warmup) ** 0.5, 4)


def write_settings(path: Path, shape: Shape, **changes: object) -> Path:
    """Write Eole's settings for the data in the folder of `path`, with `changes` in the `training` section.

    As in nmt: bfloat16, Adam, pre-norm (Eole's default), label smoothing.
    """
    work = path.parent
    size = len((work / "vocabulary.txt").read_text(encoding="utf-8").splitlines()) + 200
    training = f"""model_path: {work}/eole-model, world_size: 0, gpu_ranks: [], num_workers: 0, compute_dtype: bf16,
    batch_type: tokens, batch_size: {shape.batch}, batch_size_multiple: 1, normalization: tokens, accum_count: [1],
    bucket_size: 262144, optim: adam, adam_beta2: 0.98, learning_rate: 2, decay_method: noam, warmup_steps: 800,
    max_grad_norm: 1.0, label_smoothing: 0.1, dropout: [0.1], attention_dropout: [0.1], dropout_steps: [0],
    param_init: 0, param_init_method: xavier_uniform, train_steps: 1000000, valid_steps: 10000000,
    save_checkpoint_steps: 1000000, keep_checkpoint: 1"""
    for key, value in changes.items():
        training, found = re.subn(rf"\b{key}: [^,\n]+", f"{key}: {value}", training)
        assert found == 1, key
    path.write_text(
        f"""seed: 1
share_vocab: true
src_vocab: {work}/vocabulary.txt
src_vocab_size: {size}
tgt_vocab_size: {size}
overwrite: true
report_every: 2
data: {{train: {{path_src: {work}/train.source, path_tgt: {work}/train.target}}}}
training: {{{training}}}
model: {{architecture: transformer, layers: {shape.layers}, hidden_size: {shape.width}, heads: {shape.heads},
    transformer_ff: {shape.feed_forward}, share_embeddings: true, share_decoder_embeddings: true,
    embeddings: {{word_vec_size: {shape.width}, position_encoding: true,
        position_encoding_type: SinusoidalInterleaved}}}}
""",
        encoding="utf-8",
    )
    return path


def training(program: Path, settings: Path) -> list[str]:
    """Command line that starts training."""
    return [str(program), "train", "-c", str(settings)]


def translating(program: Path, work: Path, source: Path, output: Path) -> list[str]:
    """Command line that translates tokenized text with the latest checkpoint and a beam size of 5."""
    files = ["-src", str(source), "-output", str(output), "-model_path", str(work / "eole-model")]
    return [str(program), "predict", *files, "-beam_size", "5", "-batch_size", "32", "-gpu_ranks", "-1"]
