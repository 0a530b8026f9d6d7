"""Formats with a pair on each line: tab-separated columns, whose quotes are text, and JSON objects."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.files.lines import read_text
from nmt.text.pair import Languages, SentencePair, one_line

_MISSING = object()
_HINT = "name the keys of source and target: --columns SOURCE,TARGET"


def read_tsv(path: Path, columns: Sequence[str]) -> Iterator[SentencePair]:
    """Read the first two columns, or those with these numbers (from 1) or names; NmtError where one is missing."""
    named = bool(columns) and not all(column.isdecimal() for column in columns)
    chosen = [0, 1] if named or not columns else [int(column) - 1 for column in columns]
    for number, line in enumerate(read_text(path), start=1):
        cells = line.removesuffix("\r").split("\t")
        if named and number == 1:
            chosen = [_index(column, cells, path) for column in columns]
            continue
        if len(cells) <= max(chosen):
            problem = "no tab" if len(cells) == 1 else f"{len(cells)} columns, and no column {max(chosen) + 1}"
            hint = "a single file needs source, tab and target on each line; or give two files"
            raise NmtError(f"{path}, line {number}: {problem}", hint)
        yield SentencePair(cells[chosen[0]], cells[chosen[1]], number)


def _index(column: str, header: Sequence[str], path: Path) -> int:
    if column not in header:
        raise NmtError(f"{path}, line 1: no column {column!r}; there are {', '.join(header)}", "see --columns")
    return header.index(column)


def read_json_lines(path: Path, keys: Sequence[str], languages: Languages) -> Iterator[SentencePair]:
    """Read two values of each object, null as an empty text; blank lines are skipped.

    Dots in `keys` lead into nested objects. Without `keys`, the first object decides: the language codes, those of its
    `translation`, `source` and `target`, or `src` and `tgt`. Raises NmtError with the line of a missing object or text.
    """
    chosen = tuple(keys)
    for number, line in enumerate(read_text(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise NmtError(f"{where}: not readable as JSON: {error}", "write one object on each line") from None
        chosen = chosen or _find_keys(value, languages, where)
        source, target = (_text_at(value, key, where) for key in chosen)
        yield SentencePair(one_line(source), one_line(target), number)


def _find_keys(value: Any, languages: Languages, where: str) -> tuple[str, str]:
    candidates = [("source", "target"), ("src", "tgt")]
    source, target = languages
    if source and target:
        candidates = [(source, target), (f"translation.{source}", f"translation.{target}"), *candidates]
    for keys in candidates:
        if all(isinstance(_value_at(value, key), str | None) for key in keys):
            return keys
    names = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
    raise NmtError(f"{where}: no source and target among {names}", _HINT)


def _text_at(value: Any, key: str, where: str) -> str:
    text = _value_at(value, key)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise NmtError(f"{where}: no text at {key!r}", _HINT)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON can spell half a character


def _value_at(value: Any, key: str) -> Any:
    """The value at a key or at the end of a dotted path; `_MISSING` if there is none."""
    if isinstance(value, dict) and key in value:
        return value[key]
    first, dot, rest = key.partition(".")
    return _value_at(value[first], rest) if dot and isinstance(value, dict) and first in value else _MISSING
