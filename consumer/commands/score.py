"""`sentiment-consumer score`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from consumer.commands.options import INPUT, LOGS, MODEL, settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded
from shared.inference.explanation.words import Method


class OnError(StrEnum):
    """What `score` does at a line that it cannot read or score."""

    FAIL = "fail"
    SKIP = "skip"


@settings_options(*MODEL, *INPUT, *LOGS)
def score(
    loaded: Loaded[ConsumerSettings],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts; without any, one a line of standard input.")
    ] = None,
    *,
    json: Annotated[
        bool, typer.Option("--json", help="Read JSON Lines of inputs, write those of results.")
    ] = False,
    explain: Annotated[
        Method | None,
        typer.Option(
            help="What each word adds to the log-odds of the label: occlusion leaves words out one by one; "
            "gradients are integrated gradients, for transformers (needs torch).",
            show_default=False,
        ),
    ] = None,
    on_error: Annotated[
        OnError,
        typer.Option(help="At a line without a text: skip it, name it and go on, or fail; the exit code is 65."),
    ] = OnError.SKIP,
) -> None:
    """Score texts without Kafka: a table on a terminal, JSON Lines in a pipe, in the order of the lines.

    A line that is blank or cannot be read or scored is named on standard error and costs no other its answer; the
    exit code is then 65. A result without an id of its own is called by its line: line-7.
    """
    from consumer.offline.score import score_texts  # noqa: PLC0415

    score_texts(loaded.settings, texts or None, as_json=json, skip=on_error is OnError.SKIP, method=explain)
