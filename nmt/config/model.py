"""The shape of a model."""

from collections.abc import Mapping
from dataclasses import dataclass

from nmt.config.setting import Config, Group

_model, _dropout = Group("Model"), Group("Regularization")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig(Config):
    """The shape of an encoder-decoder Transformer (Vaswani et al. 2017, Table 3 gives base and big)."""

    source_vocabulary: int
    target_vocabulary: int
    shared_vocabulary: bool
    dim: int = _model(256, "Model dimension d_model: size of embeddings and layer outputs", "[2, 16384]")
    feed_forward: int = _model(1024, "Inner dimension d_ff of the feed-forward layers", "[1, 65536]")
    heads: int = _model(4, "Number of attention heads; must divide --dim", "[1, inf)")
    encoder_layers: int = _model(3, "Number of encoder layers (depth)", "[1, 256]")
    decoder_layers: int = _model(3, "Number of decoder layers (depth)", "[1, 256]")
    norm: str = _model(
        "post",
        "Layer normalization after residual connections (post-norm, as in the paper) or before sub-layers (pre-norm)",
        choices=("post", "pre"),
    )
    activation: str = _model(
        "relu", "Activation function of the feed-forward layers", choices=("relu", "gelu", "swish")
    )
    projection_bias: bool = _model(False, "Bias of the output projection")
    tied: bool = _model(True, "Tied embeddings: the output projection shares the target embeddings")
    max_length: int = _model(
        256, "Maximum sentence length in tokens, end-of-sentence included; longer pairs are left out", "[2, 65536]"
    )
    dropout: float = _dropout(0.1, "Dropout probability for embeddings and sub-layer outputs", "[0, 1)")
    attention_dropout: float = _dropout(0.0, "Dropout probability for attention weights", "[0, 1)")
    activation_dropout: float = _dropout(0.0, "Dropout probability for feed-forward activations", "[0, 1)")
    embedding_dropout: float | None = _dropout(
        None, "Dropout probability for embeddings (default: --dropout)", "[0, 1)"
    )

    @property
    def alignment_layer(self) -> int:
        """The decoder layer whose cross-attention aligns words best: the last but one, of two layers the last.

        Of six layers by Garg et al. 2019 (section 3.1), of two by benchmarks/results/alignment-error.txt.
        """
        return self.decoder_layers - 2 if self.decoder_layers > 2 else self.decoder_layers - 1

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        problems = []
        if self.dim % self.heads:
            problems.append(f"--heads {self.heads} does not divide --dim {self.dim}")
        if self.dim % 2:
            problems.append(f"--dim {self.dim} is odd; sinusoidal positions need sine and cosine pairs")
        return problems


MODEL_SHAPE = frozenset(
    {"source_vocabulary", "target_vocabulary", "shared_vocabulary", "dim", "feed_forward", "heads"}
    | {"encoder_layers", "decoder_layers", "norm", "tied", "activation", "projection_bias"}
)
"""The fields of ModelConfig that decide which tensors there are and what they mean; the others may change in a run."""


PARTS: Mapping[str, tuple[str, ...]] = {
    "encoder": ("encoder.", "encoder_norm."),
    "decoder": ("decoder.", "decoder_norm."),
    "embeddings": ("source_embedding.", "target_embedding.", "projection."),
}
"""The parts of a model that can be frozen, and the prefixes of their parameters' names."""
