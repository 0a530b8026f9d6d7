"""The machinery of settings: how they are declared, resolved, checked, read from TOML and written to it.

A setting is a field of a frozen dataclass in this folder, declared once with its default, its bounds and its help. The
command line makes an option of each, a TOML file may hold any of them under the command's name, and presets are named
sets of values. `resolve` joins the three (flags over the file, the file over the preset, the preset over the default),
and `build` reports every problem at once.
"""

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from nmt.errors import NmtError, UsageError

AUTO = "auto"  # the value that leaves a choice to the command

T = TypeVar("T")
Value = int | float | str | bool | list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The description of a field: help, `bounds` as an interval such as "[0, 1)", choices, and the group in --help.

    A setting with `auto` also takes that word, until the command replaces it by a value. `alias` is a former
    name, which the command line and TOML files still take.
    """

    help: str
    bounds: str = ""
    choices: tuple[str, ...] = ()
    auto: bool = False
    alias: str = ""
    hidden: bool = False  # from --help
    group: str = ""


class Group(NamedTuple):
    """Declares the settings of one panel of --help."""

    name: str

    def __call__(
        self,
        default: T,
        help: str,
        bounds: str = "",
        *,
        choices: tuple[str, ...] = (),
        auto: bool = False,
        alias: str = "",
        hidden: bool = False,
    ) -> T:
        """A dataclass field that users can set; typed as its default, as `dataclasses.field` is."""
        described = Setting(
            help=help, bounds=bounds, choices=choices, auto=auto, alias=alias, hidden=hidden, group=self[0]
        )
        declared: T = field(default=default, metadata={"setting": described})
        return declared


setting = Group("")


class Config:
    """The base of all configs: frozen dataclasses whose fields are settings."""

    __slots__ = ()

    def problems(self) -> list[str]:
        """Conflicts between fields, in terms of the options."""
        return []


# -------------------------------------------------------------------------------------------------------- resolving


def settings_of(config: type[Any]) -> dict[str, Field[Any]]:
    """The fields of a config class that users can set, by name."""
    return {item.name: item for item in fields(config) if "setting" in item.metadata}


def described(item: Field[Any]) -> Setting:
    """The description of a setting."""
    setting: Setting = item.metadata["setting"]
    return setting


def defaults(configs: Iterable[type[Any]]) -> dict[str, Value]:
    """The default of each setting of `configs`."""
    items = ((name, item) for config in configs for name, item in settings_of(config).items())
    return {name: item.default for name, item in items if item.default is not MISSING}


def resolve(
    configs: Iterable[type[Any]], given: Mapping[str, Value], presets: Mapping[str, Mapping[str, Value]]
) -> dict[str, Value]:
    """The value of each setting of `configs`: what was given over the preset over the default.

    A preset is chosen by the setting of that name, where `configs` have one; UsageError for an unknown one.
    """
    values = defaults(configs)
    preset: Mapping[str, Value] = {}
    if "preset" in values:
        name = str(given.get("preset", values["preset"]))
        if name not in presets:
            raise UsageError(f"--preset {name} is unknown", f"choose from {', '.join(presets)}")
        preset = presets[name]
    return {**values, **preset, **given}


def build(config: type[T], values: Mapping[str, Value], **fixed: Value) -> T:
    """Make a config of the values that belong to it, and check it: one UsageError lists every problem."""
    chosen = {name: values[name] for name in settings_of(config) if name in values}
    problems = _problems(config, chosen)
    if not problems:
        built: Any = config(**{**chosen, **fixed})
        problems = built.problems()
        if not problems:
            return built
    raise UsageError("; ".join(problems))


def option_name(name: str) -> str:
    """The flag of a field.

    >>> option_name("batch_tokens")
    '--batch-tokens'
    """
    return "--" + name.replace("_", "-")


def _problems(config: type[Any], values: Mapping[str, Value]) -> list[str]:
    """What is wrong with each value by itself."""
    types, declared = get_type_hints(config), settings_of(config)
    return [
        problem
        for name, item in declared.items()
        if name in values and (problem := _problem(option_name(name), values[name], types[name], described(item)))
    ]


def _problem(flag: str, value: Value, annotation: object, setting: Setting) -> str:
    if value == AUTO and setting.auto:
        return ""
    if not _fits(value, annotation):
        kind = _TYPES.get(plain_type(annotation), "a list of texts")
        return f"{flag} {value!r} is not {kind}{' nor auto' if setting.auto else ''}"
    if setting.choices and value not in setting.choices:
        return f"{flag} {value} is unknown; choose from {', '.join(setting.choices)}"
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    if not math.isfinite(value):
        return f"{flag} {value} is not a finite number"
    return f"{flag} {value} {broken}" if (broken := outside(value, setting.bounds)) else ""


def outside(value: float, bounds: str) -> str:
    """How a number lies outside an interval, or nothing: brackets include the bound, parentheses exclude it.

    >>> outside(1, "[0, 1)"), outside(-1, "[0, inf)"), outside(0.5, "[0, 1)")
    ('must be below 1', 'is below its minimum, 0', '')
    """
    if not bounds:
        return ""
    low, high = (float(bound) if "." in bound or "inf" in bound else int(bound) for bound in bounds[1:-1].split(","))
    if value < low or (value == low and bounds[0] == "("):
        return f"is below its minimum, {low:,}" if bounds[0] == "[" else f"must be above {low:,}"
    if value > high or (value == high and bounds[-1] == ")"):
        return f"is above its maximum, {high:,}" if bounds[-1] == "]" else f"must be below {high:,}"
    return ""


def _alternatives(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def plain_type(annotation: object) -> object:
    """A field's type without its None."""
    return next(kind for kind in _alternatives(annotation) if kind is not type(None))


def _fits(value: Value, annotation: object) -> bool:
    kinds = _alternatives(annotation)
    if value is None:
        return type(None) in kinds
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, list):
        return list[str] in kinds and all(isinstance(item, str) for item in value)
    return type(value) in kinds or (isinstance(value, int) and float in kinds)


_TYPES: Mapping[object, str] = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


# -------------------------------------------------------------------------------------------------------- TOML files


COMMANDS = (
    *("tokenizer", "check", "prepare", "train", "translate", "synthesize"),
    *("score", "eval", "compare", "attention"),
)
"""The tables of a settings file: the commands that have settings."""


def read_settings(path: Path, command: str, configs: Iterable[type[Any]]) -> dict[str, Value]:
    """The settings that a TOML file holds under `[command]`, by their present names.

    Raises NmtError for a file that is not TOML, for an unknown key, with its place and the nearest valid name, and for
    a value that its setting does not take.
    """
    configs = tuple(configs)
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NmtError(f"{path}: no such file", "check the path given to --config") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NmtError(f"{path}: not readable as TOML: {error}") from None
    strange = document.keys() - COMMANDS
    unknown = [f"{path}: {name} is not a table of a command{_nearest(name, COMMANDS)}" for name in strange]
    if unknown:
        raise NmtError("; ".join(sorted(unknown)), f"put settings under a line [{command}]")
    table = document.get(command, {})
    if not isinstance(table, dict):
        raise NmtError(f"{path}: {command} is not a table", f"put settings under a line [{command}]")
    declared = {name for config in configs for name in settings_of(config)}
    values = present_names({name.replace("-", "_"): value for name, value in table.items()}, configs)
    strange, table = values.keys() - declared, f"{path}: [{command}]"
    unknown = sorted(f"{table} {name}: unknown setting{_nearest(name, declared)}" for name in strange)
    problems = (problem for config in configs for problem in _problems(config, values))
    wrong = [f"{table} {problem.removeprefix('--')}" for problem in problems]
    if unknown or wrong:
        raise NmtError("; ".join(unknown + wrong))
    return values


def present_names(values: Mapping[str, Value], configs: Iterable[type[Any]]) -> dict[str, Value]:
    """The same values under the present names of their settings."""
    names = {described(item).alias: name for config in configs for name, item in settings_of(config).items()}
    return {names.get(name, name): value for name, value in values.items()}


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
