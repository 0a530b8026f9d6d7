"""How to train."""

from dataclasses import dataclass

from nmt.config.model import PARTS
from nmt.config.setting import AUTO, Config, Group, setting

_stop, _start, _batches = Group("Stopping criteria"), Group("Fine-tuning"), Group("Data and batches")
_optim, _noise = Group("Optimizer and learning rate"), Group("Regularization")
_validation, _checkpoints = Group("Validation"), Group("Checkpoints")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig(Config):
    """Batches, the optimizer and its schedule, validation, checkpoints, and when to stop."""

    preset: str = setting(
        AUTO,
        "Size and hyperparameters: tiny, small, base, big, or auto: by corpus size; fast, fastest: to decode faster",
    )
    steps: int = _stop(100_000, "Stop after this many optimizer steps (updates)", "[1, 1000000000]")
    epochs: int | None = _stop(None, "Stop after this many epochs", "[1, inf)")
    minutes: float | None = _stop(None, "Stop after this many minutes of training", "(0, inf)")
    patience: int = _stop(10, "Early stopping: validations in a row without improvement (0: off)", "[0, inf)")
    init_from: str | None = _start(
        None, "Fine-tuning: start from this model directory, with a sixth of the learning rate and warm-up"
    )
    freeze: list[str] | None = _start(None, "Freeze encoder, decoder or embeddings; may be repeated")
    batch_tokens: int = _batches(
        4096,
        "Batch size in tokens, counted on the longer side with padding; auto: as many as fit in memory",
        "[16, inf)",
        auto=True,
    )
    corpus_weights: str | None = _batches(
        None, "Times that an epoch reads each corpus: in the order given to prepare, 1,0.5,4, or by name, web=0.5"
    )
    corpus_temperature: float = _batches(
        1.0,
        "Temperature T of corpus sampling, in proportion to size ** (1/T): oversamples small corpora (1: off)",
        "[1, 1000]",
    )
    accumulate: int = _batches(1, "Gradient accumulation: batches per optimizer step", "[1, inf)")
    optimizer: str = _optim("adam", "The paper's Adam, or Muon for the layers' matrices", choices=("adam", "muon"))
    learning_rate: float = _optim(2e-3, "Peak learning rate, at the end of the warm-up", "(0, inf)", alias="peak_rate")
    warmup: int = _optim(400, "Warm-up steps: the learning rate rises linearly", "[1, inf)")
    schedule: str = _optim(
        "inverse-sqrt",
        "Learning rate schedule after the warm-up: inverse square root decay, linear decay to zero, or constant",
        choices=("inverse-sqrt", "linear", "constant"),
    )
    decay_start: float = _optim(0.3, "Fraction of training after which the linear schedule decays", "[0, 1)")
    schedule_start: int = _optim(0, "Learning rate schedule offset: steps that count as done", "[0, 1000000000]")
    beta1: float = _optim(0.9, "Adam's beta1, decay rate of the first moment", "[0, 1)")
    beta2: float = _optim(0.98, "Adam's beta2, decay rate of the second moment", "[0, 1)")
    epsilon: float = _optim(1e-9, "Adam's epsilon", "(0, inf)")
    weight_decay: float = _optim(0.0, "Decoupled weight decay (AdamW) of weight matrices (0: off)", "[0, inf)")
    clip_norm: float = _optim(1.0, "Gradient clipping: maximum gradient norm (0: off)", "[0, inf)", alias="clip")
    ema: float = _optim(
        0.0,
        "Decay of an exponential moving average (exponential smoothing) of the weights, such as 0.999 (0: off)",
        "[0, 1)",
    )
    label_smoothing: float = _noise(0.1, "Label smoothing: probability spread over the vocabulary (0: off)", "[0, 1)")
    r_drop: float = _noise(0.0, "R-Drop weight: KL penalty between two forward passes of a batch (0: off)", "[0, inf)")
    subword_sampling: float = _noise(0.0, "Subword regularization: probability of splitting a piece (0: off)", "[0, 1)")
    token_masking: float = _noise(
        0.0, "Token masking: fraction of source and decoder input tokens replaced by <unk> (0: off)", "[0, 1)"
    )
    robust: bool = _noise(
        False, "Robustness: perturb the text of some pairs: letter case, typing errors, spaces, no final punctuation"
    )
    validate_every: int = _validation(500, "Steps between validations", "[1, inf)")
    metric: str = _validation("bleu", "Metric that selects the best model", choices=("bleu", "chrf", "loss"))
    valid_beam: int = _validation(1, "Beam size for validation (1: greedy search)", "[1, 1000]")
    save_every: int = _checkpoints(500, "Steps between checkpoints", "[1, inf)")
    keep: int = _checkpoints(2, "Latest checkpoints to keep with optimizer state, for resuming", "[1, inf)")
    average: int = _checkpoints(5, "Checkpoint averaging at the end: number of checkpoints (1: off)", "[1, inf)")
    average_of: str = _checkpoints(
        "last", "Checkpoints to average: the last, or those with the best validation scores", choices=("last", "best")
    )
    compile: bool = setting(False, "Use torch.compile: slower start, faster steps on a GPU", alias="compiled")
    cuda_graphs: bool = setting(
        True, "On one NVIDIA GPU launch a step's kernels together, as CUDA graphs: faster steps, more memory"
    )
    log_every: int = setting(50, "Steps between log lines", "[1, inf)")
    tensorboard: bool = setting(False, "Also write TensorBoard logs to RUN/tensorboard")
    seed: int = setting(1, "Random seed", "[0, 9223372036854775807]")

    @property
    def forward_passes(self) -> int:
        """Forward passes of each batch: R-Drop compares two."""
        return 2 if self.r_drop else 1

    def weights(self) -> list[tuple[str, float]]:
        """The corpus weights as given: the name of a corpus, if any, and its weight; ValueError for malformed ones."""
        items = self.corpus_weights.split(",") if self.corpus_weights else []
        parts = [item.rpartition("=") for item in items]
        return [(name.strip(), float(weight)) for name, _, weight in parts]

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        problems = []
        if self.schedule == "linear" and self.warmup > self.steps:
            problems.append(f"--warmup {self.warmup} is longer than --steps {self.steps}; lower it or raise --steps")
        unknown = [part for part in self.freeze or [] if part not in PARTS]
        problems += [f"--freeze {part} is unknown; choose from {', '.join(PARTS)}" for part in unknown]
        try:
            if not all(0 <= weight <= 1000 for _, weight in self.weights()):
                problems.append(f"--corpus-weights {self.corpus_weights}: a weight is from 0 to 1,000")
            if len({bool(name) for name, _ in self.weights()}) > 1:
                problems.append(f"--corpus-weights {self.corpus_weights} mixes corpora by name and by position")
        except ValueError:
            problems.append(f"--corpus-weights {self.corpus_weights} is not a list of numbers separated by commas")
        if self.corpus_weights and self.corpus_temperature != 1:
            problems.append("--corpus-weights and --corpus-temperature cannot be combined; give one of them")
        if set(self.freeze or []) >= PARTS.keys():
            problems.append("--freeze: with all parts frozen nothing is left to train")
        if self.freeze and self.weight_decay:
            problems.append("--weight-decay would change what --freeze keeps; leave out one of them")
        return problems
