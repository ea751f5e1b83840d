"""`sentiment-consumer serve`."""

from __future__ import annotations

from consumer.commands.options import HTTP, LOGS, METRICS, MODEL, settings_options
from consumer.settings import ConsumerSettings
from shared.command_line import Loaded


@settings_options(*MODEL, *HTTP, "cache", "include_text", *METRICS, *LOGS)
def serve(loaded: Loaded[ConsumerSettings]) -> None:
    """Score texts over HTTP, without Kafka, until stopped."""
    from consumer.signals import StopSignal, stop_on_signals  # noqa: PLC0415

    stop = StopSignal()
    # Before the next import: a thread that a library starts must inherit the blocked signals.
    stop_on_signals(stop)
    from consumer.http.start import serve_http  # noqa: PLC0415

    serve_http(loaded.settings, stop)
