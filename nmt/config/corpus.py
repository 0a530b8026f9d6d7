"""How corpora are read, tokenized, cleaned and prepared."""

import re
from dataclasses import dataclass

from nmt.config.setting import AUTO, Config, Group, setting

_reading, _cleaning = Group("Reading"), Group("Cleaning")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusConfig(Config):
    """How files of sentence pairs are read."""

    format: str = _reading(
        "auto",
        "File format (auto: by name and content)",
        choices=("auto", "plain", "tsv", "jsonl", "tmx", "xliff", "po"),
    )
    source_language: str | None = _reading(None, "Source language code (default: from the file name or content)")
    target_language: str | None = _reading(None, "Target language code (default: from the file name or content)")
    columns: str | None = _reading(
        None, "Source and target columns of TSV, by number or header name, or keys of JSON lines: 2,3 or de,en"
    )
    inline_tags: str = _reading("strip", "Strip or keep inline tags of TMX and XLIFF", choices=("strip", "keep"))

    @property
    def column_names(self) -> list[str]:
        """The columns of source and target, or none."""
        return [column.strip() for column in (self.columns or "").split(",") if column.strip()]

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        sides = (("source", self.source_language), ("target", self.target_language))
        problems = [
            f"--{side}-language {code} is not a code such as de or pt-BR"
            for side, code in sides
            if code is not None and not re.fullmatch("[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*", code)
        ]
        names = self.column_names
        if self.columns is not None and len(names) != 2:
            problems.append(f"--columns {self.columns} is not a source and a target column, such as 2,3")
        if "0" in names:
            problems.append(f"--columns {self.columns}: columns count from 1")
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerConfig(CorpusConfig):
    """How to train a SentencePiece tokenizer."""

    vocab_size: str | int = setting("auto", "Vocabulary size: number of pieces, or auto: by corpus size")
    type: str = setting("bpe", "Subword model type", choices=("bpe", "unigram", "char", "byte"))
    separate: bool = setting(False, "Train one vocabulary per language instead of a joint one")
    character_coverage: float = setting(0.9999, "Fraction of the corpus's characters to cover", "[0.98, inf)")
    byte_fallback: bool = setting(True, "Encode characters outside the vocabulary as bytes, so that nothing is <unk>")
    normalization: str = setting(
        AUTO,
        "Normalization: nfc composes accents and keeps the rest; SentencePiece's nfkc rules turn ， into a comma; "
        "auto: nfc, and nmt_nfkc for the source of --separate",
        choices=(AUTO, "nfc", "identity", "nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf"),
    )
    symbol: list[str] | None = setting(None, "User-defined symbol, never split, such as <2de>; may be repeated")
    protect: bool = setting(False, "Add placeholders, tags and URL prefixes that occur ten times as symbols")
    sample: int = setting(2_000_000, "Maximum sentences to train on; larger corpora are sampled", "[1000, inf)")

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        problems = CorpusConfig.problems(self)
        if self.type == "byte" and not self.byte_fallback:
            problems.append("--type byte encodes everything as bytes, and --no-byte-fallback nothing; leave out one")
        if self.vocab_size != "auto" and not re.fullmatch("[1-9][0-9]*", str(self.vocab_size)):
            problems.append(f"--vocab-size {self.vocab_size} is neither a number nor auto")
        if self.character_coverage > 1:
            problems.append(f"--character-coverage {self.character_coverage} is more than 1, which covers everything")
        return problems + _symbol_problems(self.symbol or [])


def _symbol_problems(symbols: list[str]) -> list[str]:
    """The symbols that SentencePiece would take for something else, or never find in text."""
    problems = list[str]()
    for index, symbol in enumerate(symbols):
        if symbol in symbols[:index]:
            problems.append(f"--symbol {symbol!r} is given twice")
        elif not symbol or re.search(r"[\s▁]", symbol):
            problems.append(f"--symbol {symbol!r} is blank or contains a space, so it would never match")
        elif re.fullmatch("<(pad|unk|s|/s|0x[0-9A-F]{2})>", symbol):
            problems.append(f"--symbol {symbol!r} is a control symbol of every vocabulary")
        elif not symbol.isprintable():
            problems.append(f"--symbol {symbol!r} contains control characters")
    return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class CleaningConfig(CorpusConfig):
    """Which sentence pairs are fit to train on."""

    clean: bool = _cleaning(True, "Filter pairs by the rules below; --no-clean drops only empty and overlong ones")
    max_length: int = _cleaning(256, "Drop pairs with a side of more than this many tokens", "[2, inf)")
    min_length: int = _cleaning(1, "Drop pairs with a side of fewer than this many tokens", "[1, inf)")
    max_ratio: float = _cleaning(
        9.0, "Length ratio: drop pairs with a side longer than RATIO * (the other + 10) characters", "(1, inf)"
    )
    max_deviation: float = _cleaning(
        8.0, "Drop pairs whose lengths deviate from the corpus by more standard deviations (0: off)", "[0, inf)"
    )
    keep_identical: bool = _cleaning(False, "Keep pairs whose sides are identical")
    deduplicate: str = _cleaning(
        "pair",
        "Deduplicate: drop pairs that repeat a pair, a pair but for case, digits and punctuation, or one of its sides",
        choices=("pair", "near", "source", "target", "off"),
    )
    check_scripts: bool = _cleaning(True, "Drop pairs with a side that is not in the script of its language")
    check_languages: bool = _cleaning(
        False, "Language identification: drop pairs with a side in another language; needs the extra langid"
    )
    check_placeholders: bool = _cleaning(True, "Drop pairs that differ in placeholders or tags, such as {0}, %s, <b>")
    repair: bool = _cleaning(True, "Repair mojibake (text in the wrong encoding), such as \u00c3\u00bc for \u00fc")
    normal_form: str = _cleaning("nfc", "Unicode normalization form of both sides", choices=("nfc", "nfkc", "none"))
    plain_quotes: bool = _cleaning(False, "Replace typographic quotation marks and dashes with ASCII ones")

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        problems = CorpusConfig.problems(self)
        if self.min_length > self.max_length:
            problems.append(f"--min-length {self.min_length} is more than --max-length {self.max_length}")
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareConfig(CleaningConfig):
    """How a corpus becomes prepared data."""

    split: int = setting(0, "Hold out this many pairs each for --valid and --test if missing (0: none)", "[0, inf)")
    shard: str | None = setting(None, "Prepare only the i-th of n shards, such as 3/8, on any machine; see --merge")
    merge: int = setting(0, "Merge this many prepared shards into RUN/data (0: off)", "[0, inf)")

    @property
    def shard_of(self) -> tuple[int, int]:
        """The number of the shard to write, and how many there are."""
        number, _, total = (self.shard or "1/1").partition("/")
        return int(number), int(total)

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        problems = CleaningConfig.problems(self)
        if not self.clean and self.check_languages:
            problems.append("--check-languages is a cleaning rule, and --no-clean turns those off; leave out one")
        if self.shard is not None and self.merge:
            problems.append("--shard writes a shard, and --merge puts them together; give one of them")
        valid = re.fullmatch("[0-9]+/[0-9]+", self.shard or "1/1") and 1 <= self.shard_of[0] <= self.shard_of[1]
        return problems if valid else [*problems, f"--shard {self.shard} is not the i-th of n, such as 3/8"]
