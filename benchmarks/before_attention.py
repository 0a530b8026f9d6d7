"""The road to the Transformer: an encoder-decoder without attention, with attention, and of nothing but attention.

    python benchmarks/before_attention.py --run nmt-demo [--steps 2000] [--threads 1]

trains three models on a prepared run (that of `nmt demo`: the embedded corpus), with the same batches, the same
optimizer and numbers of parameters that differ by less than 3 %:

1. a recurrent encoder-decoder, whose decoder begins with the last state of the encoder, and sees nothing else of the
   source (Sutskever et al. 2014; Cho et al. 2014);
2. the same with attention over all states of the encoder (Bahdanau et al. 2015; the scaled dot product of the paper);
3. nmt's Transformer.

It prints the time of a step, and BLEU on the test set by the length of the source: all that a sentence says has to fit
into the one vector between encoder and decoder of the first, and long sentences do not. --figure FILE draws it, if
matplotlib is installed.
"""

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import sacrebleu
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.config.model import ModelConfig
from nmt.config.search import SearchConfig
from nmt.data.batches import Batch, Collator, Position
from nmt.data.dataset import TrainingData
from nmt.decoding.beam import beam_search
from nmt.decoding.engine import Request
from nmt.decoding.selection import Distribution
from nmt.decoding.torch_engine import TorchEngine, padded
from nmt.files.lines import read_text
from nmt.files.run_directory import RunDirectory
from nmt.model.transformer import Transformer
from nmt.text.tokenizer import PAD, Tokenizers

CPU = torch.device("cpu")
BUCKETS = ((1, 5), (6, 7), (8, 9), (10, 99))  # source words
LABEL_SMOOTHING, CLIP, WARMUP, BATCH_TOKENS, SEED = 0.1, 1.0, 200, 1024, 1


class Recurrent(nn.Module):
    """A recurrent encoder-decoder of gated recurrent units (GRU), with or without attention over the encoder's states.

    The encoder reads in both directions. Without attention, its last state is all that the decoder gets.
    """

    def __init__(self, vocabulary: int, dim: int, *, attention: bool, dropout: float) -> None:
        super().__init__()
        self.dim, self.attention = dim, attention
        self.embedding = nn.Embedding(vocabulary, dim, padding_idx=PAD)
        self.encoder = nn.GRU(dim, dim // 2, bidirectional=True, batch_first=True)
        self.bridge = nn.Linear(dim, dim)
        self.decoder = nn.GRU(dim, dim, batch_first=True)
        self.combine = nn.Linear(2 * dim, dim) if attention else None
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.embedding.weight, std=dim**-0.5)

    def encode(self, source: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The states of the encoder [batch, source, dim], and the first state of the decoder [1, batch, dim]."""
        x = self.dropout(self.embedding(source) * math.sqrt(self.dim))
        packed = nn.utils.rnn.pack_padded_sequence(x, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        states, last = self.encoder(packed)
        memory, _ = nn.utils.rnn.pad_packed_sequence(states, batch_first=True, total_length=source.size(1))
        return memory, torch.tanh(self.bridge(torch.cat([last[0], last[1]], dim=-1)))[None]

    def decode(self, tokens: Tensor, memory: Tensor, mask: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """The output at each position [batch, target, dim], and the last state."""
        hidden, state = self.decoder(self.dropout(self.embedding(tokens) * math.sqrt(self.dim)), state)
        if self.combine is not None:
            # the paper's equation 1, of which the query is the decoder's state, key and value those of the encoder
            context = F.scaled_dot_product_attention(hidden, memory, memory, attn_mask=mask[:, None])
            hidden = torch.tanh(self.combine(torch.cat([context, hidden], dim=-1)))
        return self.dropout(hidden), state

    def loss(self, batch: Batch, smoothing: float) -> Tensor:
        """Label-smoothed cross-entropy, summed over the target tokens."""
        memory, state = self.encode(batch.source, batch.source_mask)
        hidden, _ = self.decode(batch.target_input, memory, batch.source_mask, state)
        logits = F.linear(hidden, self.embedding.weight)
        return F.cross_entropy(
            logits.transpose(1, 2), batch.target_output, ignore_index=PAD, reduction="sum", label_smoothing=smoothing
        )


class RecurrentStep:
    """A recurrent model as search sees it: the distribution of the next token of each hypothesis."""

    attention = None

    def __init__(self, model: Recurrent, source: Tensor) -> None:
        self.model, self.mask = model, source != PAD
        self.memory, state = model.encode(source, self.mask)
        self.state = state[0][:, None]  # [batch, beam, dim]

    def __call__(self, tokens: Tensor) -> Distribution:
        """The distribution after the newest tokens [batch, beam]."""
        batch, beam = tokens.shape
        memory, mask = (side.repeat_interleave(beam, dim=0) for side in (self.memory, self.mask))
        state = self.state.expand(batch, beam, -1).reshape(1, batch * beam, -1).contiguous()
        hidden, state = self.model.decode(tokens.reshape(-1, 1), memory, mask, state)
        self.state = state[0].view(batch, beam, -1)
        logits = F.linear(hidden[:, 0], self.model.embedding.weight)
        return Distribution(logits.log_softmax(-1).view(batch, beam, -1))

    def select(self, rows: Tensor, sentences: Tensor | None) -> None:
        """Keep these hypotheses of these sentences."""
        if sentences is not None:
            self.memory, self.mask = self.memory[sentences], self.mask[sentences]
        self.state = self.state.flatten(0, 1)[rows].view(len(self.memory), -1, self.state.size(-1))


def parameters(model: nn.Module) -> int:
    """The number of weights."""
    return sum(weight.numel() for weight in set(model.parameters()))


def recurrent_of_size(count: int, vocabulary: int, *, attention: bool, dropout: float) -> Recurrent:
    """The recurrent model whose number of weights is nearest to `count`."""
    sizes = {
        dim: parameters(Recurrent(vocabulary, dim, attention=attention, dropout=dropout)) for dim in range(64, 512, 8)
    }
    nearest = min(sizes, key=lambda dim: abs(sizes[dim] - count))
    return Recurrent(vocabulary, nearest, attention=attention, dropout=dropout)


def train(
    model: nn.Module, loss_of: Callable[[Batch], Tensor], batches: Iterator[Batch], steps: int, peak: float
) -> float:
    """Train with Adam, a warm-up and linear decay; returns the median seconds of a step."""
    optimizer = torch.optim.Adam(model.parameters(), lr=peak, betas=(0.9, 0.98), eps=1e-9)
    seconds = []
    model.train()
    for step, batch in enumerate(islice(batches, steps), start=1):
        start = time.perf_counter()
        for group in optimizer.param_groups:
            group["lr"] = peak * min(step / WARMUP, (steps - step + 1) / (steps - WARMUP))
        optimizer.zero_grad()
        (loss_of(batch) / batch.tokens[1]).backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    model.eval()
    return float(np.median(seconds))


@torch.inference_mode()
def translate(model: nn.Module, lines: Sequence[str], tokenizers: Tokenizers) -> list[str]:
    """Translate with beam size 5, as nmt does, whatever the model."""
    config, translations = SearchConfig(), list[str]()
    for start in range(0, len(lines), 50):
        sources = tokenizers.source.encode(lines[start : start + 50], end=True)
        requests = [Request(source=source, max_length=2 * len(source) + 20, min_length=2) for source in sources]
        if isinstance(model, Recurrent):
            step = RecurrentStep(model, padded(sources, CPU))
            n_best = beam_search(step, requests, config, CPU)
        else:
            assert isinstance(model, Transformer)
            n_best = TorchEngine([model], CPU).search(requests, config)
        translations += tokenizers.target.decode([hypotheses[0].tokens for hypotheses in n_best])
    return translations


def scores(translations: Sequence[str], sources: Sequence[str], references: Sequence[str]) -> list[float]:
    """BLEU of all lines, and of those in each bucket of lengths."""
    values = [sacrebleu.corpus_bleu(list(translations), [list(references)]).score]
    for low, high in BUCKETS:
        rows = [row for row, source in enumerate(sources) if low <= len(source.split()) <= high]
        hypotheses, of_rows = ([lines[row] for row in rows] for lines in (translations, references))
        values.append(sacrebleu.corpus_bleu(hypotheses, [of_rows]).score if rows else math.nan)
    return values


def draw(path: Path, table: dict[str, list[float]]) -> None:
    """A line for each model: BLEU by the length of the source."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    names = [f"{low} to {high}" if high < 99 else f"{low} and more" for low, high in BUCKETS]
    for (name, values), marker in zip(table.items(), "os^", strict=True):
        axes.plot(names, values[1:], marker=marker, label=name)
    axes.set_xlabel("words in the source")
    axes.set_ylabel("BLEU")
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Train and score the three models."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, default=Path("nmt-demo"))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    run = RunDirectory(arguments.run)
    tokenizers = Tokenizers.load(run.path)
    data = TrainingData.open(run.data, 256).train
    config = ModelConfig(
        source_vocabulary=len(tokenizers.source), target_vocabulary=len(tokenizers.target), shared_vocabulary=True,
        dim=128, feed_forward=256, heads=4, encoder_layers=2, decoder_layers=2, norm="pre", dropout=0.1,
    )  # fmt: skip
    torch.manual_seed(SEED)
    transformer = Transformer(config)
    size, vocabulary = parameters(transformer), len(tokenizers.source)
    models: dict[str, tuple[nn.Module, float]] = {
        "recurrent": (recurrent_of_size(size, vocabulary, attention=False, dropout=0.1), 2e-3),
        "recurrent with attention": (recurrent_of_size(size, vocabulary, attention=True, dropout=0.1), 2e-3),
        "Transformer": (transformer, 4e-3),
    }
    sources, references = (list(read_text(run.held_out("test", side))) for side in ("source", "target"))
    collate = Collator.of(config, CPU)
    print(
        f"{arguments.steps:,} steps of {BATCH_TOKENS:,} tokens, torch {torch.__version__}, {arguments.threads} threads"
    )
    print("| | parameters | ms a step | BLEU |" + "".join(f" {low}-{high} words |" for low, high in BUCKETS))
    table = {}
    for name, (model, peak) in models.items():
        plan = data.plan(BATCH_TOKENS, SEED).stream(Position(0, 0))
        batches = (collate(data.source.read(rows), data.target.read(rows)) for _, rows in plan)
        torch.manual_seed(SEED)

        def loss_of(batch: Batch, model: nn.Module = model) -> Tensor:
            loss = model.loss(batch, LABEL_SMOOTHING)  # type: ignore[operator]
            return loss if isinstance(loss, Tensor) else loss.smoothed

        seconds = train(model, loss_of, batches, arguments.steps, peak)
        table[name] = scores(translate(model, sources, tokenizers), sources, references)
        cells = " | ".join(f"{value:.1f}" for value in table[name])
        print(f"| {name} | {parameters(model):,} | {1000 * seconds:.0f} | {cells} |", flush=True)
    if arguments.figure:
        draw(arguments.figure, table)


if __name__ == "__main__":
    main()
