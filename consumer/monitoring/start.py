"""Starts the metrics of a process, and imports their library, only where there is a port."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.monitoring.monitor import Monitor
    from consumer.settings import ConsumerSettings


def start_monitor(settings: ConsumerSettings) -> Monitor | None:
    """Serves metrics from now on if a port is set; raises SettingsError for an address that is taken."""
    if settings.metrics.port is None:
        return None
    from consumer.monitoring.monitor import Monitor  # noqa: PLC0415 - without a port nothing of it is needed

    return Monitor(settings)
