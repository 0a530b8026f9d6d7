"""What a setting is, and how settings are resolved, checked, read from TOML and written to it.

A setting is a field of a frozen dataclass (config.py), declared once with its default, its bounds and its help. The
command line makes an option of each, a TOML file may hold any of them under the command's name, and presets are named
sets of values. `resolve` joins the three (flags win over the file, the file over the preset, the preset over the
default), and `build` lists every problem at once.
"""

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from nmt.errors import NmtError, UsageError

AUTO = "auto"
"""The word that leaves a choice to the command."""

T = TypeVar("T")
Value = int | float | str | bool | list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a user may know of a field: `minimum` and `maximum` are inclusive, `above` and `below` exclusive bounds.

    With `auto` the word may stand in the value's place, until the command has found the value that suits.
    """

    help: str
    auto: bool = False
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    group: str = ""


def setting(
    default: T,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    group: str = "",
    auto: bool = False,
) -> T:
    """A dataclass field that users can set; typed as its default, as `dataclasses.field` is."""
    described = Setting(
        help=help, minimum=minimum, maximum=maximum, above=above, below=below, choices=choices, group=group, auto=auto
    )
    made: T = field(default=default, metadata={"setting": described})
    return made


# -------------------------------------------------------------------------------------------------------- resolving


def settings_of(config: type[Any]) -> dict[str, Field[Any]]:
    """The fields of a config class that users can set, by name."""
    return {one.name: one for one in fields(config) if "setting" in one.metadata}


def default_of(one: Field[Any]) -> Value:
    """The one default of a setting."""
    assert one.default is not MISSING
    value: Value = one.default
    return value


def defaults(configs: Iterable[type[Any]]) -> dict[str, Value]:
    """The default of each setting of `configs`."""
    return {name: default_of(one) for config in configs for name, one in settings_of(config).items()}


def resolve(
    configs: Iterable[type[Any]],
    flags: Mapping[str, Value],
    file: Mapping[str, Value],
    presets: Mapping[str, Mapping[str, Value]],
) -> dict[str, Value]:
    """The value of each setting of `configs`: flags over the file over the preset over the default.

    `flags` and `file` hold what was given, and nothing else; unknown keys in `file` were refused by `read_settings`.
    A preset is chosen by the setting of that name, where `configs` have one.
    """
    values, given = defaults(configs), {**file, **flags}
    preset: Mapping[str, Value] = {}
    if "preset" in values:
        name = str(given.get("preset", values["preset"]))
        if name not in presets:
            raise UsageError(f"--preset {name} is unknown", f"choose from {', '.join(presets)}")
        preset = presets[name]
    return {**values, **preset, **given}


def build(config: type[T], values: Mapping[str, Value], **fixed: Value) -> T:
    """Make a config of the values that belong to it, and check it: one UsageError lists every problem."""
    types = get_type_hints(config)
    chosen = {name: values[name] for name in settings_of(config) if name in values}
    found = [
        problem
        for name, one in settings_of(config).items()
        if name in chosen
        for problem in _field_problems(name, chosen[name], types[name], one.metadata["setting"])
    ]
    if not found:
        made: Any = config(**{**chosen, **fixed})
        found = made.problems()
        if not found:
            return made
    raise UsageError("; ".join(found))


def option_name(name: str) -> str:
    """The flag of a field.

    >>> option_name("batch_tokens")
    '--batch-tokens'
    """
    return "--" + name.replace("_", "-")


def _field_problems(name: str, value: Value, annotation: object, known: Setting) -> list[str]:
    flag = option_name(name)
    if value == AUTO and known.auto:
        return []
    if not _fits(value, annotation):
        return [f"{flag} {value!r} is not {_type_name(annotation)}{' nor auto' if known.auto else ''}"]
    if known.choices and value not in known.choices:
        return [f"{flag} {value} is unknown; choose from {', '.join(known.choices)}"]
    if not isinstance(value, int | float) or isinstance(value, bool):
        return []
    if not math.isfinite(value):
        return [f"{flag} {value} is not a finite number"]
    if known.minimum is not None and not value >= known.minimum:
        return [f"{flag} {value} is below its minimum, {known.minimum:g}"]
    if known.maximum is not None and not value <= known.maximum:
        return [f"{flag} {value} is above its maximum, {known.maximum:,}"]
    if known.above is not None and not value > known.above:
        return [f"{flag} {value} must be above {known.above:g}"]
    if known.below is not None and not value < known.below:
        return [f"{flag} {value} must be below {known.below:g}"]
    return []


def _alternatives(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def plain_type(annotation: object) -> object:
    """A field's type without its None."""
    return next(one for one in _alternatives(annotation) if one is not type(None))


def _fits(value: Value, annotation: object) -> bool:
    kinds = _alternatives(annotation)
    if value is None:
        return type(None) in kinds
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, list):
        return list[str] in kinds and all(isinstance(one, str) for one in value)
    return type(value) in kinds or (isinstance(value, int) and float in kinds)


def _type_name(annotation: object) -> str:
    return _TYPES.get(plain_type(annotation), "a list of texts")


_TYPES: Mapping[object, str] = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


# -------------------------------------------------------------------------------------------------------- TOML files


COMMANDS = ("tokenizer", "prepare", "train", "translate", "score", "eval")
"""The tables of a settings file."""


def read_settings(path: Path, command: str, configs: Iterable[type[Any]]) -> dict[str, Value]:
    """The settings that a TOML file holds under `[command]`.

    Raises NmtError for a file that is no TOML, for an unknown key, with its place and the nearest valid name, and for a
    value that its setting does not take.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file", "check the path given to --config") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NmtError(f"{path}: not readable as TOML: {error}") from None
    strangers = [
        f"{path}: {name}: no command takes this{_nearest(name, COMMANDS)}" for name in document.keys() - COMMANDS
    ]
    if strangers:
        raise NmtError("; ".join(sorted(strangers)), f"put settings under a line [{command}]")
    table = document.get(command, {})
    if not isinstance(table, dict):
        raise NmtError(f"{path}: {command} is not a table", f"put settings under a line [{command}]")
    known = [name for config in configs for name in settings_of(config)]
    values = {name.replace("-", "_"): value for name, value in table.items()}
    unknown = [f"{path}: [{command}] {name}: unknown setting{_nearest(name, known)}" for name in values.keys() - known]
    wrong = [
        f"{path}: [{command}] {problem.removeprefix('--')}"
        for config in configs
        for name, one in settings_of(config).items()
        if name in values
        for problem in _field_problems(name, values[name], get_type_hints(config)[name], one.metadata["setting"])
    ]
    if unknown or wrong:
        raise NmtError("; ".join(sorted(unknown) + wrong))
    return values


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]}?" if close else ""


def format_settings(command: str, values: Mapping[str, Value]) -> str:
    """The settings as a TOML table that `read_settings` reads back; None is left out.

    >>> print(format_settings("train", {"steps": 10, "epochs": None, "schedule": "linear", "tied": True}), end="")
    [train]
    steps = 10
    schedule = "linear"
    tied = true
    """
    lines = [f"{name} = {_toml(value)}" for name, value in values.items() if value is not None]
    return "\n".join([f"[{command}]", *lines]) + "\n"


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        escaped = "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or c in '"\\\x7f' else c for c in value)
        return f'"{escaped}"'
    return repr(value)
