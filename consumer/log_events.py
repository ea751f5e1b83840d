"""The observer that logs: one line for each event. `docs/runbook.md` explains the lines to operators."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, assert_never

import structlog

from consumer.events import (
    BatchPublished,
    DriftMeasured,
    ModelLoaded,
    PartitionsAssigned,
    PartitionsRevoked,
    Recovering,
)
from shared.inference.isolation import log_isolated
from shared.inference.types import BatchIsolated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumer.events import Event

DIGITS: Final = 4
"""Decimals of a statistic of drift in a line."""

log = structlog.get_logger()


def log_event(event: Event) -> None:
    """Writes the line of an event; any thread may call this."""
    match event:
        case ModelLoaded():
            log.info("model_ready", **asdict(event))
        case PartitionsAssigned():
            log.info("partitions_assigned", partitions=list(event.partitions), owned=event.owned)
        case PartitionsRevoked():
            log.info("partitions_revoked", partitions=list(event.partitions), owned=event.owned)
        case BatchPublished():
            _log_published(event)
        case DriftMeasured():
            _log_drift(event)
        case BatchIsolated():
            log_isolated(event)
        case Recovering():
            log.warning("recovering", **asdict(event))
        case _:
            assert_never(event)


def _log_published(event: BatchPublished) -> None:
    log.info(
        "batch",
        records=event.records,
        results=event.results,
        dead_letters=sum(event.dead_letters.values()),
        nulls=event.nulls,
        unknown=event.unknown,
        tokens=event.tokens,
        padding=round(event.padding, 3),
        repeated=event.repeated,
        **({"unusable_ids": event.unusable_ids} if event.unusable_ids else {}),
        **({"looks": dict(event.looks)} if event.looks else {}),
        scored_after_ms=round(event.scored_after_s * 1000, 1),
        publish_ms=round(event.publish_s * 1000, 1),
        lag=event.lag_records,
    )


def _log_drift(event: DriftMeasured) -> None:
    # A warning, so that a stream which has drifted for good is sampled and does not fill the log.
    (log.warning if event.drifted else log.info)(
        "drift",
        drifted=list(event.drifted),
        texts=event.texts,
        labels=_rounded(event.labels),
        means=_rounded(event.means),
        psi=_rounded({name: one.psi for name, one in event.comparisons.items()}),
        js=_rounded({name: one.js for name, one in event.comparisons.items()}),
    )


def _rounded(numbers: Mapping[Any, float]) -> dict[Any, float]:
    return {name: round(number, DIGITS) for name, number in numbers.items()}
