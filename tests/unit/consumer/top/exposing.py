"""The metrics of a process that does not run, as it would answer them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest

from consumer.monitoring.values import Values
from shared.http.scrape import Snapshot, parse

if TYPE_CHECKING:
    from collections.abc import Callable


def exposition(values: Values) -> str:
    """The answer to a scrape."""
    registry = CollectorRegistry()
    registry.register(values)
    return generate_latest(registry).decode()


def snapshot(at_s: float, *fill: Callable[[Values], object], values: Values | None = None) -> Snapshot:
    """The snapshot of a process after `fill`; give `values` to go on with one."""
    values = values or Values()
    for one in fill:
        one(values)
    return Snapshot(at_s, parse(exposition(values)))
