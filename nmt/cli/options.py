"""Options made of settings: a command names the config classes it takes, and gets an option for each of their fields.

    def translate(common: Common, given: Annotated[Given, SearchConfig, RuntimeConfig]) -> None: ...

Every command also takes the common options. `Given` keeps what was given, not the defaults, so that flags go over the
file, the file over the preset and the preset over the default.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Set
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_type_hints

import typer

from nmt.cli.errors import reported
from nmt.cli.help import CommandWithHelp
from nmt.cli.output import set_up_logging
from nmt.config.model import ModelConfig
from nmt.config.presets import PRESETS
from nmt.config.setting import (
    AUTO,
    Value,
    build,
    described,
    option_name,
    plain_type,
    read_settings,
    resolve,
    settings_of,
)
from nmt.config.training import TrainingConfig
from nmt.errors import UsageError
from nmt.files.run_directory import RunDirectory

T = TypeVar("T")


class Common(NamedTuple):
    """The options of every command."""

    run: RunDirectory
    quiet: bool


class Given(NamedTuple):
    """Settings that the user gave, as flags and in a file."""

    configs: tuple[type[Any], ...]
    flags: Mapping[str, Value]
    file: Mapping[str, Value]

    @property
    def values(self) -> dict[str, Value]:
        """Flags over the file."""
        return {**self.file, **self.flags}

    def build(self, config: type[T], **fixed: Value) -> T:
        """A config of what was given and, for the rest, of preset and defaults."""
        return build(config, resolve(self.configs, self.values, PRESETS), **fixed)

    def refuse(self, settings: Set[str], where: str) -> None:
        """UsageError for the first of some settings that was given as a flag where it would do nothing."""
        if refused := sorted(settings & self.flags.keys()):
            raise UsageError(f"{option_name(refused[0])} has no meaning {where}", "leave it out")


Input = Annotated[Path | None, typer.Argument(help="File to read.", show_default="stdin")]
Model = Annotated[Path | None, typer.Option(help="Model directory.", show_default="RUN/model")]
References = Annotated[
    list[Path] | None,
    typer.Option("--reference", help="Reference translations; may be repeated.", show_default="RUN/data/test.target"),
]
Source = Annotated[Path | None, typer.Option(help="Source text.", show_default="RUN/data/test.source")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at invalid UTF-8 instead of replacing it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there; never directories with other files.")]
Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]

RUN = typer.Option(
    "--run", envvar="NMT_RUN", help="Run directory, shown as RUN in this help.", rich_help_panel="Common"
)
CONFIG = typer.Option(
    "--config",
    help="TOML file of settings, in a table named after the command, such as [train].",
    rich_help_panel="Common",
)
QUIET = typer.Option("--quiet", "-q", help="Print only warnings and errors.", rich_help_panel="Common")
DEBUG = typer.Option(
    "--debug", help="Print details, such as the engine, and the traceback of an error.", rich_help_panel="Common"
)
_COMMON = {
    "run": (Annotated[Path, RUN], Path("run")),
    "config": (Annotated[Path | None, CONFIG], None),
    "quiet": (Annotated[bool, QUIET], False),
    "debug": (Annotated[bool, DEBUG], False),
}


def command(
    app: typer.Typer, name: str, *, run: str = "run", panel: str | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a function as the command `name`, which is also its TOML table; `run` is its default for --run."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(function, include_extras=True)
        configs: tuple[type[Any], ...] = get_args(hints["given"])[1:] if "given" in hints else ()
        own = [item for key, item in inspect.signature(function).parameters.items() if key not in ("common", "given")]

        def call(ctx: typer.Context, **values: Any) -> None:
            with reported(debug=(debug := values.pop("debug"))):
                _check_utf8(values)
                run, config = values.pop("run"), values.pop("config", None)
                common = Common(RunDirectory(run), values.pop("quiet"))
                set_up_logging(quiet=common.quiet, debug=debug)
                if run.is_file():
                    raise UsageError(f"--run {run} is a file", "name a run directory")
                if configs:
                    flags = _take_flags(ctx, configs, values)
                    file = read_settings(config, app.info.name or name, configs) if config else {}
                    values["given"] = Given(configs, flags, file)
                function(common=common, **({"context": ctx} if "context" in hints else {}), **values)

        parameters = [item for item in own if item.name != "context"]
        for config in configs:
            for key, item in settings_of(config).items():
                parameters.append(_option(key, config))
                if described(item).alias:
                    parameters.append(_option(key, config, described(item).alias))
        defaults = {**{key: default for key, (_, default) in _COMMON.items()}, "run": Path(run)}
        common = [key for key in _COMMON if configs or key != "config"]
        parameters += [_keyword(key, _COMMON[key][0], defaults[key]) for key in common]
        context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        call.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
        call.__annotations__ = {item.name: item.annotation for item in (context, *parameters)}
        call.__doc__ = function.__doc__
        app.command(name, cls=CommandWithHelp, rich_help_panel=panel)(call)
        return function

    return register


def _check_utf8(values: dict[str, Any]) -> None:
    """UsageError for text, or a model's directory, that is not UTF-8; other files may have such names."""
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            is_text = isinstance(item, str) and name != "files"
            is_directory = name in ("run", "model", "models", "output")  # which safetensors takes in UTF-8 only
            if (is_text or is_directory) and re.search("[\ud800-\udfff]", str(item)):
                raise UsageError(f"{str(item)!r} is not UTF-8", "write text and names of directories in UTF-8")


def _take_flags(ctx: typer.Context, configs: tuple[type[Any], ...], values: dict[str, Any]) -> dict[str, Value]:
    """Remove the settings from a command's values; return those that the user gave, by their present names."""
    flags: dict[str, Value] = {}
    for config in configs:
        for name, item in settings_of(config).items():
            for key in (described(item).alias, name):
                value, source = values.pop(key, None), ctx.get_parameter_source(key) if key else None
                if source is not None and source.name != "DEFAULT":
                    if name in flags:
                        raise UsageError(f"{option_name(name)} is given twice, also by its former name", "give it once")
                    flags[name] = list(value) if isinstance(value, tuple | list) else value
    return flags


def _option(name: str, config: type[Any], alias: str = "") -> inspect.Parameter:
    """The option of a setting; a hidden one where it is its former name."""
    item = settings_of(config)[name]
    setting, default = described(item), item.default
    by_preset = config in (TrainingConfig, ModelConfig) and any(name in preset for preset in PRESETS.values())
    option = typer.Option(
        *([option_name(alias)] if alias and not isinstance(default, bool) else []),
        help=setting.help + ".",
        hidden=bool(alias) or setting.hidden,
        show_default="by --preset" if by_preset else default is not None,
        rich_help_panel=setting.group or "Options",
        parser=_number_or_auto if setting.auto else None,
        metavar="INTEGER|auto" if setting.auto else None,
        autocompletion=(lambda: list(PRESETS)) if name == "preset" else None,
    )
    annotation: Any = Literal[setting.choices] if setting.choices else plain_type(get_type_hints(config)[name])
    return _keyword(alias or name, Annotated[annotation if default is not None else annotation | None, option], default)


def _number_or_auto(text: str | int) -> int | str:
    if str(text) != AUTO and not str(text).removeprefix("-").isdecimal():
        raise typer.BadParameter(f"{text} is neither a whole number nor {AUTO}")
    return str(text) if text == AUTO else int(text)


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
