"""The command line of the consumer: settings, wiring, and how it ends."""

from __future__ import annotations

import threading
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import structlog
import typer

from consumer import settings as consumer_settings
from consumer.commands.dlq import app as dlq_app
from consumer.commands.options import Config, Dlq, Insecure, LogLevel, Servers  # noqa: TC001 - typer reads them at run time
from shared import __version__
from shared.logs import configure_logs, end_process, exit_with
from shared.settings import settings_file
from shared.terminal import say

app = typer.Typer(
    help="Scores texts of a Kafka topic with a fine-tuned BERT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
topics_app = typer.Typer(help="The topics this service reads and writes.", no_args_is_help=True)
app.add_typer(topics_app, name="topics")
app.add_typer(dlq_app, name="dlq")
config_app = typer.Typer(help="The settings as they are in effect.", no_args_is_help=True)
app.add_typer(config_app, name="config")
log = structlog.get_logger()

Model = Annotated[Path | None, typer.Option(help="Model folder written by sentiment-trainer.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Precision = Annotated[str | None, typer.Option(help="Of the model's arithmetic: auto, fp32, bf16 or int8.")]
Group = Annotated[str | None, typer.Option("--group-id", help="Consumer group.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input-topic", "--input-topics", help="Topic to read; repeat it, or give one ^pattern."),
]
Output = Annotated[str | None, typer.Option("--output-topic", help="Topic for results.")]
Delivery = Annotated[str | None, typer.Option(help="exactly-once or at-least-once.")]
InstanceId = Annotated[
    str | None, typer.Option(help="Name of this process, stable and unique in its group, for exactly-once.")
]
Format = Annotated[str | None, typer.Option("--format", help="json or text: what an input value is.")]
TextField = Annotated[str | None, typer.Option("--text-field", help="Dotted path of the text, e.g. data.text.")]
IdField = Annotated[str | None, typer.Option("--id-field", help="Dotted path of the id.")]


class OnError(StrEnum):
    """What `score` does at a line that it cannot read or score."""

    FAIL = "fail"
    SKIP = "skip"


_PLANNING = {"sample", "last", "target_p99", "seconds", "output"}
"""Options of `plan` that are no settings."""


def main() -> NoReturn:
    """Entry point of `sentiment-consumer`."""
    exit_with(app, end_process)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:  # noqa: D103
    if show:
        print(__version__)  # noqa: T201
        raise typer.Exit


@app.command()
def run(
    *,
    config: Config = None,
    bootstrap_servers: Servers = None,
    insecure: Insecure = None,
    model: Model = None,
    device: Device = None,
    precision: Precision = None,
    group_id: Group = None,
    input_topic: Inputs = None,
    output_topic: Output = None,
    dlq_topic: Dlq = None,
    delivery: Delivery = None,
    instance_id: InstanceId = None,
    group_protocol: Annotated[str | None, typer.Option(help="classic, or consumer (KIP-848).")] = None,
    auto_offset_reset: Annotated[
        str | None, typer.Option(help="earliest, latest or none: where a new group begins.")
    ] = None,
    format_: Format = None,
    text_field: TextField = None,
    id_field: IdField = None,
    on_null: Annotated[
        str | None, typer.Option(help="skip, forward or dead-letter: what a deletion becomes.")
    ] = None,
    timestamps: Annotated[str | None, typer.Option(help="Of results: input or now.")] = None,
    cache: Annotated[int | None, typer.Option(help="Scores kept for texts that come again; 0 keeps none.")] = None,
    include_text: Annotated[bool | None, typer.Option("--include-text", help="Put the text into results.")] = None,
    until_idle_s: Annotated[
        float | None, typer.Option(help="End after this many seconds without a record.")
    ] = None,
    max_messages: Annotated[int | None, typer.Option(help="End after this many records.")] = None,
    log_level: LogLevel = None,
) -> None:
    """Read texts, score them, publish labels and probabilities, until stopped."""
    flags = _flags(locals())
    settings = consumer_settings.load(flags, config)
    configure_logs(settings.log_level)
    stop = threading.Event()
    from consumer.signals import stop_on_signals  # noqa: PLC0415

    stop_on_signals(stop)
    from consumer.service import serve  # noqa: PLC0415 - torch takes seconds to import: settings fail first

    serve(settings, stop)


@app.command()
def check(
    *,
    config: Config = None,
    bootstrap_servers: Servers = None,
    insecure: Insecure = None,
    model: Model = None,
    device: Device = None,
    precision: Precision = None,
    group_id: Group = None,
    input_topic: Inputs = None,
    output_topic: Output = None,
    dlq_topic: Dlq = None,
    delivery: Delivery = None,
    instance_id: InstanceId = None,
    log_level: LogLevel = None,
) -> None:
    """Test broker, rights, topics, model folder and device; each line is ok or says what to do."""
    settings = consumer_settings.load(_flags(locals()), config)
    configure_logs(settings.log_level)
    from consumer.commands.check import run_checks  # noqa: PLC0415

    raise typer.Exit(run_checks(settings))


@app.command()
def score(
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; without any, one a line of standard input.")
    ] = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Read JSON Lines of inputs, write those of results.")
    ] = False,
    on_error: Annotated[
        OnError,
        typer.Option(help="At a line without a text: fail, or skip it, name it and go on; the exit code is 65."),
    ] = OnError.FAIL,
    config: Config = None,
    model: Model = None,
    device: Device = None,
    precision: Precision = None,
    text_field: TextField = None,
    id_field: IdField = None,
    log_level: LogLevel = None,
) -> None:
    """Score texts without Kafka: a table on a terminal, JSON Lines in a pipe, in the order of the lines.

    A line that is blank or cannot be read or scored ends it after the answers to all lines before. A result
    without an id of its own is called by its line: line-7.
    """
    flags = {k: v for k, v in locals().items() if k not in {"texts", "json", "on_error"}}
    settings = consumer_settings.load(_flags(flags), config)
    configure_logs(settings.log_level)
    from consumer.commands.score import score_texts  # noqa: PLC0415

    score_texts(settings, texts or None, as_json=json, skip=on_error is OnError.SKIP)


@app.command()
def plan(
    *,
    sample: Annotated[
        Path | None, typer.Option(help="One text a line, or JSON Lines (.jsonl); default: the input's newest.")
    ] = None,
    last: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="How many records of the input topics, without --sample.")
    ] = 2_000,
    target_p99: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=3_600_000, help="Milliseconds that a text may take to its publish, under load."
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.001, max=3_600, help="For each measurement.")] = 3.0,
    output: Annotated[Path, typer.Option(help="Settings file to write; must not exist.")] = Path("plan.yaml"),
    config: Config = None,
    bootstrap_servers: Servers = None,
    insecure: Insecure = None,
    model: Model = None,
    device: Device = None,
    precision: Precision = None,
    input_topic: Inputs = None,
    format_: Format = None,
    text_field: TextField = None,
    log_level: LogLevel = None,
) -> None:
    """Measure this model on this device, and write the best limits as a settings file."""
    flags = _flags({k: v for k, v in locals().items() if k not in _PLANNING})
    settings = consumer_settings.load(flags, config)
    configure_logs(settings.log_level)
    from consumer.commands.plan import Request, make_plan  # noqa: PLC0415

    target_s = None if target_p99 is None else target_p99 / 1000
    request = Request(output, sample, last, seconds, target_s, settings_file(config))
    make_plan(settings, request, consumer_settings.origins(flags, config))


@topics_app.command("create")
def create_topics(
    *,
    config: Config = None,
    bootstrap_servers: Servers = None,
    insecure: Insecure = None,
    input_topic: Inputs = None,
    output_topic: Output = None,
    dlq_topic: Dlq = None,
    partitions: Annotated[int | None, typer.Option(min=1, max=10_000, help="Default: the input's, or 4.")] = None,
    replication: Annotated[
        int, typer.Option(min=-1, max=1_000, help="Replicas; -1 is the broker's default.")
    ] = -1,
) -> None:
    """Create the input, output and dead-letter topics that do not exist."""
    flags = {k: v for k, v in locals().items() if k not in {"partitions", "replication"}}
    settings = consumer_settings.load(_flags(flags), config)
    configure_logs(settings.log_level)
    from consumer.preflight.questions import Preflight  # noqa: PLC0415

    for line in Preflight(settings).create_topics(partitions, replication):
        say(line)


@config_app.command("show")
def show_config(
    *,
    config: Config = None,
    bootstrap_servers: Servers = None,
    insecure: Insecure = None,
    model: Model = None,
    device: Device = None,
    precision: Precision = None,
    group_id: Group = None,
    input_topic: Inputs = None,
    output_topic: Output = None,
    dlq_topic: Dlq = None,
    delivery: Delivery = None,
    instance_id: InstanceId = None,
) -> None:
    """Print every setting as YAML, with where it comes from; secrets are masked."""
    flags = _flags(locals())
    from consumer.commands.config import lines  # noqa: PLC0415

    for line in lines(consumer_settings.load(flags, config), consumer_settings.origins(flags, config)):
        say(line)


def _flags(arguments: dict[str, Any]) -> dict[str, object]:
    """Command-line values by the dotted names of the settings; None where nothing was given."""
    renamed = {
        "bootstrap_servers": "kafka.bootstrap_servers",
        "insecure": "kafka.insecure",
        "input_topic": "input_topics",
        "format_": "format",
    }
    return {
        renamed.get(name, name): None if value is False or value == [] else value
        for name, value in arguments.items()
        if name != "config"
    }


if __name__ == "__main__":
    main()
