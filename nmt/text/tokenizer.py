"""SentencePiece (Kudo & Richardson 2018): text to tokens and back, without any other pre- or post-processing.

Decoding what was encoded gives the text back after the model's declared normalisation, spaces folded: with byte
fallback (the default) that holds for every text. Pieces such as `</s>` are control symbols: they are never cut from
text, so a line that spells them is text like any other.
"""

import hashlib
import io
import logging
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import sentencepiece

from nmt.config import TokenizerConfig
from nmt.errors import NmtError
from nmt.files import atomic_write, read_text
from nmt.text.clean import PLACEHOLDER
from nmt.text.corpus import Corpus, corpora, format_of, read_pairs

logger = logging.getLogger("nmt")

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
"""Tokens of the control symbols `<pad>`, `<unk>`, `<s>`, `</s>` in every tokenizer that nmt trains."""

_SHARED, _SOURCE, _TARGET = "tokenizer.model", "tokenizer.source.model", "tokenizer.target.model"
_NORMALIZER = re.compile(rb"\n.(nmt_)?(nfkc|nfkc_cf|identity)\x12?", re.DOTALL)
_AUTO_SIZES = ((10_000, 4_000), (100_000, 8_000), (1_000_000, 16_000))
_LARGEST_AUTO = 32_000
_BYTES = 4 + 256 + 2  # control symbols, bytes, the space, and a character that SentencePiece must be given
_NO_CHARACTER = "\ue000"
_URL = re.compile(r"https?://(?:www\.)?|www\.")
_MOST_SYMBOLS, _OFTEN = 200, 10
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

    def encode(self, lines: Sequence[str], *, end: bool = False) -> list[list[int]]:
        """The tokens of each line, without control symbols or with the end of the sentence."""
        tokens: list[list[int]] = self._processor.encode(list(lines), out_type=int, add_eos=end, num_threads=1)
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
    """Train one tokenizer on the text of all files, or with `separate` one on that of each side.

    Of files that hold pairs (TSV, JSON lines, TMX, XLIFF, PO) both sides are taken; others are lines of text.
    """
    texts = training_sample(files, config, separate=config.separate)
    trained = [_train(text, config, side) for text, side in zip(texts, _names(files, len(texts)), strict=True)]
    return Tokenizers(trained[0], trained[-1])


def _names(files: Sequence[Path], sides: int) -> list[str]:
    """What texts are called in messages."""
    if sides == len(files) == 2:
        return [str(file) for file in files]
    return [", ".join(map(str, files))] * sides


def training_sample(files: Sequence[Path], config: TokenizerConfig, *, separate: bool) -> tuple[list[str], ...]:
    """Sentences that files have, of both sides together or separate: all of them, or a uniform sample of `sample`.

    NmtError where there is no text.
    """
    sides: tuple[Iterator[str], ...]
    if separate:
        pairs = corpora(files)
        if any(len(corpus.files) == 1 and format_of(corpus.files[0]) == "plain" for corpus in pairs):
            raise NmtError(f"--separate needs a source and a target file, or one of pairs, but got {len(files)}")
        sides = tuple(_side(pairs, side, config) for side in (0, 1))
    else:
        sides = (chain.from_iterable(_sentences(path, config) for path in files),)
    return tuple(
        _sample(lines, config.sample // len(sides), name)
        for lines, name in zip(sides, _names(files, len(sides)), strict=True)
    )


def _side(pairs: Sequence[Corpus], side: int, config: TokenizerConfig) -> Iterator[str]:
    for corpus in pairs:
        if len(corpus.files) == 2:
            yield from read_text(corpus.files[side])
        else:
            yield from (pair[:2][side] for pair in read_pairs(corpus, config))


def _sentences(path: Path, config: TokenizerConfig) -> Iterator[str]:
    """The lines of a file, or the sentences of both sides of one that holds pairs."""
    if format_of(path) == "plain":
        yield from read_text(path)
        return
    for pair in read_pairs(Corpus((path,), path.name), config):
        yield from pair[:2]


def _sample(lines: Iterable[str], size: int, name: str) -> list[str]:
    """So many lines, each as likely as any other to be among them (Vitter 1985, algorithm R); the same in every run."""
    draw, kept = random.Random(0), list[str]()  # noqa: S311
    full = (line.replace("\0", " ") for line in lines if line.strip())  # SentencePiece skips a sentence that holds NUL
    for number, line in enumerate(full):
        if number < size:
            kept.append(line)
        elif (place := int(draw.random() * (number + 1))) < size:
            kept[place] = line
    if not kept:
        raise NmtError(f"{name}: no text there", "a tokenizer is trained on sentences, one a line")
    return kept


def _train(lines: Sequence[str], config: TokenizerConfig, names: str) -> Tokenizer:
    """Train a tokenizer on sentences.

    A corpus that cannot fill the vocabulary gives a smaller one and a notice; one whose characters alone are more than
    the vocabulary holds is an NmtError that says how many pieces they need.
    """
    wanted, symbols, model = _vocabulary_size(len(lines), config), config.symbol or [], io.BytesIO()
    if config.protect:
        symbols = [*symbols, *(one for one in protected_symbols(lines) if one not in symbols)]
    if config.type == "byte":  # a vocabulary of characters that has none, so that all of them are spelt
        lines, wanted = [_NO_CHARACTER], _BYTES + len(symbols)
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type="char" if config.type == "byte" else config.type,
            vocab_size=wanted,
            hard_vocab_limit=False,
            character_coverage=config.character_coverage,
            byte_fallback=config.byte_fallback,
            normalization_rule_name=config.normalization,
            user_defined_symbols=symbols,
            pad_id=PAD,
            unk_id=UNKNOWN,
            bos_id=BEGIN,
            eos_id=END,
            max_sentence_length=1 << 20,
            num_threads=_TRAINING_THREADS,
            minloglevel=3,
        )
    except RuntimeError as error:
        raise _training_problem(error, wanted, names) from None
    tokenizer = Tokenizer(model.getvalue(), names)
    if len(tokenizer) < wanted:
        logger.warning(
            "the corpus fills a vocabulary of %d pieces, not %d; training goes on with that", len(tokenizer), wanted
        )
    return tokenizer


def protected_symbols(lines: Iterable[str]) -> list[str]:
    """The placeholders, tags and beginnings of URLs that a text has often, the most frequent first."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(PLACEHOLDER.findall(line))
        if "://" in line or "www." in line:
            counts.update(_URL.findall(line))
    often = (symbol for symbol, count in counts.most_common(_MOST_SYMBOLS) if count >= _OFTEN)
    return [symbol for symbol in often if not re.search(r"\s", symbol)]


def _training_problem(error: RuntimeError, wanted: int, names: str) -> NmtError:
    needed = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
    if needed:
        return NmtError(
            f"--vocab-size {wanted} is too small: the characters of {names} alone take {needed[1]} pieces",
            f"set --vocab-size above {needed[1]}, or a lower --character-coverage, or --no-byte-fallback",
        )
    return NmtError(f"{names}: SentencePiece cannot train on this: {_first_line(error)}", "is there any text in it?")


def _vocabulary_size(sentences: int, config: TokenizerConfig) -> int:
    if config.vocab_size != "auto":
        return int(config.vocab_size)
    pairs = sentences // (1 if config.separate else 2)
    size = next((size for below, size in _AUTO_SIZES if pairs < below), _LARGEST_AUTO)
    logger.info("vocabulary: %d pieces, chosen for about %d sentence pairs", size, pairs)
    return size


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
