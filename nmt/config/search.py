"""How to search for translations."""

from dataclasses import dataclass

from nmt.config.setting import Config, Group, setting

_length, _repetition = Group("Length"), Group("Coverage and repetition")
_diversity, _sampling = Group("Diverse beam search and minimum Bayes risk"), Group("Sampling")


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthPenaltyConfig(Config):
    """How scores are normalized by length."""

    length_penalty: float = _length(1.0, "Length penalty alpha: higher favors longer output (0: off)", "[0, 100]")
    length_normalization: str = _length(
        "average",
        "Length normalization: divide scores by ((5 + length) / 6) ** alpha (Wu et al. 2016) or by length ** alpha",
        choices=("wu", "average"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchConfig(LengthPenaltyConfig):
    """Beam search, sampling and what they may write."""

    beam: int = setting(5, "Beam size: hypotheses kept at each step (1: greedy search)", "[1, 1000]")
    n_best: int = setting(1, "Size of the n-best list: translations per line, best first, up to --beam", "[1, 1000]")
    shortlist: bool = setting(
        True, "Lexical shortlist, with --precision int8: choose among the likely translations of the source tokens"
    )
    batch_tokens: int | None = setting(
        None, "Batch size: source tokens times beam size (default: 5,000 on a CPU, 100,000 on a GPU)", "[1, inf)"
    )
    split_sentences: bool = setting(
        False, "Translate each sentence of a line separately; by default only in lines longer than the model's maximum"
    )
    fold_case: bool = setting(
        True,
        "Translate lines in capitals or Title Case as sentences if these have fewer tokens; capitals stay capitals",
    )
    protect: str = setting(
        "auto",
        "Placeholders, tags and URLs: auto keeps each exactly once where it can; on leaves text untranslated where it "
        "cannot, as in documents; off treats them as text",
        choices=("auto", "on", "off"),
    )
    max_length: int | None = _length(
        None,
        "Maximum length of translations in tokens, end-of-sentence included (default: 2 * source length + 20)",
        "[1, 65536]",
    )
    max_ratio: float | None = _length(None, "Maximum length as a multiple of the source length", "(0, inf)")
    min_length: int = _length(
        2,
        "Minimum length of translations in tokens, end-of-sentence included (1: translations may be empty)",
        "[1, 65536]",
    )
    min_ratio: float = _length(0.0, "Minimum length as a multiple of the source length", "[0, inf)")
    coverage_penalty: float = _repetition(
        0.0, "Coverage penalty beta (Wu et al. 2016) on untranslated words, such as 0.2 (0: off)", "[0, inf)"
    )
    no_repeat_ngram: int = _repetition(0, "Never repeat an n-gram of this many tokens (0: off)", "[0, inf)")
    repetition_penalty: float = _repetition(
        1.0,
        "Repetition penalty (Keskar et al. 2019): factor on the log-probability of generated tokens (1: off)",
        "[1, inf)",
    )
    forbid: list[str] | None = _repetition(None, "Forbidden word or phrase, case-insensitive; may be repeated")
    loop_guard: bool = _repetition(True, "Detect degenerate repetition and decode again with n-gram blocking")
    beam_groups: int = _diversity(1, "Diverse beam search (Vijayakumar et al. 2018): beam groups (1: off)", "[1, 1000]")
    diversity: float = _diversity(0.5, "Diversity penalty for tokens that earlier groups chose", "[0, inf)")
    mbr: str = _diversity(
        "off",
        "Minimum Bayes risk (MBR) decoding: choose the hypothesis or sample of highest expected chrF or BLEU",
        choices=("off", "chrf", "bleu"),
    )
    candidates: int | None = _diversity(None, "Samples for --mbr with --sample (default: 32)", "[2, 1000]")
    sample: bool = _sampling(False, "Sample translations instead of beam search")
    temperature: float = _sampling(1.0, "Sampling temperature, by which logits are divided (with --sample)", "(0, 100]")
    top_k: int = _sampling(0, "Top-k sampling, with --sample: among the k most probable tokens (0: all)", "[0, inf)")
    top_p: float = _sampling(
        1.0,
        "Nucleus (top-p) sampling, with --sample: among the smallest set of tokens with total probability p",
        "(0, 1]",
    )
    seed: int = _sampling(1, "Random seed for sampling", "[0, 9223372036854775807]")

    @property
    def hypotheses(self) -> int:
        """Hypotheses of each sentence that search extends at a time."""
        if not self.sample:
            return self.beam
        return self.n_best if self.mbr == "off" else max(self.n_best, self.candidates or 32)

    @property
    def returned(self) -> int:
        """Hypotheses of each sentence that search returns: the n-best list, or the candidates of MBR decoding."""
        return self.n_best if self.mbr == "off" else self.hypotheses

    def source_tokens(self, *, gpu: bool) -> int:
        """Source tokens of a batch."""
        tokens = self.batch_tokens or (100_000 if gpu else 5_000)
        return max(1, tokens // self.hypotheses)

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        problems = []
        if self.n_best > self.hypotheses:
            problems.append(f"--n-best {self.n_best} is more than --beam {self.beam}; raise --beam")
        if self.beam % self.beam_groups:
            problems.append(f"--beam-groups {self.beam_groups} does not divide --beam {self.beam}")
        if self.sample and self.beam_groups > 1:
            problems.append("--beam-groups divides a beam, and --sample has none; leave out one of them")
        if self.sample and self.coverage_penalty:
            problems.append("--coverage-penalty is part of beam search, and --sample does not search; leave out one")
        if self.candidates is not None and (self.mbr == "off" or not self.sample):
            problems.append("--candidates are the samples that --mbr chooses from; give --sample and --mbr, too")
        if not self.sample and (self.temperature != 1 or self.top_k or self.top_p < 1):
            problems.append("--temperature, --top-k and --top-p are options of sampling; give --sample, too")
        if self.max_length is not None and self.min_length > max(2, self.max_length):
            problems.append(f"--min-length {self.min_length} is more than --max-length {self.max_length}")
        if self.max_ratio is not None and self.min_ratio > self.max_ratio:
            problems.append(f"--min-ratio {self.min_ratio} is more than --max-ratio {self.max_ratio}")
        return problems + [f"--forbid {word!r} is blank" for word in self.forbid or [] if not word.strip()]
