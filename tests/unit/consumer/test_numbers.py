"""Every number that a user may set has two finite bounds, in settings, properties and options of commands."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner
from typing_extensions import is_typeddict

from consumer import __main__ as consumer_main
from consumer.settings import ConsumerSettings
from demo import __main__ as demo_main
from shared.errors import SettingsError
from shared.settings import Settings, bounds, load_settings
from trainer import __main__ as trainer_main
from trainer.settings import TrainerEnvironment, TrainerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

MODELS: tuple[type[Settings], ...] = (ConsumerSettings, TrainerEnvironment)
BEYOND = ("inf", "-inf", "nan", "1e300", "-1e300", str(2**63), str(-(2**63)), "9" * 400)


def is_number(kind: object) -> bool:
    """Whether a type is a number, an optional one included."""
    return bool({int, float} & {kind, *get_args(kind)})


def numbers(model: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The place of every number of a model, including keys of a typed mapping."""
    kinds = {name: field.annotation for name, field in getattr(model, "model_fields", {}).items()}
    if is_typeddict(model):
        kinds = get_type_hints(model)
    for name, kind in kinds.items():
        if is_number(kind):
            yield (*place, name)
        yield from numbers(kind, (*place, name))


NUMBERS = [(model, place) for model in MODELS for place in numbers(model)]


def test_the_walk_sees_all_kinds_of_numbers() -> None:
    """Given the models, then the walk finds numbers at the top, in groups, optional ones and properties."""
    assert {
        (ConsumerSettings, ("cache",)),
        (ConsumerSettings, ("max_messages",)),
        (ConsumerSettings, ("limits", "stall_timeout_s")),
        (ConsumerSettings, ("kafka", "properties", "linger.ms")),
        (TrainerEnvironment, ("trainer", "test_fraction")),
    } <= set(NUMBERS)


@pytest.mark.parametrize(("model", "place"), NUMBERS, ids=lambda part: getattr(part, "__name__", None) or part[-1])
def test_every_number_has_two_bounds_and_says_them(model: type[Settings], place: tuple[str, ...]) -> None:
    """Given an infinite value, a non-number or a value far beyond, then it is refused with both bounds."""
    allowed = bounds(model, place)

    assert allowed is not None, "give it both bounds"
    for value in BEYOND:
        with pytest.raises(SettingsError) as raised:
            load_settings(model, flags=flag_of(place, value), environ={})
        assert f"{'.'.join(place)}: must be {allowed} (" in str(raised.value)


@given(st.sampled_from(NUMBERS), st.floats() | st.integers() | st.floats().map(str) | st.integers().map(str))
def test_what_is_accepted_is_finite(where: tuple[type[Settings], tuple[str, ...]], value: float | str) -> None:
    """Given any number as a number or as text, then it is refused with code 78, or finite."""
    model, place = where
    try:
        found: Any = load_settings(model, flags=flag_of(place, value), environ={})
    except SettingsError as refusal:
        assert refusal.exit_code == 78  # noqa: PT017 - the accepted are checked, too
        return
    for name in place:
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    assert math.isfinite(found)


def flag_of(place: tuple[str, ...], value: object) -> dict[str, object]:
    """The value as it comes from the command line or a file."""
    if "properties" in place:
        return {"kafka.properties": {place[-1]: value}}
    return {".".join(place): value}


def options() -> Iterator[tuple[typer.Typer, tuple[str, ...], Any]]:
    """Every option that takes a number, with its command."""
    demo = typer.Typer()
    demo.command()(demo_main.demo)
    for app in (consumer_main.app, trainer_main.app, demo):
        yield from ((app, command, option) for command, option in options_of(typer.main.get_command(app)))


def options_of(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The same for one command and those under it."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from options_of(inner, (*path, name))
    yield from ((path, option) for option in command.params if is_number(option.type_descriptor.annotation))


SETTINGS = {place[-1] for place in itertools.chain(numbers(ConsumerSettings), numbers(TrainerSettings))}


@pytest.mark.parametrize(
    ("app", "command", "option"),
    [one for one in options() if one[2].name not in SETTINGS],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else getattr(part, "name", ""),
)
def test_every_option_that_is_no_setting_has_two_bounds(
    app: typer.Typer, command: tuple[str, ...], option: Any
) -> None:
    """Given an infinite value, a non-number or a value far beyond for an option, then it is a usage error."""
    if option.type_descriptor.parameter_info.parser is None:
        assert option.min is not None
        assert option.max is not None
    for value in BEYOND:
        ended = CliRunner().invoke(app, [*command, f"{option.opts[0]}={value}"])
        assert ended.exit_code == 2
        assert option.opts[0] in ended.output
