"""Parallel corpora: two files, where line N of one translates line N of the other, or one file with both sides."""

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from nmt.config.corpus import CorpusConfig
from nmt.errors import NmtError, counted
from nmt.files.encodings import UTF16_MARKS
from nmt.files.lines import COMPRESSED, STDIN, name_of, read_start
from nmt.text.formats.gettext import po_languages, read_po
from nmt.text.formats.markup import MarkupReader, Tmx, xml_encoding
from nmt.text.formats.plain import read_two
from nmt.text.formats.tables import read_json_lines, read_tsv
from nmt.text.formats.xliff import Xliff
from nmt.text.pair import Languages, SentencePair

logger = logging.getLogger("nmt")

_SUFFIXES = {
    "tsv": (".tsv", ".tab"),
    "jsonl": (".jsonl", ".ndjson"),
    "tmx": (".tmx",),
    "xliff": (".xlf", ".xliff", ".sdlxliff", ".mqxliff", ".mxliff", ".txlf"),
    "po": (".po", ".pot"),
}
_PROLOG = r"(?>\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>[]*(?:\[.*?\]\s*)?>)*+<(?:[\w.-]+:)?"
_CONTENT = {
    "tmx": re.compile(_PROLOG + r"tmx[\s/>]", re.DOTALL),
    "xliff": re.compile(_PROLOG + r"xliff[\s/>]", re.DOTALL),
    "po": re.compile(r'(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t]*(?:msgctxt|msgid)\s*"'),
    "jsonl": re.compile(r'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:'),
}
_MARKUP = _CONTENT | {
    "html": re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<(?:!DOCTYPE\s+html|html|head|body)\b", re.IGNORECASE),
    "srt": re.compile(r"\s*\d+\s*\n\d+:\d\d:\d\d[,.]\d+ +-->"),
    "webvtt": re.compile(r"WEBVTT\b"),
}
_READERS: dict[str, type[MarkupReader]] = {"tmx": Tmx, "xliff": Xliff}
_HEAD = 50  # lines of a text in which markup shows


class Corpus(NamedTuple):
    """The files of a corpus, and its name."""

    files: tuple[Path, ...]
    name: str

    def __str__(self) -> str:
        return " and ".join(map(str, self.files))


def corpora(arguments: Sequence[str | Path], format: str = "auto") -> tuple[Corpus, ...]:
    """Group files into corpora: a file with both sides is one, others form pairs of source and target.

    `name=` before its first file names a corpus; else the file does, with its path where file names coincide. Raises
    NmtError for a source without a target, and for a name that is given twice.

    >>> [corpus.name for corpus in corpora(["a.de", "a.en", "web=b.tsv.gz", "c.tmx", "d/c.tmx"])]
    ['a.de', 'web', 'c.tmx', 'd/c.tmx']
    """
    grouped, rest = list[tuple[str, tuple[Path, ...]]](), list(map(str, arguments))
    if rest.count(str(STDIN)) > 1:
        raise NmtError("standard input is given twice", "it can be read only once")
    while rest:
        name, path = _split_name(rest[0])
        following = tuple(map(Path, rest[1:2]))
        has_both_sides = format != "plain" and (len(arguments) == 1 or format_of(path, format, following) != "plain")
        if not has_both_sides and not following:
            hint = "give a source and a target file for each corpus, or one file with both (TSV, TMX, PO ...)"
            raise NmtError(f"got {counted(len(arguments), 'file')}: {rest[0]} has no translation", hint)
        if name and name in [other for other, _ in grouped]:
            raise NmtError(f"two corpora have the name {name}", "give each its own")
        grouped.append((name, (path,) if has_both_sides else (path, *following)))
        del rest[: len(grouped[-1][1])]
    names = [name or files[0].name for name, files in grouped]
    return tuple(
        Corpus(files, name or (files[0].name if names.count(files[0].name) == 1 else str(files[0])))
        for name, files in grouped
    )


def _split_name(argument: str) -> tuple[str, Path]:
    """The name that is given to a corpus, if any, and its first file."""
    name, equals, path = argument.partition("=")
    if equals and re.fullmatch(r"[\w.-]+", name) and not Path(argument).exists():
        return name, Path(path)
    return "", Path(argument)


def format_of(path: Path, format: str = "auto", others: Sequence[Path] = ()) -> str:
    """The format of a file: `format` or, of auto, by its name or content; plain for one side of a corpus.

    Lines like JSON or PO are those of a plain file, if there are others that are plain, or alike.
    """
    if format != "auto":
        return format
    files = [path, *(file for file in others if file != path)]
    is_plain, *are_plain = (not _by_name(file) and _by_content(file) not in ("tmx", "xliff") for file in files)
    return "plain" if is_plain and any(are_plain) else _by_name(path) or _by_content(path)


def _by_name(path: Path) -> str:
    suffix = next((suffix for suffix in reversed(path.suffixes) if suffix not in COMPRESSED), "")
    return next((name for name, suffixes in _SUFFIXES.items() if suffix in suffixes), "")


def _by_content(path: Path) -> str:
    try:
        start = read_start(path)
    except NmtError:
        if is_pipe(path):
            raise
        return "plain"  # reading the pairs raises it again
    text = start.decode(xml_encoding(start) or "utf-8", errors="replace").removeprefix("\ufeff")
    return next((name for name, pattern in _CONTENT.items() if pattern.match(text)), "plain")


def format_in(corpus: Corpus, config: CorpusConfig) -> str:
    """The format in which a corpus is read: plain for two files; for one, TSV where nothing else shows."""
    if len(corpus.files) == 2:
        return "plain"
    name = format_of(corpus.files[0], "auto" if config.format == "plain" else config.format)
    return "tsv" if name == "plain" else name


def is_pipe(path: Path) -> bool:
    """Whether a file can be read only once."""
    return path == STDIN or (path.exists() and not (path.is_file() or path.is_dir()))


def refuse_pipes(corpora: Iterable[Corpus], reader: str) -> None:
    """Raise NmtError for a pipe among the files of corpora, which `reader` reads several times."""
    for path in filter(is_pipe, chain.from_iterable(corpus.files for corpus in corpora)):
        raise NmtError(f"{name_of(path)}: is a pipe, but {reader} reads files several times", "save it to a file first")


def languages_of(corpus: Corpus, config: CorpusConfig, default: Languages = (None, None)) -> Languages:
    """The languages that are configured, else suffixes of two files or declared in one; the default if neither is."""
    path, known = corpus.files[0], (config.source_language, config.target_language)
    if len(corpus.files) == 2:
        codes = [language_in_name(path) for path in corpus.files]
        known = known[0] or codes[0], known[1] or codes[1]
    elif (name := format_in(corpus, config)) in _READERS:
        known = _READERS[name](path, known, keep_tags=False).declared()
    elif name == "po":
        known = po_languages(path, known)
    return known if any(known) else default


def language_in_name(path: Path) -> str | None:
    """The suffix of a text's file, where it has one that may be a language."""
    return [None, *(suffix[1:] for suffix in path.suffixes if suffix not in {*COMPRESSED, ".txt"})][-1]


def read_pairs(corpus: Corpus, config: CorpusConfig) -> Iterator[SentencePair]:
    """Stream the pairs of a corpus; NmtError with file and line for what cannot be read."""
    name, languages = format_in(corpus, config), (config.source_language, config.target_language)
    path, columns, keep_tags = corpus.files[0], config.column_names, config.inline_tags == "keep"
    if name in _READERS:
        return _READERS[name](path, languages, keep_tags=keep_tags).read()
    if name == "po":
        return read_po(path, languages)
    for file in filter(Path.is_file, corpus.files):
        if read_start(file).startswith(UTF16_MARKS):  # XML declares its own encoding
            raise NmtError(f"{file}: is in UTF-16", "convert it: iconv -f UTF-16 -t UTF-8")
    if name == "plain":
        return read_two(*corpus.files)
    return read_json_lines(path, columns, languages) if name == "jsonl" else read_tsv(path, columns)


def warn_of_markup(lines: Iterator[str], name: str) -> Iterator[str]:
    """Yield the lines of a text; log a warning where it begins like a file with markup."""
    start = ""
    for line in islice(lines, _HEAD):
        start += f"{line}\n"
        if kind := next((kind for kind, pattern in _MARKUP.items() if pattern.match(start)), ""):
            logger.warning("%s looks like %s, and all of it is translated as text", name, kind.upper())
            start = "-"  # like nothing else
        yield line
    yield from lines
