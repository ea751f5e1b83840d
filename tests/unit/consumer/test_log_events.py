"""Each event has one log line, with the names and fields that the runbook explains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast, get_args

import pytest
from structlog.testing import capture_logs

from consumer.events import (
    BatchDropped,
    BatchPublished,
    BatchSubmitted,
    BatchUncommitted,
    Comparison,
    CrashLoopFound,
    DriftMeasured,
    Event,
    ModelLoaded,
    OffsetsCommitted,
    OutputWritten,
    PartitionsAssigned,
    PartitionsBegun,
    PartitionsRevoked,
    Recovering,
    RequestAnswered,
    TransactionChanged,
    to_all,
)
from consumer.log_events import log_event
from shared.inference.types import BatchIsolated, PassRun, TextsTokenised
from shared.reasons import Reason, Stage
from tests.support.fakes import oracle, published, record

if TYPE_CHECKING:
    from collections.abc import Mapping

PUBLISHED: Final = BatchPublished(
    batches=1,
    records=[record(offset=number) for number in range(9)],
    scores=[oracle("a text")] * 5,
    dead_letters={(Stage.DECODE, Reason.BAD_RECORD): 2, (Stage.PUBLISH, "INVALID_RECORD"): 1},
    nulls=1,
    forwarded=0,
    uncertain=4,
    unknown=3,
    tokens=70,
    computed_tokens=90.0,
    repeated=2,
    unusable_ids=0,
    looks={},
    scored_after_s=0.01234,
    publish_s=0.00456,
    lag_records=12,
)

DRIFT: Final = DriftMeasured(
    model="3",
    texts=500,
    labels={"negative": 0.25, "positive": 0.75},
    means={"confidence": 0.81234567, "tokens": 20.5},
    histograms={"labels": (125, 375)},
    comparisons={
        "labels": Comparison(psi=0.31, psi_limit=0.05, js=0.2, js_limit=0.1),
        "tokens": Comparison(psi=0.01, psi_limit=0.05, js=0.04, js_limit=0.1),
    },
)

LINES: Final[list[tuple[Event, Mapping[str, Any]]]] = [
    (
        ModelLoaded("tweets", "3", "torch, packed", "cuda"),
        {
            "event": "model_ready",
            "log_level": "info",
            "name": "tweets",
            "version": "3",
            "engine": "torch, packed",
            "device": "cuda",
        },
    ),
    (
        PartitionsAssigned((("texts", 0), ("texts", 1)), owned=3),
        {"event": "partitions_assigned", "log_level": "info", "partitions": ["texts-0", "texts-1"], "owned": 3},
    ),
    (
        PartitionsRevoked((("texts", 0),), owned=2),
        {"event": "partitions_revoked", "log_level": "info", "partitions": ["texts-0"], "owned": 2},
    ),
    (
        PartitionsRevoked((("texts", 0),), owned=2, is_lost=True),
        {"event": "partitions_revoked", "log_level": "info", "partitions": ["texts-0"], "owned": 2, "lost": True},
    ),
    (
        PUBLISHED,
        {
            "event": "batch",
            "log_level": "info",
            "records": 9,
            "results": 5,
            "dead_letters": 3,
            "nulls": 1,
            "uncertain": 4,
            "unknown": 3,
            "tokens": 70,
            "padding": 0.222,
            "repeated": 2,
            "scored_after_ms": 12.3,
            "publish_ms": 4.6,
            "lag": 12,
        },
    ),
    (
        DRIFT,
        {
            "event": "drift",
            "log_level": "warning",
            "drifted": ["labels"],
            "texts": 500,
            "labels": {"negative": 0.25, "positive": 0.75},
            "means": {"confidence": 0.8123, "tokens": 20.5},
            "psi": {"labels": 0.31, "tokens": 0.01},
            "js": {"labels": 0.2, "tokens": 0.04},
        },
    ),
    (
        BatchIsolated(texts=8, unscorable=1, extra_passes=6, out_of_memory=2, budget_tokens=44),
        {
            "event": "isolated",
            "log_level": "warning",
            "texts": 8,
            "unscorable": 1,
            "extra_passes": 6,
            "out_of_memory": 2,
            "budget_tokens": 44,
        },
    ),
    (
        BatchUncommitted(PUBLISHED),
        {"event": "batch_uncommitted", "log_level": "warning", "results": 5, "dead_letters": 3},
    ),
    (BatchDropped(batches=2, records=64), {"event": "batch_dropped", "log_level": "info", "records": 64}),
    (
        CrashLoopFound(("texts", 1), offset=40, crashes=2, alone=1, is_condemned=False),
        {
            "event": "crash_loop",
            "log_level": "warning",
            "partition": "texts-1",
            "offset": 40,
            "crashes": 2,
            "alone": 1,
            "condemned": False,
        },
    ),
    (
        Recovering("the broker is gone", refused=None, recent=2),
        {
            "event": "recovering",
            "log_level": "warning",
            "reason": "the broker is gone",
            "refused": None,
            "recent": 2,
        },
    ),
    (
        RequestAnswered(429, "too_many_requests", 0, 0.00123),
        {
            "event": "request",
            "log_level": "debug",
            "status": 429,
            "reason": "too_many_requests",
            "texts": 0,
            "ms": 1.2,
        },
    ),
]


STEPS: Final[list[Event]] = [
    PartitionsBegun({("texts", 0): 7}),
    BatchSubmitted([record()], size=16, read_wait_s=0.1, decode_s=0.01),
    TextsTokenised(texts=2, rows=1, seconds=0.01),
    PassRun(rows=1, tokens=7, waited_s=0.01, seconds=0.02),
    OutputWritten(results=1, dead_letters=[], places=[("texts", 0)], send_s=0.01),
    OffsetsCommitted({("texts", 0): 8}),
    TransactionChanged("begun"),
]
"""Steps to a publish, which has one line for all."""


@pytest.mark.parametrize(("event", "line"), LINES, ids=[type(event).__name__ for event, _ in LINES])
def test_an_event_is_one_line(event: Event, line: Mapping[str, Any]) -> None:
    """Given an event, when logged, then the line has its name, its level and exactly these fields, in order."""
    with capture_logs() as lines:
        log_event(event)

    assert lines == [line]
    order = [name for name in lines[0] if name not in {"event", "log_level"}]
    assert order == [name for name in line if name not in {"event", "log_level"}]


def test_steps_to_a_publish_have_no_line() -> None:
    """Given the steps of a micro-batch, when logged, then nothing is written: a line each would be a flood."""
    with capture_logs() as lines:
        for event in STEPS:
            log_event(event)

    assert not lines


def test_every_event_has_a_line_or_is_a_step() -> None:
    """Given a new type of event, when it is not logged or not shown above, then this or a test above fails."""
    assert {*(type(event) for event, _ in LINES), *map(type, STEPS)} == set(get_args(Event))


def test_every_observer_gets_every_event_in_order() -> None:
    """Given several observers, when an event happens, then each is called once, in the order they were given."""
    calls: list[tuple[str, Event]] = []
    observe = to_all(lambda event: calls.append(("a", event)), lambda event: calls.append(("b", event)))

    observe(STEPS[0])

    assert calls == [("a", STEPS[0]), ("b", STEPS[0])]


def test_what_is_no_event_is_refused() -> None:
    """Given a value of another type, when logged, then it raises instead of being left out."""
    with pytest.raises(AssertionError, match="unreachable"):
        log_event(cast("Event", object()))


def test_a_batch_of_known_scores_has_no_padding() -> None:
    """Given a publish for which no model ran, when asked, then its padding is 0."""
    event = published([record()], scores=[oracle("a text")], repeated=1)

    assert event.padding == 0.0
