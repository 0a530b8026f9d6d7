"""SentencePiece tokenizers (Kudo & Richardson 2018): text to tokens and back, without other pre- or post-processing.

Decoding restores the text after the model's normalization, with single spaces: with byte fallback (the default) that
holds for every text. Control symbols such as `</s>` are never produced from text, so a line that spells them is text.
"""

import hashlib
import io
import logging
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, NamedTuple

import sentencepiece

from nmt.config.corpus import TokenizerConfig
from nmt.config.setting import AUTO
from nmt.errors import NmtError, counted
from nmt.files.atomic import atomic_write
from nmt.files.lines import read_text
from nmt.files.run_directory import JOINT_TOKENIZER, SIDES, SOURCE_TOKENIZER, TARGET_TOKENIZER
from nmt.text.corpus import Corpus, corpora, format_of, read_pairs, refuse_pipes
from nmt.text.inline_codes import PLACEHOLDER, URL_START
from nmt.text.normalization import composition_rules
from nmt.text.sentencepiece_model import CONTROL, piece_offsets, with_control_symbols_first, without_rules_file

logger = logging.getLogger("nmt")

PAD, UNKNOWN, BEGIN, END = 0, 1, 2, 3
"""Tokens of the control symbols `<pad>`, `<unk>`, `<s>`, `</s>`."""

_NORMALIZATION = re.compile(
    rb"\x1a[\x80-\xff]{0,3}[\x00-\x7f]\n[\x01-\x40][\w-]+"
)  # the last part of a model: its name
_AUTO_SIZES = ((10_000, 4_000), (100_000, 8_000), (1_000_000, 16_000))  # sentence pairs below, pieces
_LARGEST_AUTO = 32_000
_BYTES = 4 + 256 + 2  # control symbols, bytes, the space, and a character that SentencePiece must be given
_NO_CHARACTER = "\ue000"
_MOST_SYMBOLS, _OFTEN = 200, 10
_TRAINING_THREADS = 4  # always the same, because the model depends on it


class Tokenizer:
    """A SentencePiece model."""

    def __init__(self, model: bytes, name: str) -> None:
        """Parse a serialized model; NmtError, which begins with `name`, if nmt did not make it or it is damaged."""
        self.model = model
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            control = self.ids(CONTROL)
        except Exception as error:  # SentencePiece raises RuntimeError, ValueError or its own by version
            problem = f"{name}: not a SentencePiece model: {_first_line(error)}"
            raise NmtError(problem, "check that the file is complete") from None
        if not _NORMALIZATION.search(model):  # a file may be cut between two parts
            raise NmtError(f"{name}: the normalization rules are missing", "check that the file is complete")
        if control != [PAD, UNKNOWN, BEGIN, END]:
            problem = f"{name}: the tokens of {', '.join(CONTROL)} are {control}, not 0 to 3"
            raise NmtError(problem, "train one with nmt tokenizer train, or take this one with nmt tokenizer import")

    def __len__(self) -> int:
        return int(self._processor.get_piece_size())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tokenizer) and self.model == other.model

    def __hash__(self) -> int:
        return hash(self.model)

    def encode(self, lines: Sequence[str], *, end: bool = False) -> list[list[int]]:
        """The tokens of each line, followed by END if `end`."""
        if len(lines) == 1:  # SentencePiece starts threads for a list
            return [self._processor.encode(lines[0], out_type=int, add_eos=end)]
        return self._processor.encode(list(lines), out_type=int, add_eos=end, num_threads=1)

    def encode_pieces(self, lines: Sequence[str]) -> list[list[str]]:
        """The pieces of each line, with `▁` for a space."""
        return self._processor.encode(list(lines), out_type=str)

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """The text of each row of tokens, on one line, without control symbols."""
        if len(tokens) == 1:  # as in `encode`
            lines = [self._processor.decode(list(tokens[0]))]
        else:
            lines = self._processor.decode([list(row) for row in tokens])
        return [line.replace("\n", " ").rstrip(" ") for line in lines]  # byte pieces can spell a newline

    def decode_pieces(self, pieces: Sequence[str]) -> str:
        """The text of a row of pieces."""
        return str(self._processor.decode_pieces(list(pieces))).replace("\n", " ")

    def offsets(self, line: str) -> list[int]:
        """The last byte (UTF-8) of each token in the line as given, before normalization."""
        return piece_offsets(self._processor.encode(line, out_type="serialized_proto"))

    def decoded_offsets(self, tokens: Sequence[int]) -> list[int]:
        """The last byte (UTF-8) of each of these tokens in the text that they decode to."""
        return piece_offsets(self._processor.decode(list(tokens), out_type="serialized_proto"))

    def pieces(self, tokens: Iterable[int]) -> list[str]:
        """The pieces of tokens."""
        return [self._processor.id_to_piece(token) for token in tokens]

    def ids(self, pieces: Iterable[str]) -> list[int]:
        """The tokens of pieces."""
        return [self._processor.piece_to_id(piece) for piece in pieces]

    def vocabulary(self) -> list[str]:
        """All pieces, ordered by token."""
        return self.pieces(range(len(self)))

    def divisible_pieces(self) -> dict[str, int]:
        """The learned pieces and their tokens, without control symbols, bytes and user-defined symbols."""
        model = self._processor
        tokens = (token for token in range(len(self)) if model.get_score(token))  # 0: user-defined, or the first merge
        special = model.is_control, model.is_unknown, model.is_byte
        return {model.id_to_piece(token): token for token in tokens if not any(is_kind(token) for is_kind in special)}

    def symbol(self, tag: str) -> str:
        """The user-defined symbol that a tag names, such as `<2en>` or `>>en<<` for `en`; empty if there is none."""
        names = (f"<2{tag}>", f"<{tag}>", f">>{tag}<<", tag)
        tokens = zip(names, self.ids(names), strict=True)
        return next((name for name, token in tokens if token > END and not self._processor.get_score(token)), "")

    def normalize(self, line: str) -> str:
        """The text that a round trip restores: normalized, with single spaces."""
        return str(self._processor.normalize(line)).replace("▁", " ").strip(" ")


class Tokenizers(NamedTuple):
    """The tokenizers of source and target, which may be the same."""

    source: Tokenizer
    target: Tokenizer

    @property
    def shared(self) -> bool:
        """Whether source and target have one vocabulary, even where each has its own way to segment text."""
        return self.source == self.target or self.source.vocabulary() == self.target.vocabulary()

    def fingerprint(self) -> dict[str, str]:
        """The SHA-256 of each model."""
        return {side: hashlib.sha256(tokenizer.model).hexdigest() for side, tokenizer in zip(SIDES, self, strict=True)}

    @classmethod
    def load(cls, directory: Path) -> "Tokenizers":
        """Read a joint model from a file, or joint or separate models in a directory; NmtError if there are none."""
        if directory.is_file():
            return import_tokenizers([directory])
        if (directory / JOINT_TOKENIZER).exists():
            joint = _load(directory / JOINT_TOKENIZER)
            return cls(joint, joint)
        if (directory / SOURCE_TOKENIZER).exists() or (directory / TARGET_TOKENIZER).exists():
            return cls(_load(directory / SOURCE_TOKENIZER), _load(directory / TARGET_TOKENIZER))
        hint = f"nmt tokenizer train FILE... --run {directory}, or nmt prepare --tokenizer MODEL"
        raise NmtError(f"no tokenizer in {directory}", hint)

    def save(self, directory: Path) -> None:
        """Write the models where `load` reads them, and remove others."""
        names = (JOINT_TOKENIZER,) if self.source == self.target else (SOURCE_TOKENIZER, TARGET_TOKENIZER)
        for name, tokenizer in zip(names, self, strict=False):
            with atomic_write(directory / name) as stream:
                stream.write(tokenizer.model)
        for name in {JOINT_TOKENIZER, SOURCE_TOKENIZER, TARGET_TOKENIZER}.difference(names):
            (directory / name).unlink(missing_ok=True)


def _load(path: Path) -> Tokenizer:
    try:
        return Tokenizer(path.read_bytes(), str(path))
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror}") from None


def import_tokenizers(files: Sequence[Path]) -> Tokenizers:
    """Read SentencePiece models of other programs, a joint one or those of source and target, and make them fit.

    Their control symbols get the tokens 0 to 3; text is segmented as before. Raises NmtError for what is not a model.
    """
    models = []
    for path in files:
        try:
            model = path.read_bytes()
            processor = sentencepiece.SentencePieceProcessor(model_proto=model)
            if processor.piece_to_id(list(CONTROL)) != [PAD, UNKNOWN, BEGIN, END]:
                model = with_control_symbols_first(model, str(path))
        except OSError as error:
            raise NmtError(f"{path}: {error.strerror or error}") from None
        except (RuntimeError, ValueError, IndexError, KeyError) as error:
            raise NmtError(f"{path}: not a SentencePiece model: {_first_line(error)}") from None
        models.append(Tokenizer(model, str(path)))
    return Tokenizers(models[0], models[-1])


def train_tokenizers(files: Sequence[Path], config: TokenizerConfig) -> Tokenizers:
    """Train a joint tokenizer on the text of all files, or with `separate` a tokenizer for each side."""
    texts = training_sample(files, config, separate=config.separate)
    trained = [
        _train(text, replace(config, normalization=rules), name)
        for text, rules, name in zip(texts, _normalizations(config), _names(files, len(texts)), strict=False)
    ]
    return Tokenizers(trained[0], trained[-1])


def _normalizations(config: TokenizerConfig) -> tuple[str, str]:
    """The normalization rules of source and target; what a model writes keeps its characters."""
    if config.normalization != AUTO:
        return config.normalization, config.normalization
    logger.info("normalization: %s", "nmt_nfkc of the source, nfc of the target" if config.separate else "nfc")
    return "nmt_nfkc" if config.separate else "nfc", "nfc"


def _names(files: Sequence[Path], sides: int) -> list[str]:
    return list(map(str, files)) if sides == len(files) == 2 else [", ".join(map(str, files))] * sides


def training_sample(files: Sequence[Path], config: TokenizerConfig, *, separate: bool) -> tuple[list[str], ...]:
    """Draw at most `sample` sentences from plain files or files of pairs, of both sides together or separately."""
    texts = corpora(files, config.format) if separate else [Corpus((path,), path.name) for path in files]
    single, others = [corpus for corpus in texts if len(corpus.files) == 1], [] if separate else files
    if separate:
        refuse_pipes(single, "--separate")
    plain = [corpus for corpus in single if format_of(corpus.files[0], config.format, others) == "plain"]
    if separate and plain:
        raise NmtError(f"--separate needs a source and a target file, or a file of pairs, but got {len(files)}")
    sides = [slice(0, 1), slice(1, 2)] if separate else [slice(0, 2)]
    return tuple(
        _sample(_sentences(texts, plain, side, config), config.sample // len(sides), name)
        for side, name in zip(sides, _names(files, len(sides)), strict=True)
    )


def _sentences(
    texts: Sequence[Corpus], plain: Sequence[Corpus], sides: slice, config: TokenizerConfig
) -> Iterator[str]:
    """The sentences of some sides of corpora, or the lines of plain files."""
    for corpus in texts:
        if len(corpus.files) == 2 or corpus in plain:
            yield from chain.from_iterable(map(read_text, corpus.files[sides]))
        else:
            yield from chain.from_iterable(pair[:2][sides] for pair in read_pairs(corpus, config))


def _sample(lines: Iterable[str], size: int, name: str) -> list[str]:
    """A uniform sample of lines (Vitter 1985, algorithm R), the same in every run."""
    draw, sample = random.Random(0), list[str]()  # noqa: S311
    full = (line.replace("\0", " ") for line in lines if line.strip())  # SentencePiece skips a sentence with NUL
    for number, line in enumerate(full):
        if number < size:
            sample.append(line)
        elif (place := int(draw.random() * (number + 1))) < size:
            sample[place] = line
    if not sample:
        raise NmtError(f"{name}: no text there", "a tokenizer is trained on sentences, one on each line")
    return sample


def _train(lines: Sequence[str], config: TokenizerConfig, name: str) -> Tokenizer:
    """Train a tokenizer on sentences, with a smaller vocabulary than configured if they cannot fill it."""
    size, symbols, model = _vocabulary_size(len(lines), config), config.symbol or [], io.BytesIO()
    if config.protect:
        symbols = [*symbols, *(symbol for symbol in _frequent_symbols(lines) if symbol not in symbols)]
    if config.type == "byte":  # a vocabulary of characters without any, so that all are spelled in bytes
        lines, size = [_NO_CHARACTER], _BYTES + len(symbols)
    try:
        with _rules(config.normalization) as rules:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=model,
                model_type="char" if config.type == "byte" else config.type,
                vocab_size=size,
                hard_vocab_limit=False,
                character_coverage=config.character_coverage,
                byte_fallback=config.byte_fallback,
                user_defined_symbols=symbols,
                pad_id=PAD,
                unk_id=UNKNOWN,
                bos_id=BEGIN,
                eos_id=END,
                max_sentence_length=1 << 20,
                num_threads=_TRAINING_THREADS,
                minloglevel=3,
                **rules,
            )
    except RuntimeError as error:
        raise _training_error(error, size, name) from None
    tokenizer = Tokenizer(without_rules_file(model.getvalue()), name)
    if len(tokenizer) < size:
        logger.warning("the corpus fills a vocabulary of %d pieces, not %d", len(tokenizer), size)
    return tokenizer


@contextmanager
def _rules(normalization: str) -> Iterator[dict[str, Any]]:
    """The normalization rules as SentencePiece takes them: a name, or a file."""
    if normalization != "nfc":
        yield {"normalization_rule_name": normalization}
        return
    with NamedTemporaryFile("w", encoding="ascii", suffix=".tsv") as file:
        file.write(composition_rules())
        file.flush()
        yield {"normalization_rule_tsv": file.name}


def _frequent_symbols(lines: Iterable[str]) -> list[str]:
    """Frequent placeholders, tags and beginnings of URLs, by decreasing frequency."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(PLACEHOLDER.findall(line))
        if "://" in line or "www." in line:
            counts.update(URL_START.findall(line))
    frequent = (symbol for symbol, count in counts.most_common(_MOST_SYMBOLS) if count >= _OFTEN)
    return [symbol for symbol in frequent if not re.search(r"\s", symbol)]


def _training_error(error: RuntimeError, size: int, name: str) -> NmtError:
    needed = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
    if needed:
        problem = f"--vocab-size {size} is too small: the characters of {name} alone take {needed[1]} pieces"
        hint = f"set --vocab-size above {needed[1]}, or a lower --character-coverage, or --no-byte-fallback"
        return NmtError(problem, hint)
    return NmtError(f"{name}: SentencePiece cannot train on it: {_first_line(error)}", "check that it has text")


def _vocabulary_size(sentences: int, config: TokenizerConfig) -> int:
    if config.vocab_size != "auto":
        return int(config.vocab_size)
    pairs = sentences // (1 if config.separate else 2)
    size = next((size for below, size in _AUTO_SIZES if pairs < below), _LARGEST_AUTO)
    logger.info("vocabulary: %d pieces, chosen for about %s", size, counted(pairs, "sentence pair"))
    return size


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
