"""The observer that logs: a line for what an operator may act on. `docs/runbook.md` explains the lines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, assert_never

import structlog

from consumer.events import (
    BatchDropped,
    BatchPublished,
    BatchSubmitted,
    BatchUncommitted,
    CrashLoopFound,
    DriftMeasured,
    ModelLoaded,
    OffsetsCommitted,
    OutputWritten,
    PartitionsAssigned,
    PartitionsBegun,
    PartitionsRevoked,
    Recovering,
    RequestAnswered,
    TransactionChanged,
)
from shared.inference.isolation import log_isolated
from shared.inference.types import BatchIsolated, PassRun, TextsTokenised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consumer.events import Event
    from consumer.kafka.commit_metadata import Place

DIGITS: Final = 4
"""Decimals of a statistic of drift in a line."""

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
        case DriftMeasured():
            _log_drift(event)
        case BatchDropped() | BatchUncommitted() | CrashLoopFound() | Recovering():
            _log_interruption(event)
        case BatchIsolated():
            log_isolated(event)
        case RequestAnswered():
            _log_request(event)
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


def _log_interruption(event: BatchDropped | BatchUncommitted | CrashLoopFound | Recovering) -> None:
    match event:
        case BatchDropped():
            log.info("batch_dropped", records=event.records)
        case BatchUncommitted():
            letters = sum(event.written.dead_letters.values())
            log.warning("batch_uncommitted", results=event.written.results, dead_letters=letters)
        case CrashLoopFound():
            log.warning(
                "crash_loop",
                partition=_names([event.partition])[0],
                offset=event.offset,
                crashes=event.crashes,
                alone=event.alone,
                condemned=event.is_condemned,
            )
        case Recovering():
            log.warning("recovering", **asdict(event))
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
