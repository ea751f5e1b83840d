"""The observer that logs: a line for what an operator may act on. `docs/runbook.md` explains the lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, assert_never

import structlog

from consumer.events import (
    BatchDropped,
    BatchPublished,
    BatchSubmitted,
    BatchUncommitted,
    CrashLoopFound,
    ModelLoaded,
    OffsetsCommitted,
    OutputWritten,
    PartitionsAssigned,
    PartitionsBegun,
    PartitionsRevoked,
    Recovering,
    TransactionChanged,
)
from shared.inference.isolation import log_isolated
from shared.inference.types import BatchIsolated, PassRun, TextsTokenised

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumer.events import Event
    from consumer.kafka.commit_metadata import Place

log = structlog.get_logger()


def log_event(event: Event) -> None:
    """Writes the line of an event; any thread may call this."""
    match event:
        case ModelLoaded():
            log.info("model_ready", **asdict(event))
        case PartitionsAssigned():
            log.info("partitions_assigned", partitions=_names(event.partitions), owned=event.owned)
        case PartitionsRevoked():
            lost = {"lost": True} if event.is_lost else {}
            log.info("partitions_revoked", partitions=_names(event.partitions), owned=event.owned, **lost)
        case BatchPublished():
            _log_published(event)
        case BatchUncommitted() | BatchDropped():
            _log_unpublished(event)
        case BatchIsolated():
            log_isolated(event)
        case CrashLoopFound():
            _log_crash_loop(event)
        case Recovering():
            log.warning("recovering", **asdict(event))
        case (
            PartitionsBegun()
            | BatchSubmitted()
            | TextsTokenised()
            | PassRun()
            | OutputWritten()
            | OffsetsCommitted()
            | TransactionChanged()
        ):
            pass  # steps to a publish, which has one line for all of them
        case _:
            assert_never(event)


def _names(places: Iterable[Place]) -> list[str]:
    return [f"{topic}-{partition}" for topic, partition in places]


def _log_unpublished(event: BatchUncommitted | BatchDropped) -> None:
    if isinstance(event, BatchDropped):
        log.info("batch_dropped", records=event.records)
    else:
        letters = sum(event.written.dead_letters.values())
        log.warning("batch_uncommitted", results=event.written.results, dead_letters=letters)


def _log_crash_loop(event: CrashLoopFound) -> None:
    log.warning(
        "crash_loop",
        partition=_names([event.partition])[0],
        offset=event.offset,
        crashes=event.crashes,
        alone=event.alone,
        condemned=event.is_condemned,
    )


def _log_published(event: BatchPublished) -> None:
    log.info(
        "batch",
        records=len(event.records),
        results=event.results,
        dead_letters=sum(event.dead_letters.values()),
        nulls=event.nulls,
        uncertain=event.uncertain,
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
