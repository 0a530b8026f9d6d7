"""Options made of settings: a command says which config classes it takes, and gets an option for each of their fields.

    def translate(common: Common, given: Annotated[Given, SearchConfig, RuntimeConfig]) -> None: ...

Every command also takes the common options. What was given, and not the defaults, is kept, so that `Given.build` can
put flags over the file, the file over the preset and the preset over the default.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_type_hints

import typer

from nmt.cli.errors import run_command
from nmt.cli.output import set_up_logging
from nmt.config import PRESETS, ModelConfig, TrainingConfig
from nmt.errors import UsageError
from nmt.settings import AUTO, Setting, Value, build, default_of, plain_type, read_settings, resolve, settings_of

T = TypeVar("T")


class Common(NamedTuple):
    """What every command is told."""

    run: Path
    quiet: bool

    @property
    def model(self) -> Path:
        """The run's model directory."""
        return self.run / "model"

    @property
    def data(self) -> Path:
        """The run's prepared data."""
        return self.run / "data"


@dataclass(frozen=True, slots=True)
class Given:
    """Settings that the user gave, as flags and in a file."""

    configs: tuple[type[Any], ...]
    flags: Mapping[str, Value]
    file: Mapping[str, Value]
    presets: Mapping[str, Mapping[str, Value]]

    @property
    def chosen(self) -> frozenset[str]:
        """The names of the settings that were given, and of those that `over` put below them."""
        return frozenset(self.flags) | frozenset(self.file)

    def build(self, config: type[T], **fixed: Value) -> T:
        """A config of what was given and, where nothing was, of preset and defaults."""
        return build(config, self.values(), **fixed)

    def values(self) -> dict[str, Value]:
        """All settings resolved."""
        return resolve(self.configs, self.flags, self.file, self.presets)

    def over(self, base: Mapping[str, Value]) -> "Given":
        """The same with `base` below flags and file, in place of the preset: the settings of a run that goes on."""
        return replace(self, file={**base, **self.file})

    def settled(self, **found: Value) -> "Given":
        """The same with these values where `auto` was given for them."""
        values = self.values()
        return replace(self, flags={**self.flags, **{key: one for key, one in found.items() if values[key] == AUTO}})

    def with_preset(self, name: str, values: Mapping[str, Value]) -> "Given":
        """The same where a preset has these values."""
        return replace(self, presets={**self.presets, name: values})


Input = Annotated[Path | None, typer.Argument(help="File to read.", show_default="stdin")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse invalid UTF-8 in place of replacing it.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

RUN = typer.Option("--run", envvar="NMT_RUN", help="Directory of the run.", rich_help_panel="Common")
CONFIG = typer.Option("--config", help="TOML file with settings under the command's name.", rich_help_panel="Common")
QUIET = typer.Option("--quiet", "-q", help="Say nothing but warnings and errors.", rich_help_panel="Common")
DEBUG = typer.Option("--debug", help="Show tracebacks of errors.", rich_help_panel="Common")
_COMMON = {
    "run": (Annotated[Path, RUN], Path("run")),
    "config": (Annotated[Path | None, CONFIG], None),
    "quiet": (Annotated[bool, QUIET], False),
    "debug": (Annotated[bool, DEBUG], False),
}


def command(app: typer.Typer, name: str, run: str = "run") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the command `name`, which is also its TOML table; `run` is its default for --run."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        table_name = app.info.name or name
        configs: tuple[type[Any], ...] = get_args(hints["given"])[1:] if "given" in hints else ()
        own = [one for key, one in inspect.signature(function).parameters.items() if key not in ("common", "given")]

        def call(**values: Any) -> None:
            common, file = Common(values.pop("run"), values.pop("quiet")), values.pop("config", None)
            values.pop("debug")
            set_up_logging(quiet=common.quiet)
            if common.run.is_file():
                raise UsageError(f"--run {common.run} is a file", "name a directory, which may be new")
            fields = [key for config in configs for key in settings_of(config)]
            flags = {key: values.pop(key) for key in fields}
            if configs:
                given = {key: _plain(value) for key, value in flags.items() if value not in (None, [])}
                table = read_settings(file, table_name, configs) if file else {}
                values["given"] = Given(configs, given, table, PRESETS)
            function(common=common, **values)

        def guarded(**values: Any) -> None:
            if code := run_command(lambda: call(**values), debug=values["debug"]):
                raise typer.Exit(code)

        parameters = own + [_option(key, config) for config in configs for key in settings_of(config)]
        defaults = {**{key: default for key, (_, default) in _COMMON.items()}, "run": Path(run)}
        common = [key for key in _COMMON if configs or key != "config"]
        parameters += [_keyword(key, _COMMON[key][0], defaults[key]) for key in common]
        guarded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        guarded.__annotations__ = {one.name: one.annotation for one in parameters}
        guarded.__doc__ = function.__doc__
        app.command(name)(guarded)
        return function

    return register


def _plain(value: Any) -> Value:
    return list(value) if isinstance(value, tuple | list) else value


def _option(name: str, config: type[Any]) -> inspect.Parameter:
    known: Setting = settings_of(config)[name].metadata["setting"]
    default = default_of(settings_of(config)[name])
    by_preset = any(name in preset for preset in PRESETS.values())
    made = typer.Option(
        help=known.help[0].upper() + known.help[1:] + ".",
        show_default="by --preset" if config in (TrainingConfig, ModelConfig) and by_preset else _shown(default),
        rich_help_panel=known.group or "Options",
        parser=_number_or_auto if known.auto else None,
        metavar="INTEGER|auto" if known.auto else None,
    )
    annotation: Any = Literal[known.choices] if known.choices else plain_type(get_type_hints(config)[name])
    return _keyword(name, Annotated[annotation | None, made], None)


def _number_or_auto(text: str) -> int | str:
    if text != AUTO and not text.removeprefix("-").isdecimal():
        raise typer.BadParameter(f"{text} is neither a whole number nor {AUTO}")
    return text if text == AUTO else int(text)


def _shown(default: Value) -> str | bool:
    """How help shows a default; False: not at all."""
    if default is None:
        return False
    return {True: "yes", False: "no"}[default] if isinstance(default, bool) else str(default)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
