"""A pair on each line: tab-separated columns, or JSON objects.

Columns are chosen by number, by the names in a header, or by the keys of the objects. Quotes are text like any other.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.files import read_text
from nmt.text.formats.plain import without_mark
from nmt.text.pair import SentencePair, one_line

Languages = tuple[str | None, str | None]

_NOTHING = object()


def read_tsv(path: Path, columns: Sequence[str]) -> Iterator[SentencePair]:
    """The first two columns of each line, or those of these numbers (from 1), or of these names in the first line.

    Raises NmtError, which names the line, where a column is missing.
    """
    named = bool(columns) and not all(column.isdecimal() for column in columns)
    places = [0, 1] if named or not columns else [int(column) - 1 for column in columns]
    for number, line in enumerate(read_text(path), start=1):
        cells = without_mark(line, number).split("\t")
        if named and number == 1:
            places = [_place(column, cells, path) for column in columns]
            continue
        if len(cells) <= max(places):
            problem = "no tab" if len(cells) == 1 else f"{len(cells)} columns, and no column {max(places) + 1}"
            raise NmtError(
                f"{path}, line {number}: {problem}",
                "a file alone has source, tab and target on each line; else name two files",
            )
        yield SentencePair(cells[places[0]], cells[places[1]], number)


def _place(column: str, header: Sequence[str], path: Path) -> int:
    if column not in header:
        raise NmtError(f"{path}, line 1: no column {column!r}; there are {', '.join(header)}", "see --columns")
    return header.index(column)


def read_json_lines(path: Path, keys: Sequence[str], languages: Languages) -> Iterator[SentencePair]:
    """The values of two keys of each object; blank lines are passed over.

    `keys` name them, with a dot where one object stands in another; else they are those of the languages, of a
    `translation` in these languages, `source` and `target`, or `src` and `tgt`, whichever the first object has.
    Raises NmtError, which names the line, where there is no object or no text at a key.
    """
    chosen = tuple(keys)
    for number, line in enumerate(read_text(path), start=1):
        text = without_mark(line, number)
        if not text.strip():
            continue
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise NmtError(f"{path}, line {number}: not readable as JSON: {error}", "one object a line") from None
        chosen = chosen or _keys_of(value, languages, f"{path}, line {number}")
        source, target = (_text_at(value, key, f"{path}, line {number}") for key in chosen)
        yield SentencePair(one_line(source), one_line(target), number)


def _keys_of(value: Any, languages: Languages, where: str) -> tuple[str, str]:
    found = [("source", "target"), ("src", "tgt")]
    source, target = languages
    if source and target:
        found = [(source, target), (f"translation.{source}", f"translation.{target}"), *found]
    for both in found:
        if all(isinstance(_at(value, key), str | None) for key in both):
            return both
    names = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
    raise NmtError(f"{where}: where are source and target among {names}?", "name the keys: --columns SOURCE,TARGET")


def _text_at(value: Any, key: str, where: str) -> str:
    text = _at(value, key)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise NmtError(f"{where}: no text at {key!r}", "name the keys of source and target: --columns SOURCE,TARGET")
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # JSON can spell half a character


def _at(value: Any, key: str) -> Any:
    """What stands at a key; of one with dots in it, at the end of the way that it names; `_NOTHING` if nothing does."""
    if isinstance(value, dict) and key in value:
        return value[key]
    first, dot, rest = key.partition(".")
    return _at(value[first], rest) if dot and isinstance(value, dict) and first in value else _NOTHING
