"""Starts the traces of a process, and imports OpenTelemetry, only where they are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.errors import SettingsError

if TYPE_CHECKING:
    from consumer.settings import ConsumerSettings
    from consumer.tracing.tracing import Tracing


def start_tracing(settings: ConsumerSettings) -> Tracing | None:
    """The traces if they are on; raises SettingsError without the extra, or if the environment does not fit."""
    if not settings.tracing.enabled:
        return None
    try:
        from consumer.tracing.tracing import Tracing  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"tracing.enabled needs the extra otel ({error.name} is missing): pip install 'sentiment-stream[otel]'"
        ) from None
    return Tracing(settings)
