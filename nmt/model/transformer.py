"""The encoder-decoder Transformer of "Attention Is All You Need" (Vaswani et al. 2017).

    source -> embedding + positions -> N encoder layers -> memory
    target -> embedding + positions -> N decoder layers, each attending to memory -> projection -> log-probabilities

It does not know of batches on disk, of beams beyond a dimension of its input, or of how it is trained.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.config import ModelConfig
from nmt.data.batches import Batch
from nmt.model.attention import MultiHeadAttention, padding_bias
from nmt.model.dropout import Dropout, keep_out_of_compilation
from nmt.model.layers import DecoderLayer, EncoderLayer, LayerCache, Observed
from nmt.model.linear import Linear, PackedLinear
from nmt.model.loss import LossSum, label_smoothed_loss
from nmt.model.positions import sinusoidal_positions
from nmt.model.top_k import top_k
from nmt.runtime import aligned

_ROWS_IN_CACHE = 64


class Transformer(nn.Module):
    """Encoder and decoder; parameters are initialised as Glorot & Bengio 2010 (matrices) and N(0, 1/d) (embeddings)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.source_embedding = nn.Embedding(config.source_vocabulary, config.dim)
        self.target_embedding = (
            self.source_embedding if config.shared_vocabulary else nn.Embedding(config.target_vocabulary, config.dim)
        )
        rate = config.dropout if config.embedding_dropout is None else config.embedding_dropout
        self.embedding_dropout = Dropout(rate)
        self.encoder = nn.ModuleList(EncoderLayer(config) for _ in range(config.encoder_layers))
        self.decoder = nn.ModuleList(DecoderLayer(config) for _ in range(config.decoder_layers))
        pre = config.norm == "pre"  # there each layer's output is a bare sum, so the last needs a norm of its own
        self.encoder_norm = nn.LayerNorm(config.dim) if pre else nn.Identity()
        self.decoder_norm = nn.LayerNorm(config.dim) if pre else nn.Identity()
        self.projection = Linear(config.dim, config.target_vocabulary, bias=False)
        if config.tied:
            self.projection.weight = self.target_embedding.weight
        self.positions = sinusoidal_positions(aligned(config.max_length), config.dim)
        self._initialise()

    def place_positions(self, device: torch.device, dtype: torch.dtype) -> None:
        """Place the position encodings, which are computed and never stored, where the parameters are."""
        self.positions = sinusoidal_positions(aligned(self.config.max_length), self.config.dim).to(device, dtype)

    def reach(self, length: int) -> None:
        """Have position encodings for so many tokens, where a sentence is longer than those of training."""
        if length > len(self.positions):
            self.positions = sinusoidal_positions(aligned(length), self.config.dim).to(self.positions)

    def compile_layers(self, backend: str = "inductor") -> None:
        """Let torch.compile make the layers' kernels when they first run, for any batch size and length."""
        keep_out_of_compilation()
        for layer in (*self.encoder, *self.decoder):
            layer.compile(dynamic=True, backend=backend)

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear) and module is not self.projection:
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, MultiHeadAttention):
                for matrix in module.project_in.weight.chunk(3):  # W^Q, W^K and W^V are three matrices
                    nn.init.xavier_uniform_(matrix)
        for weight in (self.source_embedding.weight, self.target_embedding.weight, self.projection.weight):
            nn.init.normal_(weight, std=self.config.dim**-0.5)

    # ------------------------------------------------------------------------------------------- all positions at once

    def forward(self, source: Tensor, source_mask: Tensor, target_input: Tensor) -> Tensor:
        """The decoder's output at each target position: [batch, source], [batch, target] -> [batch, target, dim]."""
        memory = self.encode(source, source_mask)
        return self.decode(target_input, memory, source_mask)

    def encode(self, source: Tensor, source_mask: Tensor, observed: Observed | None = None) -> Tensor:
        """[batch, source] tokens, with True in the mask at real ones -> memory [batch, source, dim]."""
        x = self._embed(source, self.source_embedding)
        padding = padding_bias(source_mask, x.dtype)
        for layer in self.encoder:
            x = layer(x, padding, observed.encoder if observed else None)
        return self.encoder_norm(x)

    def decode(
        self, target_input: Tensor, memory: Tensor, source_mask: Tensor, observed: Observed | None = None
    ) -> Tensor:
        """[batch, target] tokens that begin with `<s>` -> the decoder's output [batch, target, dim].

        Output t depends on tokens 0 to t alone. Padding at the end of a target needs no mask: it lies in the future.
        Each layer adds its weights of attention to `observed`, if given.
        """
        x = self._embed(target_input, self.target_embedding)
        padding = padding_bias(source_mask, x.dtype)
        for layer in self.decoder:
            x = layer(x, memory, padding, observed)
        return self.decoder_norm(x)

    def attention(self, source: Tensor, source_mask: Tensor, target_input: Tensor) -> Observed:
        """The weights of all attention, while `source` is read and `target_input` is what was written."""
        observed = Observed([], [], [])
        self.decode(target_input, self.encode(source, source_mask, observed), source_mask, observed)
        return observed

    def _embed(self, tokens: Tensor, embedding: nn.Embedding) -> Tensor:
        """sqrt(d_model) * embedding + position (sections 3.4 and 3.5): [batch, time] -> [batch, time, dim]."""
        scaled = embedding(tokens) * math.sqrt(self.config.dim)
        return self.embedding_dropout(scaled + self.positions[: tokens.size(1)])

    def log_probs(self, x: Tensor) -> Tensor:
        """Decoder output [..., dim] -> log-probabilities of the next token [..., vocab], in float32."""
        return F.log_softmax(self.projection(x), dim=-1, dtype=torch.float32)

    def best_log_probs(self, x: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The `count` most probable next tokens: [..., dim] -> log-probabilities and tokens [..., count], best first.

        On a CPU a few rows at a time, so that their logits are still in its cache when they are looked through.
        """
        rows = x.flatten(0, -2)
        parts = [top_k(self.log_probs(part), count) for part in (rows.split(_ROWS_IN_CACHE) if x.is_cpu else [rows])]
        log_probs, tokens = (torch.cat(both).view(*x.shape[:-1], -1) for both in zip(*parts, strict=True))
        return log_probs, tokens

    def pack(self, *, int8: bool) -> None:
        """Make ready for decoding on a CPU, for good: linear layers packed, and of 8-bit integers if asked for."""
        dim = self.config.dim
        for name, module in list(self.named_modules()):
            for key, linear in list(module.named_children()):
                if isinstance(linear, Linear):
                    halved = name.endswith("cross_attention") and key == "project_in"  # queries, and keys with values
                    ranges = [(0, dim), (dim, 3 * dim)] if halved else [(0, linear.out_features)]
                    setattr(module, key, PackedLinear(linear, ranges, int8=int8))

    def loss(self, batch: Batch, smoothing: float, r_drop: float = 0.0) -> LossSum:
        """Label-smoothed cross-entropy, summed over the real tokens of the target; see `label_smoothed_loss`."""
        source, mask, target_input, target_output = batch[:4]
        if r_drop:
            source, mask, target_input, target_output = (torch.cat([side, side]) for side in batch[:4])
        hidden = self(source, mask, target_input)
        tokens = batch.target_tokens * (2 if r_drop else 1)
        return label_smoothed_loss(hidden, self.projection.weight, target_output, tokens, smoothing, r_drop)

    @property
    def alignment_layer(self) -> int:
        """The decoder layer whose cross-attention tells best what a token translates: the last but one.

        Garg et al. 2019 (section 3.1) find it in a model of six layers; the last one looks ahead. Of two layers it is
        the last (benchmarks/alignment_error.py).
        """
        layers = len(self.decoder)
        return layers - 2 if layers > 2 else layers - 1

    # ----------------------------------------------------------------------------------------- one position at a time

    def start(self, memory: Tensor) -> list[LayerCache]:
        """A cache for each decoder layer, for sentences whose encoder output is `memory`."""
        return [layer.start(memory) for layer in self.decoder]  # type: ignore[operator]

    def step(self, tokens: Tensor, position: int, caches: list[LayerCache], past: Tensor, padding: Tensor) -> Tensor:
        """The decoder's output at one position, those before it cached: [batch, beam] -> [batch, beam, dim].

        `past` says which slots of the caches are whose, see `DecoderLayer.step`.
        """
        x = self.target_embedding(tokens) * math.sqrt(self.config.dim) + self.positions[position]
        for layer, cache in zip(self.decoder, caches, strict=True):
            x = layer.step(x, cache, past, padding)  # type: ignore[operator]
        return self.decoder_norm(x)
