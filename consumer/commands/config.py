"""`sentiment-consumer config`: the settings in effect and what they make of the Kafka client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from consumer.commands.options import IDENTITY, KAFKA, MODEL, TOPICS, settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded
from shared.kafka.client import shown_config
from shared.settings import effective
from shared.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


app = typer.Typer(help="The settings as they are in effect.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keeps `show` a command of its own: an app with one command takes no name for it."""


@app.command("show")
@settings_options(*KAFKA, *MODEL, *TOPICS, *IDENTITY)
def show(loaded: Loaded[ConsumerSettings]) -> None:
    """Print every setting as YAML, with where it comes from; secrets are masked."""
    for line in lines(loaded.settings, loaded.origins):
        say(line)


def lines(settings: ConsumerSettings, origins: Mapping[str, str]) -> Iterator[str]:
    """Yields YAML that is a settings file itself, but for masked values; a comment names each value's origin."""
    for name, value in effective(settings).items():
        yield f"{_yaml(name, value)}  # {origins.get(name, 'default')}"
    yield ""
    yield "# librdkafka, as every client here gets it from these settings; each adds what delivery depends on:"
    for key, value in shown_config(settings.kafka).items():
        yield f"# {_yaml(key, value)}"


def _yaml(name: str, value: Any) -> str:
    """One line; every JSON value is one of YAML, too."""
    return f"{name}: {json.dumps(value, ensure_ascii=False)}"
