"""JSON files, checked on reading: no NaN, no lone surrogates, the expected keys and types."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.errors import NmtError
from nmt.files.atomic import write_text

_DAMAGED = "the file is damaged, or not written by nmt"


def parse_json(text: str, *, surrogates: bool = False) -> Any:
    """Parse a JSON value; ValueError for malformed JSON, NaN, infinity, and, unless allowed, lone surrogates."""
    value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    if not surrogates and "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is too large")
    return value


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; NmtError when the file is missing, unreadable, malformed, or holds another value."""
    try:
        value = parse_json(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file", "was it copied whole?") from None
    except OSError as error:
        raise NmtError(f"{path}: {error.strerror}", "check the file's permissions") from None
    except (ValueError, RecursionError) as error:
        raise NmtError(f"{path}: not readable as JSON: {error}", _DAMAGED) from None
    if not isinstance(value, dict):
        raise NmtError(f"{path}: expected a JSON object", _DAMAGED)
    return value


def write_json(path: Path, value: object) -> None:
    """Write indented JSON atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


Shape = type | tuple[type, ...] | Mapping[str, "Shape"]
"""The shape of a JSON value: a type, several types to choose from, or an object with at least these keys."""


def check_shape(value: object, shape: Shape, where: str, hint: str) -> None:
    """Check a JSON value against a shape; NmtError, which names the key, where a key is missing or a type is wrong."""
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            raise NmtError(f"{where} is not a JSON object", hint)
        for key, inner in shape.items():
            if key not in value:
                raise NmtError(f"{where}: {key} is missing", hint)
            check_shape(value[key], inner, f"{where}: {key}", hint)
    elif not isinstance(value, shape) or isinstance(value, bool):
        raise NmtError(f"{where}: unexpected value {str(value)[:40]!r}", hint)
