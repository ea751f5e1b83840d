"""`sentiment-consumer config`: the settings in effect, what they make of the Kafka client, and a file's check."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer needs it at run time
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.commands.options import IDENTITY, KAFKA, MODEL, TOPICS, settings_options
from consumer.settings import OTHER_COMMANDS, ConsumerSettings
from shared.command_line import Loaded
from shared.errors import SettingsError
from shared.kafka.client import shown_config
from shared.settings import effective, examine_file
from shared.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


app = typer.Typer(
    help="The settings as they are in effect, and the check of a settings file.", no_args_is_help=True
)


@app.command("show")
@settings_options(*KAFKA, *MODEL, *TOPICS, *IDENTITY)
def show(loaded: Loaded[ConsumerSettings]) -> None:
    """Print every setting as YAML, with where it comes from; secrets are masked."""
    for line in lines(loaded.settings, loaded.origins):
        say(line)


@app.command("check")
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML file of settings.")],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit code 78 for warnings too.")] = False,
) -> None:
    """Validate a settings file by itself, without broker, model or environment; each line says what to do.

    `FAIL` is what `run` refuses, `warn` what is deprecated, dangerous or without effect. Exit code 0 or 78.
    """
    from consumer.preflight.settings_rules import settings_problems  # noqa: PLC0415

    found = examine_file(ConsumerSettings, file, OTHER_COMMANDS)
    problems = settings_problems(found, file)
    for problem in problems:
        say(f"{'FAIL' if problem.is_fatal else 'warn'} {problem.text}")
    if found.of_others:
        say(f"-    not examined, as they are settings of other commands: {', '.join(found.of_others)}")
    refused = sum(problem.is_fatal for problem in problems)
    if refused or (strict and problems):
        raise SettingsError(f"{file}: {refused} to correct, {len(problems) - refused} warnings")
    say(f"ok   {file}: run takes it; {len(problems)} warnings")


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
