"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al. 2017).

    source -> embedding + positions -> N encoder layers -> memory
    target -> embedding + positions -> N decoder layers, each attending to memory -> projection -> log-probabilities

It knows nothing of data on disk, of search beyond a beam dimension, or of training.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.config.model import ModelConfig
from nmt.data.batches import Batch
from nmt.model.attention import MultiHeadAttention, causal_bias, padding_bias
from nmt.model.cache import LayerCache
from nmt.model.kernels.dropout import Dropout, exclude_from_compilation
from nmt.model.kernels.top_k import top_k
from nmt.model.layers import DecoderLayer, EncoderLayer, Observed
from nmt.model.loss import LossSum, label_smoothed_loss
from nmt.model.positions import sinusoidal_positions
from nmt.runtime import aligned

_ROWS_IN_CACHE = 64


class Transformer(nn.Module):
    """Encoder and decoder; matrices are initialized as by Glorot & Bengio 2010, embeddings from N(0, 1/d_model)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.source_embedding = nn.Embedding(config.source_vocabulary, config.dim)
        self.target_embedding = (
            self.source_embedding if config.shared_vocabulary else nn.Embedding(config.target_vocabulary, config.dim)
        )
        dropout = config.dropout if config.embedding_dropout is None else config.embedding_dropout
        self.embedding_dropout = Dropout(dropout)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        pre = config.norm == "pre"  # the output of a pre-norm layer is a bare sum, so the last one is normalized
        self.encoder_norm = nn.LayerNorm(config.dim) if pre else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.dim) if pre else nn.Identity()
        self.projection = nn.Linear(config.dim, config.target_vocabulary, bias=config.projection_bias)
        if config.tied:
            self.projection.weight = self.target_embedding.weight
        self.place_positions(torch.device("cpu"), torch.float32)
        self._initialize()

    def place_positions(self, device: torch.device, dtype: torch.dtype) -> None:
        """Compute the position encodings, which are not parameters, for a device and dtype."""
        self.positions = torch.zeros((0, 0), dtype=dtype, device=device)
        self.extend_positions(self.config.max_length)

    def extend_positions(self, length: int) -> None:
        """Extend the position encodings to sentences longer than those of training."""
        if length > len(self.positions):
            positions = torch.from_numpy(sinusoidal_positions(aligned(length), self.config.dim))
            self.positions = positions.to(self.positions)

    def compile_layers(self, backend: str = "inductor") -> None:
        """Compile each layer with torch.compile, for any batch size and length."""
        exclude_from_compilation()
        for layer in (*self.encoder, *self.decoder):
            layer.compile(dynamic=True, backend=backend)

    def _initialize(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                if module is not self.projection:
                    nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, MultiHeadAttention):
                for matrix in module.project_in.weight.chunk(3):  # W^Q, W^K and W^V are three matrices
                    nn.init.xavier_uniform_(matrix)
        for weight in (self.source_embedding.weight, self.target_embedding.weight, self.projection.weight):
            nn.init.normal_(weight, std=self.config.dim**-0.5)

    # ------------------------------------------------------------------------------------------- all positions at once

    def forward(self, source: Tensor, source_mask: Tensor, target_input: Tensor) -> Tensor:
        """The decoder output at each target position: [batch, source], [batch, target] -> [batch, target, dim]."""
        return self.decode(target_input, self.encode(source, source_mask), source_mask)

    def encode(self, source: Tensor, source_mask: Tensor, observed: Observed | None = None) -> Tensor:
        """Tokens [batch, source], with True in the mask at real ones -> memory [batch, source, dim]."""
        x = self._embed(source, self.source_embedding)
        padding = padding_bias(source_mask, x.dtype)
        for layer in self.encoder:
            x = layer(x, padding, observed.encoder if observed else None)
        return self.encoder_norm(x)

    def decode(
        self, target_input: Tensor, memory: Tensor, source_mask: Tensor, observed: Observed | None = None
    ) -> Tensor:
        """Tokens [batch, target] that begin with `<s>` -> the decoder output [batch, target, dim].

        Output t depends on tokens 0 to t alone. Padding at the end of a target needs no mask: it lies in the future.
        Each layer appends its attention weights to `observed`, if given.
        """
        x = self._embed(target_input, self.target_embedding)
        padding = padding_bias(source_mask, x.dtype)
        future = causal_bias(x) if x.is_cpu or observed is not None else None
        for layer in self.decoder:
            x = layer(x, memory, future, padding, observed)
        return self.decoder_norm(x)

    def attention(self, source: Tensor, source_mask: Tensor, target_input: Tensor) -> Observed:
        """The attention weights of all layers when the model is forced to output a given target."""
        observed = Observed([], [], [])
        self.decode(target_input, self.encode(source, source_mask, observed), source_mask, observed)
        return observed

    def _embed(self, tokens: Tensor, embedding: nn.Embedding) -> Tensor:
        """sqrt(d_model) * embedding + position (sections 3.4 and 3.5): [batch, time] -> [batch, time, dim]."""
        scaled = embedding(tokens) * math.sqrt(self.config.dim)
        return self.embedding_dropout(scaled + self.positions[: tokens.size(1)])

    def log_probs(self, x: Tensor) -> Tensor:
        """Decoder output [..., dim] -> float32 log-probabilities of the next token [..., vocab]."""
        return F.log_softmax(self.projection(x), dim=-1, dtype=torch.float32)

    def best_log_probs(self, x: Tensor, count: int, impossible: Tensor) -> tuple[Tensor, Tensor]:
        """The `count` best next tokens: [..., dim] -> log-probabilities and tokens [..., count], best first.

        `impossible` tokens have the log-probability -inf.
        """
        rows = x.flatten(0, -2)
        blocks = rows.split(_ROWS_IN_CACHE) if x.is_cpu else [rows]  # a CPU's cache keeps their logits for the search
        parts = [top_k(self.log_probs(block).index_fill_(1, impossible, -math.inf), count) for block in blocks]
        log_probs, tokens = (torch.cat(results).view(*x.shape[:-1], -1) for results in zip(*parts, strict=True))
        return log_probs, tokens

    def loss(self, batch: Batch, smoothing: float, r_drop: float = 0.0) -> LossSum:
        """Label-smoothed cross-entropy, summed over the real tokens of the target; see `label_smoothed_loss`."""
        source, source_mask, target_input, target_output = batch[:4]
        if r_drop:  # the batch twice, with other dropout masks
            source, source_mask, target_input, target_output = (torch.cat([side, side]) for side in batch[:4])
        hidden = self.decode(target_input, self.encode(source, source_mask), source_mask)
        weight = self.projection.weight
        if self.projection.bias is not None:  # a column more, of a dimension that is always 1
            weight = torch.cat([weight, self.projection.bias[:, None]], dim=1)
            hidden = F.pad(hidden, (0, 1), value=1.0)
        return label_smoothed_loss(hidden, weight, target_output, smoothing, r_drop)

    # ----------------------------------------------------------------------------------------- one position at a time

    def start(self, memory: Tensor) -> list[LayerCache]:
        """A cache for each decoder layer, for sentences whose encoder output is `memory`."""
        return [layer.start(memory) for layer in self.decoder]  # type: ignore[operator]

    def step(self, tokens: Tensor, position: int, caches: list[LayerCache], past: Tensor, padding: Tensor) -> Tensor:
        """The decoder output at one position, see `DecoderLayer.step`: [batch, beam] -> [batch, beam, dim]."""
        x = self.target_embedding(tokens) * math.sqrt(self.config.dim) + self.positions[position]
        for layer, cache in zip(self.decoder, caches, strict=True):
            x = layer.step(x, cache, past, padding)  # type: ignore[operator]
        return self.decoder_norm(x)
