"""`sentiment-consumer run`."""

from __future__ import annotations

from consumer.commands.options import HTTP, IDENTITY, INPUT, KAFKA, LOGS, METRICS, MODEL, TOPICS, settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded


@settings_options(
    *KAFKA,
    *MODEL,
    *TOPICS,
    *IDENTITY,
    "group_protocol",
    "auto_offset_reset",
    "format",
    *INPUT,
    "on_null",
    "timestamps",
    "cache",
    "include_text",
    "until_idle_s",
    "max_messages",
    *METRICS,
    *HTTP,
    "tracing.enabled",
    *LOGS,
)
def run(loaded: Loaded[ConsumerSettings]) -> None:
    """Read texts, score them, publish labels and probabilities, until stopped."""
    from consumer.signals import StopSignal, stop_on_signals  # noqa: PLC0415

    stop = StopSignal()
    # Before the next import: a thread that a library starts must inherit the blocked signals.
    stop_on_signals(stop)
    from consumer.service import serve  # noqa: PLC0415 - the model's libraries take seconds: settings fail first

    serve(loaded.settings, stop)
