"""The observer that logs: one line for each event. `docs/runbook.md` explains the lines to operators."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, assert_never

import structlog

from consumer.events import (
    BatchPublished,
    ModelLoaded,
    PartitionsAssigned,
    PartitionsRevoked,
    Recovering,
    RequestAnswered,
)
from shared.inference.isolation import log_isolated
from shared.inference.types import BatchIsolated

if TYPE_CHECKING:
    from consumer.events import Event

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
        case BatchIsolated():
            log_isolated(event)
        case Recovering():
            log.warning("recovering", **asdict(event))
        case RequestAnswered():
            _log_request(event)
        case _:
            assert_never(event)


def _log_request(event: RequestAnswered) -> None:
    # At debug: clients decide how many requests there are.
    log.debug(
        "request",
        status=event.status,
        **({"reason": event.reason} if event.reason else {}),
        texts=event.texts,
        ms=round(event.seconds * 1000, 1),
    )


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
