"""Settings from command line, environment, YAML file and defaults, in this order of precedence.

Values are read once, at start, into frozen pydantic models. An unknown name from any source is an error that
suggests the nearest valid name, because a misspelt limit would have no effect.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Final,
    Generic,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import yaml
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from typing_extensions import is_typeddict

from shared.errors import SettingsError
from shared.settings_file import NOT_YAML, PLAIN, leaves, read_yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PREFIX: Final = "SENTIMENT_"
NESTING: Final = "__"
MASK: Final = "***"
_NAMED_GROUPS: Final = frozenset({"metrics", "http", "drift", "tracing"})
"""Groups whose settings have short names, such as `port`, so that the group is part of the flag."""
CONFIG_VARIABLE: Final = "SENTIMENT_CONFIG"
"""Path of an optional YAML file of settings; `--config` overrides it."""


# Not pydantic-settings: 2.16.3 accepts a misspelt variable at the top level, also with extra="forbid".
class Settings(BaseModel):
    """Base class of every group of settings: frozen, without unknown names, and with finite numbers only.

    The string below a field is its description in `--help`, `config show` and docs/settings.md.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        # The input of a faulty setting may be a secret.
        hide_input_in_errors=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


S = TypeVar("S", bound=Settings)


def load_settings(
    model: type[S],
    *,
    flags: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
    file: Path | None = None,
    others: tuple[str, ...] = (),
) -> S:
    """Merges the sources and validates them; raises SettingsError with one line per fault.

    `flags` has the values of the command line by dotted name; None means not given. `others` has the prefixes of
    names that belong to other commands and may be set in the same environment: they are ignored, unless they look
    like a misspelt setting of this command.
    """
    tree: dict[str, Any] = {}
    for name, value, _ in _given(model, flags, environ, file, others):
        _put(tree, name, value)
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        faults = [_fault(item, flags, model) for item in error.errors(include_input=False)]
        raise SettingsError("; ".join(faults)) from None


def sources(
    model: type[Settings],
    *,
    flags: Mapping[str, object],
    environ: Mapping[str, str] = os.environ,
    file: Path | None = None,
    others: tuple[str, ...] = (),
) -> dict[str, str]:
    """The source of each setting that is not at its default: a flag, a variable or a file."""
    return {name: source for name, _, source in _given(model, flags, environ, file, others)}


class Examined(NamedTuple, Generic[S]):
    """What a settings file says by itself."""

    settings: S | None
    """Without unknown names; None if a value is refused."""
    faults: tuple[str, ...]
    """All of them, where a command ends at the first unknown name."""
    given: Mapping[str, Any]
    """Values by dotted name, without unknown names."""
    of_others: tuple[str, ...]
    """Names that belong to other commands; they are not examined."""


def examine_file(model: type[S], file: Path, others: tuple[str, ...] = ()) -> Examined[S]:
    """Validates a file without flags and environment; raises SettingsError if it has no names and values."""
    known = _names(model)
    given, faults, of_others = dict[str, Any](), list[str](), list[str]()
    for name, value in file_values(model, file).items():
        try:
            if _is_ours(name, known, others, where=str(file), spell=str):
                given[name] = value
            else:
                of_others.append(name if PLAIN.fullmatch(name) else "one with no plain name")
        except SettingsError as error:
            faults.append(str(error))
    settings = None
    tree: dict[str, Any] = {}
    for name, value in given.items():
        _put(tree, name, value)
    try:
        settings = model.model_validate(tree)
    except ValidationError as error:
        faults += [_fault(item, {}, model) for item in error.errors(include_input=False)]
    return Examined(settings, tuple(faults), given, tuple(of_others))


def settings_file(file: Path | None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The settings file in effect: the one given, else that of SENTIMENT_CONFIG, if any."""
    return Path(environ[CONFIG_VARIABLE]) if file is None and environ.get(CONFIG_VARIABLE) else file


def file_values(model: type[Settings], file: Path) -> dict[str, Any]:
    """All values of a settings file by dotted name, including those of other commands."""
    return leaves(read_yaml(file), _names(model), file)


def variable(name: str) -> str:
    """The environment variable of a dotted setting name: `kafka.sasl_username` is SENTIMENT_KAFKA__..."""
    return PREFIX + name.replace(".", NESTING).upper()


def effective(settings: Settings) -> dict[str, Any]:
    """The settings as one flat mapping that is safe to print; secrets are masked."""
    flat: dict[str, Any] = {}
    for name in _names(type(settings)):
        value: Any = settings
        for part in name.split("."):
            value = getattr(value, part)
        flat[name] = {key: _shown(one) for key, one in value.items()} if isinstance(value, dict) else _shown(value)
    return flat


def _shown(value: Any) -> Any:
    return MASK if isinstance(value, SecretStr) else str(value) if isinstance(value, Path) else value


def bounds(model: type[BaseModel], place: Iterable[str | int]) -> str | None:
    """The allowed range of a number, such as `a number above 0 and at most 50`; None for other settings.

    `place` is the path to a setting, or to a key inside a setting that is a mapping.
    """
    kind: Any = model
    limits: dict[str, float] = {}
    for part in place:
        field = _fields(kind).get(str(part))
        if field is None:
            return None
        kind = field.annotation
        limits = {
            name: getattr(limit, name)
            for limit in field.metadata
            for name in ("gt", "ge", "lt", "le")
            if hasattr(limit, name)
        }
    low = f"above {limits['gt']}" if "gt" in limits else f"of at least {limits['ge']}" if "ge" in limits else ""
    high = f"below {limits['lt']}" if "lt" in limits else f"at most {limits['le']}" if "le" in limits else ""
    whole = "a whole number" if kind is int or int in get_args(kind) else "a number"
    return f"{whole} {low} and {high}" if low and high else None


def _fields(kind: Any) -> dict[str, FieldInfo]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return dict(kind.model_fields)
    hints = get_type_hints(kind, include_extras=True) if is_typeddict(kind) else {}
    return {name: FieldInfo.from_annotation(hint) for name, hint in hints.items()}


def _given(
    model: type[Settings],
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    file: Path | None,
    others: tuple[str, ...],
) -> Iterator[tuple[str, object, str]]:
    """Yields dotted name, value and source of every value that is set; later ones override earlier ones."""
    known = _names(model)
    file = settings_file(file, environ)
    for name, value in (file_values(model, file) if file else {}).items():
        if _is_ours(name, known, others, where=str(file), spell=str):
            yield name, value, str(file)
    for key, text in environ.items():
        if not key.startswith(PREFIX) or key == CONFIG_VARIABLE:
            continue
        name = key.removeprefix(PREFIX).lower().replace(NESTING, ".")
        if _is_ours(name, known, others, where="the environment", spell=variable):
            yield name, _mapping(key, text) if known[name] is dict else text, key
    for name, value in flags.items():
        if value is not None:
            yield name, value, flag(name)


def field_of(model: type[BaseModel], name: str) -> FieldInfo:
    """The field of a dotted setting name."""
    *parents, last = name.split(".")
    for parent in parents:
        model = model.model_fields[parent].annotation  # type: ignore[assignment]
    return model.model_fields[last]


def leaf_names(model: type[BaseModel]) -> tuple[str, ...]:
    """The dotted names of all settings."""
    return tuple(_names(model))


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The allowed values of a setting with a fixed set of values; empty for other settings."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if get_origin(kind) is Literal:
            return tuple(map(str, get_args(kind)))
    return ()


def flag(name: str) -> str:
    """The command-line flag of a dotted setting name, if the command has one: --metrics-port of metrics.port."""
    group, _, last = name.rpartition(".")
    return f"--{(f'{group}-{last}' if group in _NAMED_GROUPS else last).replace('_', '-')}"


def _names(model: type[BaseModel], prefix: str = "") -> dict[str, type]:
    """Dotted names of all leaves, each with `dict` if the setting is a mapping, else `str`."""
    names: dict[str, type] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Settings):
            names |= _names(kind, f"{prefix}{name}.")
        else:
            names[prefix + name] = dict if get_origin(kind) is dict or is_typeddict(kind) else str
    return names


def _is_ours(
    name: str, known: dict[str, type], others: tuple[str, ...], *, where: str, spell: Callable[[str], str]
) -> bool:
    """Whether a name is a setting of this command; raises SettingsError for an unknown or misspelt name."""
    if name in known:
        return True
    foreign = name.startswith(others)
    # A foreign name is probably meant for its own command, so it must be very close to count as misspelt.
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.85 if foreign else 0.5)
    if foreign and not near:
        return False
    hint = f"; did you mean {spell(near[0])}?" if near else ""
    shown = spell(name) if PLAIN.fullmatch(name) else "with no plain name"
    raise SettingsError(f"unknown setting {shown} in {where}{hint}")


def _mapping(key: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except NOT_YAML:
        raise SettingsError(f'{key} must hold JSON such as {{"socket.timeout.ms": 10000}}') from None


def _put(tree: dict[str, Any], name: str, value: object) -> None:
    *parents, last = name.split(".")
    for parent in parents:
        tree = tree.setdefault(parent, {})
    tree[last] = value


def _fault(item: Any, flags: Mapping[str, object], model: type[BaseModel]) -> str:
    # pydantic puts "Value error, " in front of what a validator raises.
    message = "is needed" if item["type"] == "missing" else item["msg"].removeprefix("Value error, ")
    place = ".".join(str(part) for part in item["loc"])
    is_group = any(setting.startswith(f"{place}.") for setting in _names(model))
    if not place or (is_group and item["type"] == "value_error"):  # the message names the settings itself
        return str(message)
    name = next((setting for setting in _names(model) if place.startswith(f"{setting}.")), place)
    if allowed := bounds(model, item["loc"]):
        message = f"must be {allowed}"
    by_flag = f"{flag(name)}, " if name in flags else ""
    shown = place if PLAIN.fullmatch(place) else name
    return f"{shown}: {message} (set {by_flag}{variable(name)} or {name} in a settings file)"
