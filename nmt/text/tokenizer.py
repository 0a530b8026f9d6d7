"""SentencePiece (Kudo & Richardson 2018): text to tokens and back, without any other pre- or post-processing.

Decoding what was encoded gives the text back after the model's declared normalisation, spaces folded: with byte
fallback (the default) that holds for every text. Pieces such as `</s>` are control symbols: they are never cut from
text, so a line that spells them is text like any other.
"""

import hashlib
import io
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import sentencepiece

from nmt.config import TokenizerConfig
from nmt.errors import NmtError
from nmt.files import atomic_write, read_text

logger = logging.getLogger("nmt")

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
"""Tokens of the control symbols `<pad>`, `<unk>`, `<s>`, `</s>` in every tokenizer that nmt trains."""

_SHARED, _SOURCE, _TARGET = "tokenizer.model", "tokenizer.source.model", "tokenizer.target.model"
_NORMALIZER = re.compile(rb"\n.(nmt_)?(nfkc|nfkc_cf|identity)\x12?", re.DOTALL)
_AUTO_SIZES = ((10_000, 4_000), (100_000, 8_000), (1_000_000, 16_000))
_LARGEST_AUTO = 32_000
_TRAINING_THREADS = 4  # the same everywhere: the model depends on it


class Tokenizer:
    """One SentencePiece model."""

    def __init__(self, model: bytes, name: str) -> None:
        """Parse a serialised model; NmtError when the bytes are no SentencePiece model made by nmt."""
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            control = [self._processor.piece_to_id(piece) for piece in ("<pad>", "<unk>", "<s>", "</s>")]
        except Exception as error:  # SentencePiece raises RuntimeError, ValueError or its own by version
            raise NmtError(
                f"{name}: not a SentencePiece model: {_first_line(error)}", "is the file complete?"
            ) from None
        if not _NORMALIZER.search(model):  # a protobuf may be cut between two fields; this one is the last
            raise NmtError(f"{name}: the rules of normalisation are missing", "is the file complete?")
        if control != [PAD, UNKNOWN, BEGIN, END]:
            raise NmtError(
                f"{name}: <pad>, <unk>, <s>, </s> are pieces {control}, not 0 to 3", "train it with nmt tokenizer train"
            )

    def __len__(self) -> int:
        """The size of the vocabulary."""
        return int(self._processor.get_piece_size())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.model == other.model

    def __hash__(self) -> int:
        return hash(self.model)

    def encode(self, lines: Sequence[str], threads: int = 1) -> list[list[int]]:
        """The tokens of each line, without control symbols."""
        tokens: list[list[int]] = self._processor.encode(list(lines), out_type=int, num_threads=threads)
        return tokens

    def encode_pieces(self, lines: Sequence[str]) -> list[list[str]]:
        """The pieces of each line as strings, `▁` standing for a space."""
        pieces: list[list[str]] = self._processor.encode(list(lines), out_type=str)
        return pieces

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """The text of each row of tokens, on one line; control symbols are left out."""
        text: list[str] = self._processor.decode([list(row) for row in tokens])
        return [line.replace("\n", " ") for line in text]  # byte pieces could spell a newline

    def decode_pieces(self, pieces: Sequence[str]) -> str:
        """The text that a row of pieces stands for."""
        return str(self._processor.decode_pieces(list(pieces))).replace("\n", " ")

    def pieces(self, tokens: Iterable[int]) -> list[str]:
        """The pieces that tokens stand for."""
        return [self._processor.id_to_piece(token) for token in tokens]

    def vocabulary(self) -> list[str]:
        """All pieces, in the order of their tokens."""
        return self.pieces(range(len(self)))

    def ids(self, pieces: Iterable[str]) -> list[int]:
        """The tokens of pieces."""
        return [self._processor.piece_to_id(piece) for piece in pieces]

    def divisible_pieces(self) -> dict[str, int]:
        """The pieces that were learnt, with their tokens; no control symbol, no byte, no symbol of the user's.

        SentencePiece gives symbols of the user's the score 0, and so the very first merge, which goes with them.
        """
        one = self._processor
        learnt = (
            token
            for token in range(len(self))
            if one.get_score(token) and not (one.is_control(token) or one.is_unknown(token) or one.is_byte(token))
        )
        return {one.id_to_piece(token): token for token in learnt}

    def normalize(self, line: str) -> str:
        """The text that encoding sees, spaces folded: what a round trip gives back."""
        return str(self._processor.normalize(line)).replace("▁", " ").strip(" ")


@dataclass(frozen=True, slots=True)
class Tokenizers:
    """The tokenizers of the source and the target language, which may be one and the same."""

    source: Tokenizer
    target: Tokenizer

    @property
    def shared(self) -> bool:
        """Whether source and target have one vocabulary."""
        return self.source == self.target

    def fingerprint(self) -> dict[str, str]:
        """What tells these tokenizers from others: the SHA-256 of each model."""
        return {
            side: hashlib.sha256(tokenizer.model).hexdigest()
            for side, tokenizer in (("source", self.source), ("target", self.target))
        }

    @classmethod
    def load(cls, directory: Path) -> "Tokenizers":
        """Read `tokenizer.model`, or `tokenizer.source.model` and `tokenizer.target.model`, from a directory."""
        if (directory / _SHARED).exists():
            both = _load(directory / _SHARED)
            return cls(both, both)
        if (directory / _SOURCE).exists() or (directory / _TARGET).exists():
            return cls(_load(directory / _SOURCE), _load(directory / _TARGET))
        raise NmtError(f"{directory}: no tokenizer there", f"nmt tokenizer train FILE... --run {directory}")

    def save(self, directory: Path) -> None:
        """Write the models under the names that `load` reads, and remove those that it no longer should."""
        models = {_SHARED: self.source} if self.shared else {_SOURCE: self.source, _TARGET: self.target}
        for name, tokenizer in models.items():
            with atomic_write(directory / name) as stream:
                stream.write(tokenizer.model)
        for name in {_SHARED, _SOURCE, _TARGET} - models.keys():
            (directory / name).unlink(missing_ok=True)


def _load(path: Path) -> Tokenizer:
    try:
        return Tokenizer(path.read_bytes(), str(path))
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror}") from None


# --------------------------------------------------------------------------------------------------------- training


def train_tokenizers(files: Sequence[Path], config: TokenizerConfig) -> Tokenizers:
    """Train one tokenizer on all files, or with `separate` one on each of two: source, then target.

    TSV files (`.tsv`, also compressed) give the text of all their columns.
    """
    if not config.separate:
        both = train_tokenizer(files, config)
        return Tokenizers(both, both)
    if len(files) != 2:
        raise NmtError(f"--separate needs two files, source and target, but got {len(files)}")
    return Tokenizers(train_tokenizer(files[:1], config), train_tokenizer(files[1:], config))


def train_tokenizer(files: Sequence[Path], config: TokenizerConfig) -> Tokenizer:
    """Train a tokenizer on the lines of files.

    A corpus that cannot fill the vocabulary gives a smaller one and a notice; one whose characters alone are more than
    the vocabulary holds is an NmtError that says how many pieces they need.
    """
    names = ", ".join(map(str, files))
    wanted = _vocabulary_size(files, config)
    model, problems = io.BytesIO(), list[NmtError]()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_noting(_not_empty(_training_lines(files), names), problems),
            model_writer=model,
            model_type=config.type,
            vocab_size=wanted,
            hard_vocab_limit=False,
            character_coverage=config.character_coverage,
            byte_fallback=config.byte_fallback,
            normalization_rule_name=config.normalization,
            user_defined_symbols=config.symbol or [],
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            max_sentence_length=1 << 20,
            num_threads=_TRAINING_THREADS,
            minloglevel=3,
        )
    except RuntimeError as error:
        raise (problems[0] if problems else _training_problem(error, wanted, names)) from None
    tokenizer = Tokenizer(model.getvalue(), names)
    if len(tokenizer) < wanted:
        logger.warning(
            "the corpus fills a vocabulary of %d pieces, not %d; training goes on with that", len(tokenizer), wanted
        )
    return tokenizer


def _training_problem(error: RuntimeError, wanted: int, names: str) -> NmtError:
    needed = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
    if needed:
        return NmtError(
            f"--vocab-size {wanted} is too small: the characters of {names} alone take {needed[1]} pieces",
            f"set --vocab-size above {needed[1]}, or a lower --character-coverage, or --no-byte-fallback",
        )
    return NmtError(f"{names}: SentencePiece cannot train on this: {_first_line(error)}", "is there any text in it?")


def _vocabulary_size(files: Sequence[Path], config: TokenizerConfig) -> int:
    if config.vocab_size != "auto":
        return int(config.vocab_size)
    pairs = sum(1 for _ in islice(_training_lines(files), 2 * _AUTO_SIZES[-1][0])) // (1 if config.separate else 2)
    size = next((size for below, size in _AUTO_SIZES if pairs < below), _LARGEST_AUTO)
    logger.info("vocabulary: %d pieces, chosen for about %d sentence pairs", size, pairs)
    return size


def _training_lines(files: Sequence[Path]) -> Iterator[str]:
    lines = chain.from_iterable(
        (column for line in read_text(path) for column in line.split("\t"))
        if ".tsv" in path.suffixes
        else read_text(path)
        for path in files
    )
    return (line.replace("\0", " ") for line in lines)  # SentencePiece skips a sentence that holds NUL


def _noting(lines: Iterator[str], problems: list[NmtError]) -> Iterator[str]:
    """The lines; an NmtError on the way is kept, because SentencePiece makes a RuntimeError of it."""
    try:
        yield from lines
    except NmtError as error:
        problems.append(error)
        raise


def _not_empty(lines: Iterator[str], names: str) -> Iterator[str]:
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise NmtError(f"{names}: no text there", "a tokenizer is trained on sentences, one a line")
    return chain([first], lines)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
