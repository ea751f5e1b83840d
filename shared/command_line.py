"""Command-line options for settings; names, values, help texts and defaults come from the settings."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Generic, ParamSpec, TypeVar, get_args, get_origin

import typer

from shared.logs import configure_logs
from shared.settings import S, choices, field_of, flag, load_settings, settings_file, sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic.fields import FieldInfo

P = ParamSpec("P")
R = TypeVar("R")

CONFIG: Final = "config"
_Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings.", show_default=False)]


@dataclass(frozen=True, slots=True)
class Loaded(Generic[S]):
    """The settings of one command."""

    settings: S
    file: Path | None
    """The settings file in effect, if any."""
    origins: Mapping[str, str]
    """Setting name to the flag, variable or file that set it; settings at their default are left out."""


class SettingOptions(Generic[S]):
    """Decorator factory: called with names of settings, it adds an option for each of them to a command."""

    def __init__(
        self,
        model: type[S],
        *,
        others: tuple[str, ...],
        panels: Mapping[str, tuple[str, ...]],
        aliases: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Takes `others` as `load_settings` does.

        `panels` maps each heading of `--help` to the settings under it, in the order shown. `aliases` maps the
        name of a setting to additional flags.
        """
        self._model = model
        self._others = others
        self._headings = {name: heading for heading, names in panels.items() for name in names}
        self._aliases = aliases or {}

    def __call__(self, *names: str) -> Callable[[Callable[..., R]], Callable[..., R]]:
        """Adds an option for each setting, and `--config`, after the command's own parameters.

        The command's first parameter receives the settings as `Loaded`, after logging is configured. Its other
        parameters are ordinary typer parameters. The command raises SettingsError when it runs.
        """
        # typer shows panels in the order of their first options.
        options = {_parameter(name): name for name in self._headings if name in names}
        if missing := set(names) - set(self._headings):
            raise ValueError(f"settings without a panel: {', '.join(sorted(missing))}")

        def decorate(command: Callable[..., R]) -> Callable[..., R]:
            @wraps(command)
            def run(**given: Any) -> R:
                config = given.pop(CONFIG)
                flags = {options[name]: _unless_empty(given.pop(name)) for name in options}
                return command(self.load(flags, config), **given)

            _, *own = inspect.signature(command, eval_str=True).parameters.values()
            added = [
                *(self._option(parameter, name) for parameter, name in options.items()),
                Parameter(CONFIG, Parameter.KEYWORD_ONLY, default=None, annotation=_Config),
            ]
            parameters = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in own] + added
            # typer reads defaults from the signature and types from the annotations; `wraps` has set those of the
            # command, without the options.
            run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
            run.__annotations__ = {one.name: one.annotation for one in parameters}
            return run

        return decorate

    def load(self, flags: Mapping[str, object], config: Path | None) -> Loaded[S]:
        """Reads all sources and configures logging; raises SettingsError."""
        settings = load_settings(self._model, flags=flags, file=config, others=self._others)
        configure_logs(settings.log_level, settings.log_format)  # type: ignore[attr-defined]  # every command
        origins = sources(self._model, flags=flags, file=config, others=self._others)
        return Loaded(settings, settings_file(config), origins)

    def _option(self, parameter: str, name: str) -> Parameter:
        field = field_of(self._model, name)
        # Not int or float: the settings model parses, so a wrong value has the same error and exit code (78) from
        # every source. typer would end with a usage error (2).
        kind: Any = str
        if field.annotation is bool:
            kind = bool
        elif get_origin(field.annotation) is tuple:
            kind = list[str]
        option = typer.Option(
            *(*self._aliases.get(name, ()), flag(name)),
            help=_help(field),
            metavar=None if kind is bool else _values(field),
            show_default=False,  # the option's own default is None, for not given; `_help` shows the setting's
            rich_help_panel=self._headings[name],
        )
        return Parameter(
            parameter, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, option]
        )


def _parameter(name: str) -> str:
    return flag(name).removeprefix("--").replace("-", "_")


def _unless_empty(value: object) -> object:
    """Returns None for an option that was not given."""
    # A switch has no `--no-` form, so False only means that it was not given: it must not override a variable.
    return None if value is False or value == [] else value


def _help(field: FieldInfo) -> str:
    """The first paragraph of the description, followed by the default."""
    words = " ".join((field.description or "").partition("\n\n")[0].split())
    default = field.default
    shown = ", ".join(default) if isinstance(default, tuple) else default
    no_default = field.is_required() or field.default_factory or shown in {None, ""} or isinstance(shown, bool)
    return words if no_default else f"{words} (default: {shown})"


def _values(field: FieldInfo) -> str:
    """The metavar in `--help`: the choices, or a type."""
    if words := choices(field):
        return f"<{'|'.join(words)}>"
    kinds = get_args(field.annotation) or (field.annotation,)
    return {int: "<int>", float: "<float>", Path: "<path>"}.get(kinds[0], "<text>")
