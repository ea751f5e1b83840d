"""The command line of the consumer; each command is a module of `consumer.commands`, named as a user types it."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from consumer.commands import config, dlq, topics
from consumer.commands.check import check
from consumer.commands.health import health
from consumer.commands.plan import plan
from consumer.commands.run import run
from consumer.commands.score import score
from consumer.commands.serve import serve
from consumer.commands.top import top
from shared import __version__
from shared.logs import end_process, exit_with

app = typer.Typer(
    help="Scores texts of a Kafka topic with a fine-tuned BERT.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(run)
app.command()(check)
app.command()(score)
app.command()(serve)
app.command()(health)
app.command()(plan)
app.command()(top)
app.add_typer(topics.app, name="topics")
app.add_typer(dlq.app, name="dlq")
app.add_typer(config.app, name="config")


def main() -> NoReturn:
    """Entry point of `sentiment-consumer`."""
    # Without clean-up: OpenVINO, taken down under a pass, turned the exit code into 134 in five of six errors.
    exit_with(app, end_process)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:  # noqa: D103
    if show:
        print(__version__)  # noqa: T201
        raise typer.Exit


if __name__ == "__main__":
    main()
