"""The JSON lines protocol of `nmt translate --json`: an object per line in, the same object with its translation out.

{"text": "...", "prefix": "...", "constraints": ["..."]}  of which text is required; any other fields pass through
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from nmt.decoding.translation import Alternative, Line, Translation, without_surrogates
from nmt.errors import NmtError
from nmt.files.json import parse_json

_EXAMPLE = 'each line is an object, {"text": "..."}'


def read_objects(lines: Iterable[str]) -> Iterator[dict[str, Any] | None]:
    """Yield the object of each line, None for a blank line; NmtError with the line number for anything else."""
    for number, line in enumerate(lines, start=1):
        yield _parse(line, number) if line.strip() else None


def as_line(content: dict[str, Any] | None) -> Line:
    """The line to translate, with its constraints."""
    if content is None:
        return Line("")
    return Line(content["text"], prefix=content.get("prefix") or "", terms=content.get("constraints") or ())


def format_object(content: dict[str, Any] | None, translation: Translation, n_best: int) -> str:
    """The output line of an object."""
    if content is None:
        return ""
    fields = _fields(translation.best)
    if n_best > 1:
        fields["n_best"] = list(map(_fields, translation.alternatives))
    return without_surrogates(json.dumps({**content, **fields}, ensure_ascii=False))


def _fields(alternative: Alternative) -> dict[str, Any]:
    names = ("score", "log_prob", "tokens", "token_scores", "alignment", "truncated", "loop", "unknown", "untranslated")
    fields = {"translation": alternative.text, **{name: getattr(alternative, name) for name in names}}
    return {name: value for name, value in fields.items() if value is not None}


def _parse(line: str, number: int) -> dict[str, Any]:
    try:
        content = parse_json(line, surrogates=True)
    except (ValueError, RecursionError) as error:
        raise NmtError(f"line {number}: not JSON: {error}", _EXAMPLE) from None
    if not isinstance(content, dict) or "text" not in content:
        raise NmtError(f"line {number}: not an object with a text", _EXAMPLE)
    if not isinstance(content["text"], str):
        raise NmtError(f"line {number}: text is not a string")
    if not isinstance(content.get("prefix") or "", str):
        raise NmtError(f"line {number}: prefix is not a string")
    terms = content.get("constraints") or []
    if not isinstance(terms, list) or not all(isinstance(term, str) for term in terms):
        raise NmtError(f"line {number}: constraints are not a list of strings")
    return content
