"""Every setting of nmt: its default, its bounds and its help stand together in a frozen dataclass, and nowhere else."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from nmt.settings import AUTO, Value, setting

_MODEL, _DROPOUT, _STOP, _RUNTIME = "Model", "Dropout and noise", "When to stop", "Runtime"
_START = "Start from another model"
_LENGTH, _WORDS, _MANY, _SAMPLING = "Length", "Coverage and repetition", "Many translations", "Sampling"
_READING, _CLEANING, _SCORES = "Reading", "Cleaning", "Scores"
_OPTIMISER, _BATCHES, _VALIDATION, _CHECKPOINTS = "Optimiser", "Batches", "Validation", "Checkpoints"

METRICS = ("bleu", "chrf", "chrf++", "ter", "comet")
DEFAULT_METRICS = ("bleu", "chrf", "ter")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """The shape of an encoder-decoder Transformer (Vaswani et al. 2017, Table 3 gives base and big)."""

    source_vocabulary: int
    target_vocabulary: int
    shared_vocabulary: bool
    dim: int = setting(256, "width of the model, d_model in the paper", minimum=2, maximum=1 << 14, group=_MODEL)
    feed_forward: int = setting(
        1024, "inner width of the feed-forward layers, d_ff", minimum=1, maximum=1 << 16, group=_MODEL
    )
    heads: int = setting(4, "attention heads, h; must divide --dim", minimum=1, group=_MODEL)
    encoder_layers: int = setting(3, "identical layers in the encoder, N", minimum=1, maximum=256, group=_MODEL)
    decoder_layers: int = setting(3, "identical layers in the decoder, N", minimum=1, maximum=256, group=_MODEL)
    norm: str = setting(
        "post",
        "layer normalisation after each residual sum, as in the paper, or before each sub-layer",
        choices=("post", "pre"),
        group=_MODEL,
    )
    tied: bool = setting(True, "use the target embeddings as the output projection", group=_MODEL)
    max_length: int = setting(
        256, "longest sentence in tokens, end-of-sentence included", minimum=2, maximum=1 << 16, group=_MODEL
    )
    dropout: float = setting(
        0.1, "dropped share of embeddings and of each sub-layer's output", minimum=0, below=1, group=_DROPOUT
    )
    attention_dropout: float = setting(0.0, "dropped share of attention weights", minimum=0, below=1, group=_DROPOUT)
    activation_dropout: float = setting(
        0.0, "dropped share of feed-forward activations", minimum=0, below=1, group=_DROPOUT
    )
    embedding_dropout: float | None = setting(
        None, "dropped share of embeddings, where it differs from --dropout", minimum=0, below=1, group=_DROPOUT
    )

    def problems(self) -> list[str]:
        """What does not fit together across fields, in the words of the options."""
        found = []
        if self.dim % self.heads:
            found.append(f"--heads {self.heads} does not divide --dim {self.dim}")
        if self.dim % 2:
            found.append(f"--dim {self.dim} is odd; sinusoidal positions need sine and cosine pairs")
        return found


MODEL_SHAPE = frozenset(
    [
        "source_vocabulary",
        "target_vocabulary",
        "shared_vocabulary",
        "dim",
        "feed_forward",
        "heads",
        "encoder_layers",
        "decoder_layers",
        "norm",
        "tied",
    ]
)
"""The fields of ModelConfig that decide which tensors there are and what they mean; the rest may change in a run."""


PARTS: Mapping[str, tuple[str, ...]] = {
    "encoder": ("encoder.", "encoder_norm."),
    "decoder": ("decoder.", "decoder_norm."),
    "embeddings": ("source_embedding.", "target_embedding.", "projection."),
}
"""The parts of a model that can be frozen, and how the names of their parameters begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How to train: batches, the optimiser and its schedule, validation, checkpoints, and when to stop."""

    preset: str = setting(AUTO, "model size and what fits it: tiny, small, base, big, or auto: by the corpus")
    steps: int = setting(100_000, "stop after this many updates", minimum=1, maximum=10**9, group=_STOP)
    epochs: int | None = setting(None, "stop after this many passes over the data", minimum=1, group=_STOP)
    minutes: float | None = setting(None, "stop after this much training time", above=0, group=_STOP)
    patience: int = setting(
        10, "stop after this many validations in a row without a better one (0: never)", minimum=0, group=_STOP
    )
    init_from: str | None = setting(None, "model directory whose weights training starts from", group=_START)
    freeze: list[str] | None = setting(
        None, "part of the model that stays as it is: encoder, decoder or embeddings; may be repeated", group=_START
    )
    batch_tokens: int = setting(
        4096,
        "tokens in a batch, padding included, on its longer side; auto: as many as fit into memory",
        minimum=16,
        auto=True,
        group=_BATCHES,
    )
    corpus_weights: str | None = setting(
        None,
        "how often an epoch reads each corpus that prepare was given: in their order, 1,0.5,4, or by name, web=0.5",
        group=_BATCHES,
    )
    corpus_temperature: float = setting(
        1.0,
        "read small corpora more often: the share of each is its size to the power of 1 / this (1: all once)",
        minimum=1,
        maximum=1000,
        group=_BATCHES,
    )
    accumulate: int = setting(1, "batches whose gradients make up one update", minimum=1, group=_BATCHES)
    optimizer: str = setting(
        "adam",
        "the paper's Adam, or for matrices of the layers Muon, which learns more from each update",
        choices=("adam", "muon"),
        group=_OPTIMISER,
    )
    peak_rate: float = setting(2e-3, "learning rate at the end of the warm-up", above=0, group=_OPTIMISER)
    warmup: int = setting(400, "updates over which the learning rate rises to its peak", minimum=1, group=_OPTIMISER)
    schedule: str = setting(
        "inverse-sqrt",
        "after the warm-up: the paper's inverse square root of the step; or hold the peak, then fall linearly to zero "
        "at the end, by --steps or --minutes; or hold it for ever",
        choices=("inverse-sqrt", "linear", "constant"),
        group=_OPTIMISER,
    )
    decay_start: float = setting(
        0.3, "share of the training after which the linear schedule falls", minimum=0, below=1, group=_OPTIMISER
    )
    schedule_start: int = setting(
        0, "updates that the schedule counts as done before the first one", minimum=0, maximum=10**9, group=_OPTIMISER
    )
    beta1: float = setting(0.9, "Adam's decay of the mean gradient", minimum=0, below=1, group=_OPTIMISER)
    beta2: float = setting(0.98, "Adam's decay of the mean squared gradient", minimum=0, below=1, group=_OPTIMISER)
    epsilon: float = setting(1e-9, "Adam's epsilon", above=0, group=_OPTIMISER)
    weight_decay: float = setting(0.0, "decoupled weight decay of matrices (AdamW)", minimum=0, group=_OPTIMISER)
    clip: float = setting(1.0, "largest norm of the gradient (0: no clipping)", minimum=0, group=_OPTIMISER)
    ema: float = setting(
        0.0,
        "decay of a moving average of the weights, such as 0.999, to validate and translate with (0: off)",
        minimum=0,
        below=1,
        group=_OPTIMISER,
    )
    label_smoothing: float = setting(
        0.1, "probability mass spread over the vocabulary", minimum=0, below=1, group=_OPTIMISER
    )
    validate_every: int = setting(500, "updates between validations", minimum=1, group=_VALIDATION)
    metric: str = setting(
        "bleu", "what makes a validation the best", choices=("bleu", "chrf", "loss"), group=_VALIDATION
    )
    valid_beam: int = setting(
        1,
        "beam size of the translations that validation scores (1: greedy)",
        minimum=1,
        maximum=1000,
        group=_VALIDATION,
    )
    save_every: int = setting(500, "updates between checkpoints", minimum=1, group=_CHECKPOINTS)
    keep: int = setting(2, "checkpoints kept whole, for resuming", minimum=1, group=_CHECKPOINTS)
    average: int = setting(
        5, "checkpoints whose weights are kept, and averaged when training ends (1: off)", minimum=1, group=_CHECKPOINTS
    )
    average_of: str = setting(
        "last",
        "whether the last checkpoints are averaged, or those with the best validations",
        choices=("last", "best"),
        group=_CHECKPOINTS,
    )
    compiled: bool = setting(
        False, "run the layers compiled by torch.compile: a minute more to start, faster steps on a GPU"
    )
    log_every: int = setting(50, "updates between lines of the log", minimum=1)
    tensorboard: bool = setting(False, "write the log for TensorBoard too, to RUN/tensorboard")
    r_drop: float = setting(
        0.0,
        "weight alpha of R-Drop, which computes each batch twice and draws both together, such as 5 (0: off)",
        minimum=0,
        group=_DROPOUT,
    )
    subword_sampling: float = setting(
        0.0,
        "probability of cutting a piece in two, drawn afresh each epoch, such as 0.1 (0: off)",
        minimum=0,
        below=1,
        group=_DROPOUT,
    )
    token_masking: float = setting(
        0.0, "share of source tokens and of target tokens so far that are hidden", minimum=0, below=1, group=_DROPOUT
    )
    seed: int = setting(1, "what all randomness is derived from", minimum=0, maximum=(1 << 63) - 1)

    def weights(self) -> list[tuple[str, float]]:
        """The corpus weights as they were given: the name of a corpus, if any, and a number; ValueError for others."""
        each = self.corpus_weights.split(",") if self.corpus_weights else []
        parts = [one.rpartition("=") for one in each]
        return [(name.strip(), float(weight)) for name, _, weight in parts]

    def problems(self) -> list[str]:
        """What does not fit together across fields, in the words of the options."""
        found = []
        if self.schedule == "linear" and self.warmup > self.steps:
            found.append(f"--warmup {self.warmup} is longer than --steps {self.steps}; lower it or raise --steps")
        found += [
            f"--freeze {part} is unknown; choose from {', '.join(PARTS)}"
            for part in self.freeze or []
            if part not in PARTS
        ]
        try:
            if not all(0 <= weight <= 1000 for _, weight in self.weights()):
                found.append(f"--corpus-weights {self.corpus_weights}: a weight is from 0 to 1,000")
            if len({bool(name) for name, _ in self.weights()}) > 1:
                found.append(f"--corpus-weights {self.corpus_weights} gives some corpora by name and others by place")
        except ValueError:
            found.append(f"--corpus-weights {self.corpus_weights} is not numbers with commas between them")
        if self.corpus_weights and self.corpus_temperature != 1:
            found.append("--corpus-weights and --corpus-temperature both say how often corpora are read; give one")
        if set(self.freeze or []) >= PARTS.keys():
            found.append("--freeze: with all parts frozen nothing is left to train")
        if self.freeze and self.weight_decay:
            found.append("--weight-decay would change what --freeze keeps; leave out one of them")
        return found


# For corpora that take minutes: pre-norm learns from the first steps on, small batches and Muon most from little text.
_SHALLOW: dict[str, Value] = dict(norm="pre", optimizer="muon", warmup=200, batch_tokens=2048)
_PAPER: dict[str, Value] = dict(encoder_layers=6, decoder_layers=6, norm="post", warmup=4000)
PRESETS: Mapping[str, Mapping[str, Value]] = {
    "tiny": _SHALLOW | dict(dim=128, feed_forward=256, heads=4, encoder_layers=4, decoder_layers=4, peak_rate=8e-3),
    "small": _SHALLOW | dict(dim=256, feed_forward=1024, heads=4, encoder_layers=3, decoder_layers=3, peak_rate=1e-2),
    "base": _PAPER | dict(dim=512, feed_forward=2048, heads=8, peak_rate=7e-4),
    "big": _PAPER | dict(dim=1024, feed_forward=4096, heads=16, peak_rate=5e-4, dropout=0.3),
    AUTO: {},
}
"""Named values. base and big are the paper's, with its peak rate (d_model * warmup)^-0.5; tiny is Wu et al.'s."""


FEW, SOME, MANY = 10_000, 150_000, 1_500_000
"""Pairs of sentences below which a corpus asks for another model or another training."""


def auto_preset(pairs: int, *, gpu: bool) -> tuple[dict[str, Value], str]:
    """What suits a corpus of so many pairs on such a machine, and in words why.

    The less text, the smaller the model and its batches; on a processor alone, base would take days. That of up to
    150,000 pairs was found on Multi30k, see docs/experiments.md.
    """
    if pairs < FEW:
        name, changes = "tiny", dict[str, Value](batch_tokens=1024)
    elif pairs < SOME:
        name, changes = "small", dict[str, Value](dim=192, feed_forward=384, batch_tokens=2048)
    elif pairs < MANY or not gpu:
        name, changes = "small", dict[str, Value](batch_tokens=4096)
    else:
        name, changes = "base", dict[str, Value](batch_tokens=8192)
    dropout = planned_dropout(pairs, planned_passes(pairs))
    values = {**PRESETS[name], **changes, "dropout": dropout}
    told = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in changes.items())
    where = "" if gpu or pairs < MANY else " and no GPU"
    return values, f"--preset auto: for {pairs:,} pairs{where} {name}, with {told}"


def planned_passes(pairs: int) -> int:
    """How often auto reads a corpus where no steps, minutes or epochs were given."""
    return next(passes for most, passes in _PASSES if pairs < most)


_PASSES = ((FEW, 60), (MANY, 12), (math.inf, 6))
"""Fewer pairs than the first number: the second."""


def planned_dropout(pairs: int, passes: float) -> float:
    """How much dropout suits a training that reads so many pairs so often: what is read often is learnt by heart.

    With R-Drop, which computes what it reads twice, each reading counts as two.
    """
    rate = next((rate for most, rate in _DROPOUT_BY_PASSES if passes < most), 0.3)
    return rate if pairs < SOME else min(rate, 0.1)


_DROPOUT_BY_PASSES = ((5, 0.05), (8, 0.1), (16, 0.15), (35, 0.2))
"""Fewer passes than the first number: the second. From trainings of 5, 20 and 108 minutes, docs/experiments.md."""


def planned_r_drop(pairs: int, passes: float) -> float:
    """The weight of R-Drop in a training that has time to read so many pairs so often, each time twice; 0: without it.

    A text that is read often teaches more when it is read half as often and each batch is computed twice.
    """
    return 3.0 if FEW <= pairs < SOME and passes >= _R_DROP_FROM else 0.0


_R_DROP_FROM = 8
"""Found on Multi30k, docs/experiments.md."""


def planned_batch_tokens(batch_tokens: int, pairs: int, passes: float, steps: int) -> int:
    """The tokens of a batch in a training that reads so many pairs so often, in so many updates with `batch_tokens`.

    Of a text that is read often a long training learns more from batches twice as large, which are computed faster,
    too; a short one needs its updates.
    """
    passes_from, steps_from = _LARGER_BATCHES_FROM
    larger = FEW <= pairs < SOME and passes >= passes_from and steps >= steps_from
    return 2 * batch_tokens if larger else batch_tokens


_LARGER_BATCHES_FROM = (6, 1600)
"""Passes and updates. Found on Multi30k, docs/experiments.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusConfig:
    """How files of sentence pairs are read."""

    source_language: str | None = setting(None, "code of the source language; else taken from the file", group=_READING)
    target_language: str | None = setting(None, "code of the target language; else taken from the file", group=_READING)
    columns: str | None = setting(
        None,
        "source and target column of TSV, by number or by name in its first line, or key of JSON lines: 2,3 or de,en",
        group=_READING,
    )
    inline_tags: str = setting(
        "strip", "tags inside the sentences of TMX and XLIFF", choices=("strip", "keep"), group=_READING
    )

    @property
    def column_names(self) -> list[str]:
        """The columns of source and target, or none."""
        return [column.strip() for column in (self.columns or "").split(",") if column.strip()]

    def problems(self) -> list[str]:
        """What does not fit together across fields, in the words of the options."""
        sides = (("source", self.source_language), ("target", self.target_language))
        found = [
            f"--{side}-language {code} is no code such as de or pt-BR"
            for side, code in sides
            if code is not None and not re.fullmatch("[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*", code)
        ]
        names = self.column_names
        if self.columns is not None and len(names) != 2:
            found.append(f"--columns {self.columns} is not a source and a target column, such as 2,3")
        if "0" in names:
            found.append(f"--columns {self.columns}: columns count from 1")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerConfig(CorpusConfig):
    """How to train a SentencePiece tokenizer."""

    vocab_size: str | int = setting("auto", "pieces in the vocabulary, or auto: chosen by the size of the corpus")
    type: str = setting("bpe", "how pieces are found", choices=("bpe", "unigram", "char", "byte"))
    separate: bool = setting(False, "one tokenizer for each language, in place of one for both")
    character_coverage: float = setting(
        0.9999, "share of the corpus's characters that get a piece of their own", above=0.9
    )
    byte_fallback: bool = setting(True, "spell other characters as bytes, so that no text is unknown")
    normalization: str = setting(
        "nmt_nfkc",
        "SentencePiece's rule for folding characters before they are cut",
        choices=("nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"),
    )
    symbol: list[str] | None = setting(None, "a piece that is never cut, such as <2de>; may be repeated")
    protect: bool = setting(
        False, "make symbols of placeholders, tags and beginnings of URLs that the corpus has ten times"
    )
    sample: int = setting(
        2_000_000, "sentences to train on, drawn from all of the corpus where it has more", minimum=1000
    )

    def problems(self) -> list[str]:
        """What does not fit together across fields, in the words of the options."""
        found = CorpusConfig.problems(self)
        if self.type == "byte" and not self.byte_fallback:
            found.append(
                "--type byte spells everything as bytes, and --no-byte-fallback nothing; leave out one of them"
            )
        if self.vocab_size != "auto" and not re.fullmatch("[1-9][0-9]*", str(self.vocab_size)):
            found.append(f"--vocab-size {self.vocab_size} is neither a number nor auto")
        if self.character_coverage > 1:
            found.append(f"--character-coverage {self.character_coverage} is more than 1, which covers everything")
        found += [f"--symbol {symbol!r} is blank" for symbol in self.symbol or [] if not symbol.strip()]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningConfig(CorpusConfig):
    """Which sentence pairs are fit to train on."""

    clean: bool = setting(True, "drop pairs by rule; --no-clean drops only empty and too long ones", group=_CLEANING)
    max_length: int = setting(256, "drop pairs with a side of more tokens than this", minimum=2, group=_CLEANING)
    min_length: int = setting(1, "drop pairs with a side of fewer tokens than this", minimum=1, group=_CLEANING)
    max_ratio: float = setting(
        9.0,
        "drop pairs with one side this many times longer than the other and 10 characters more",
        above=1,
        group=_CLEANING,
    )
    max_deviation: float = setting(
        8.0,
        "drop pairs whose lengths are so many standard deviations from what is usual in the corpus (0: off)",
        minimum=0,
        group=_CLEANING,
    )
    keep_identical: bool = setting(False, "keep pairs whose sides are the same", group=_CLEANING)
    deduplicate: str = setting(
        "pair",
        "drop pairs that occurred before, also where only letters are compared, or those of which one side did",
        choices=("pair", "near", "source", "target", "off"),
        group=_CLEANING,
    )
    check_scripts: bool = setting(True, "drop what is not in the script of its language", group=_CLEANING)
    check_languages: bool = setting(
        False, "drop what is in another language, with great certainty; needs nmt's extra langid", group=_CLEANING
    )
    check_placeholders: bool = setting(
        True, "drop pairs whose sides differ in placeholders or tags, such as {0}, %s, <b>", group=_CLEANING
    )
    repair: bool = setting(
        True, "read again what was read in a wrong encoding, such as \u00c3\u00bc for \u00fc", group=_CLEANING
    )
    normal_form: str = setting(
        "nfc", "Unicode normal form of the text", choices=("nfc", "nfkc", "none"), group=_CLEANING
    )
    plain_quotes: bool = setting(False, "make quotation marks straight and dashes hyphens", group=_CLEANING)

    def problems(self) -> list[str]:
        """What does not fit together across fields, in the words of the options."""
        found = CorpusConfig.problems(self)
        if self.min_length > self.max_length:
            found.append(f"--min-length {self.min_length} is more than --max-length {self.max_length}")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig(CleaningConfig):
    """What is made of a corpus."""

    split: int = setting(0, "cut this many pairs off for --valid and --test each, where they are not given", minimum=0)
    shard: str | None = setting(None, "prepare only the i-th of n parts, such as 3/8, to be merged; any machine may")
    merge: int = setting(0, "put so many shards together in place of preparing everything", minimum=0)

    @property
    def shard_of(self) -> tuple[int, int]:
        """Which shard is to be written, and of how many."""
        number, _, total = (self.shard or "1/1").partition("/")
        return int(number), int(total)

    def problems(self) -> list[str]:
        """What does not fit together across fields, in the words of the options."""
        found = CleaningConfig.problems(self)
        if not self.clean and self.check_languages:
            found.append("--check-languages cleans, and --no-clean does not; leave out one of them")
        if self.shard is not None and self.merge:
            found.append("--shard writes a part, and --merge puts them together; give one of them")
        good = re.fullmatch("[0-9]+/[0-9]+", self.shard or "1/1") and 1 <= self.shard_of[0] <= self.shard_of[1]
        return found if good else [*found, f"--shard {self.shard} is not the i-th of n, such as 3/8"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig:
    """How to look for the best translation."""

    beam: int = setting(5, "hypotheses kept at each step (1: greedy)", minimum=1, maximum=1000)
    n_best: int = setting(1, "translations given for each line, best first", minimum=1, maximum=1000)
    batch_tokens: int | None = setting(
        None,
        "source tokens decoded together, times the hypotheses of each (default: 5,000 on a CPU, 100,000 on a GPU)",
        minimum=1,
    )
    split_sentences: bool = setting(
        False, "translate each sentence of a line by itself, not only those of lines longer than the model reads"
    )
    length_penalty: float = setting(
        1.0, "alpha of the length normalisation, by which scores are divided", minimum=0, maximum=100, group=_LENGTH
    )
    length_normalization: str = setting(
        "wu",
        "divide by ((5 + length) / 6) ** alpha, as Wu et al. 2016, or by length ** alpha",
        choices=("wu", "average"),
        group=_LENGTH,
    )
    max_length: int | None = setting(
        None,
        "longest translation in tokens, end of sentence included (default: twice the source and 20 more)",
        minimum=1,
        maximum=1 << 16,
        group=_LENGTH,
    )
    max_ratio: float | None = setting(None, "longest translation for each source token", above=0, group=_LENGTH)
    min_length: int = setting(
        1, "shortest translation in tokens, end of sentence included", minimum=1, maximum=1 << 16, group=_LENGTH
    )
    min_ratio: float = setting(0.0, "shortest translation for each source token", minimum=0, group=_LENGTH)
    coverage_penalty: float = setting(
        0.0, "beta of Wu et al. 2016: what is left untranslated lowers the score, such as 0.2", minimum=0, group=_WORDS
    )
    no_repeat_ngram: int = setting(
        0, "never write the same tokens in a row of this length twice (0: off)", minimum=0, group=_WORDS
    )
    repetition_penalty: float = setting(
        1.0,
        "multiply the log-probability of tokens that are there already, as Keskar et al. 2019",
        minimum=1,
        group=_WORDS,
    )
    forbid: list[str] | None = setting(
        None, "a word or phrase never to write, in any case; may be repeated", group=_WORDS
    )
    loop_guard: bool = setting(True, "decode again, without repetitions, what runs in circles", group=_WORDS)
    beam_groups: int = setting(
        1,
        "divide the beam into groups that avoid each other's tokens (Vijayakumar et al. 2018)",
        minimum=1,
        maximum=1000,
        group=_MANY,
    )
    diversity: float = setting(0.5, "how much a token costs that an earlier group wrote", minimum=0, group=_MANY)
    mbr: str = setting(
        "off",
        "of the beam, or of --candidates samples, give what is most like all the others, by chrF or BLEU",
        choices=("off", "chrf", "bleu"),
        group=_MANY,
    )
    candidates: int | None = setting(
        None, "samples that --mbr with --sample draws (default: 32)", minimum=2, maximum=1000, group=_MANY
    )
    sample: bool = setting(False, "draw translations at random in place of searching", group=_SAMPLING)
    temperature: float = setting(
        1.0, "divide log-probabilities by this before drawing", above=0, maximum=100, group=_SAMPLING
    )
    top_k: int = setting(0, "draw among so many best tokens (0: all)", minimum=0, group=_SAMPLING)
    top_p: float = setting(
        1.0, "draw among the best tokens that have this probability together", above=0, maximum=1, group=_SAMPLING
    )
    seed: int = setting(
        1, "what draws are derived from, with the text of the line", minimum=0, maximum=(1 << 63) - 1, group=_SAMPLING
    )

    @property
    def hypotheses(self) -> int:
        """Hypotheses of each sentence that search extends at a time."""
        if not self.sample:
            return self.beam
        return self.n_best if self.mbr == "off" else max(self.n_best, self.candidates or 32)

    @property
    def found(self) -> int:
        """Hypotheses of each sentence that search gives."""
        return self.n_best if self.mbr == "off" else self.hypotheses

    def source_tokens(self, *, gpu: bool) -> int:
        """Source tokens of a batch."""
        tokens = self.batch_tokens or (100_000 if gpu else 5_000)
        return max(1, tokens // self.hypotheses)

    def problems(self) -> list[str]:
        """What does not fit together across fields, in the words of the options."""
        found = []
        if self.n_best > self.hypotheses:
            found.append(f"--n-best {self.n_best} is more than --beam {self.beam}; raise --beam")
        if self.beam % self.beam_groups:
            found.append(f"--beam-groups {self.beam_groups} does not divide --beam {self.beam}")
        if self.sample and self.beam_groups > 1:
            found.append("--beam-groups divides a beam, and --sample has none; leave out one of them")
        if self.sample and self.coverage_penalty:
            found.append("--coverage-penalty ranks what a search finds, and --sample does not search; leave out one")
        if self.candidates is not None and (self.mbr == "off" or not self.sample):
            found.append("--candidates are the samples that --mbr chooses from; give --sample and --mbr, too")
        if not self.sample and (self.temperature != 1 or self.top_k or self.top_p < 1):
            found.append("--temperature, --top-k and --top-p say how to draw; give --sample, too")
        if self.max_length is not None and self.min_length > self.max_length:
            found.append(f"--min-length {self.min_length} is more than --max-length {self.max_length}")
        if self.max_ratio is not None and self.min_ratio > self.max_ratio:
            found.append(f"--min-ratio {self.min_ratio} is more than --max-ratio {self.max_ratio}")
        found += [f"--forbid {word!r} is blank" for word in self.forbid or [] if not word.strip()]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalConfig:
    """How to score translations."""

    metric: list[str] | None = setting(
        None,
        "bleu, chrf, chrf++, ter, or comet, which needs --comet-model; may be repeated (default: bleu, chrf and ter)",
        group=_SCORES,
    )
    tokenize: str | None = setting(
        None,
        "BLEU's tokenizer, one of sacrebleu's (default: 13a; ko-mecab, ja-mecab or zh by the language)",
        group=_SCORES,
    )
    target_language: str | None = setting(None, "code of the language; else that of the run's data", group=_SCORES)
    confidence: bool = setting(False, "intervals of confidence, from 1,000 resamples of the set", group=_SCORES)
    significance: str = setting(
        "off",
        "test whether systems differ from the first, by paired bootstrap or approximate randomization",
        choices=("off", "bootstrap", "randomization"),
        group=_SCORES,
    )
    samples: int | None = setting(
        None,
        "resamples of that test (default: 1,000 of the bootstrap, 10,000 randomizations)",
        minimum=100,
        group=_SCORES,
    )
    details: bool = setting(False, "tell n-gram precisions, brevity penalty and lengths, too", group=_SCORES)
    show: int | None = setting(
        None, "sentences that --diff shows of those that got worse and of those that got better (default: 3)", minimum=0
    )

    @property
    def metrics(self) -> list[str]:
        """The metrics that are asked for."""
        return list(dict.fromkeys(self.metric or DEFAULT_METRICS))

    def problems(self) -> list[str]:
        """What does not fit together across fields, in the words of the options."""
        found = [
            f"--metric {name} is unknown; choose from {', '.join(METRICS)}"
            for name in self.metrics
            if name not in METRICS
        ]
        if self.samples is not None and self.significance == "off":
            found.append("--samples are those of --significance; give it, too")
        if self.significance != "off" and "comet" in self.metrics:
            found.append("--significance tests bleu, chrf, chrf++ and ter, not comet; choose with --metric")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreConfig:
    """How to score translations that are there already."""

    length_penalty: float = setting(
        1.0, "alpha of the length normalisation, by which scores are divided", minimum=0, maximum=100
    )
    length_normalization: str = setting(
        "wu",
        "divide by ((5 + length) / 6) ** alpha, as Wu et al. 2016, or by length ** alpha",
        choices=("wu", "average"),
    )
    batch_tokens: int = setting(2048, "tokens scored together on the longer side, padding included", minimum=1)

    def problems(self) -> list[str]:
        """Nothing to check across fields."""
        return []


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """Where and how to compute."""

    device: str = setting(
        "auto", "device to compute on: cpu, cuda, cuda:1, mps, xpu, or auto, a GPU where there is one", group=_RUNTIME
    )
    precision: str = setting(
        "auto",
        "number format of the arithmetic; auto takes what suits command and hardware",
        choices=("auto", "float32", "bfloat16", "float16", "int8"),
        group=_RUNTIME,
    )
    threads: int = setting(0, "CPU threads (0: one for each core)", minimum=0, maximum=1024, group=_RUNTIME)

    def problems(self) -> list[str]:
        """Nothing to check across fields."""
        return []
