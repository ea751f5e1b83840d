"""The metrics of a run equal what is in the topics, and hold nothing that a person wrote."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from consumer import metrics as declared
from consumer.events import (
    BatchSubmitted,
    BatchUncommitted,
    Comparison,
    CrashLoopFound,
    DriftMeasured,
    Event,
    ModelLoaded,
    OffsetsCommitted,
    PartitionsAssigned,
    PartitionsBegun,
    PartitionsRevoked,
    Recovering,
    RequestAnswered,
    TransactionChanged,
)
from consumer.monitoring import listener
from consumer.monitoring.lag import InHand
from consumer.monitoring.listener import MetricsListener
from consumer.monitoring.values import Values
from consumer.settings import Limits
from consumer.stream.records import PublishFailed
from shared.inference.types import BatchIsolated, PassRun, TextsTokenised
from tests.support.fakes import DLQ, OUTPUT, UNKNOWN, oracle, published, record, text_value
from tests.support.world import UNREADABLE, World
from tests.unit.consumer.monitoring.test_values import scraped

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW_S: Final = 1_700_000_010.0
"""Ten seconds after the timestamp of the fakes' records."""


class Metrics:
    """A listener, and what a scrape of it finds."""

    def __init__(self) -> None:
        self.values = Values()
        self.in_hand = InHand()
        self.observe = MetricsListener(self.values, self.in_hand, clock=lambda: NOW_S)

    def scrape(self) -> Scrape:
        """The values now."""
        return Scrape(self.values)


class Scrape:
    """The values at one moment."""

    def __init__(self, values: Values) -> None:
        self._series = scraped(values)

    def __call__(self, metric: str, /, **labels: str) -> float:
        """The value of a series, 0 where there is none."""
        return self._series.get((f"sentiment_{metric}", tuple(sorted(labels.items()))), 0.0)

    def sums(self, metric: str) -> float:
        """The sum over all series of a metric."""
        return sum(value for (name, _), value in self._series.items() if name == f"sentiment_{metric}")


KINDS: Final = ("fine", "unreadable", "null", "unscorable", "unknown", "again")


def value_of(kind: str, number: int) -> bytes | None:
    """An input value of a kind."""
    return {
        "fine": text_value(f"secret {number}"),
        "unreadable": UNREADABLE,
        "null": None,
        "unscorable": text_value("secret unscorable"),
        "unknown": text_value(UNKNOWN),
        "again": text_value("secret again"),
    }[kind]


@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=40),
    fail_at=st.sets(st.integers(1, 4), max_size=2),
    batch_records=st.integers(1, 16),
    on_null=st.sampled_from(["skip", "forward", "dead-letter"]),
)
@settings(max_examples=40, deadline=None)
def test_the_sums_are_those_of_the_topics(
    kinds: Sequence[str], fail_at: set[int], batch_records: int, on_null: Any
) -> None:
    """Given any records and publishes that fail, when the run ends, then each outcome was counted once."""
    metrics = Metrics()
    world = World(
        partitions=1,
        unscorable={"secret unscorable"},
        observer=metrics.observe,
        limits=Limits(batch_records=batch_records, dlq_share=1, dlq_in_a_row=1_000, max_recoveries=100),
        on_null=on_null,
    )
    for number, kind in enumerate(kinds):
        world.kafka.produce(value_of(kind, number), key=b"secret key")
    world.outbox.fail_at = fail_at

    world.run()

    found = metrics.scrape()
    (written,), (letters,) = world.kafka.partitions(OUTPUT), world.kafka.partitions(DLQ)
    results = [one for one in written if one.value is not None]
    assert found("messages_total", outcome="result") == len(results)
    assert found("messages_total", outcome="deletion_forwarded") == len(written) - len(results)
    assert found("messages_total", outcome="dead_letter") == len(letters) == found.sums("dead_letters_total")
    assert found.sums("messages_total") == len(kinds) == found("end_to_end_seconds_count")
    assert found.sums("labels_total") == len(results) == found.sums("confidence_ratio_count")
    assert found("unknown_results_total") == kinds.count("unknown") <= found("uncertain_results_total")
    assert found("uncertain_results_total") == sum(b'"uncertain":true' in (one.value or b"") for one in results)
    assert found("read_records_total") >= len(kinds)
    assert found.sums("recoveries_total") == world.source.rewinds
    assert metrics.in_hand.snapshot() == ({}, [])
    assert b"secret" not in exposition(metrics.values)


def test_what_is_written_twice_is_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a commit that fails, when all is written again, then the sums are those of the topics."""
    metrics = Metrics()
    world = World(partitions=1, observer=metrics.observe)
    world.produce(5)
    world.kafka.produce(UNREADABLE, key=b"key")
    publish = world.outbox.publish

    def fail_once(results: Any, letters: Any, _commits: Any) -> None:
        monkeypatch.undo()
        publish(results, letters, [])
        raise PublishFailed("the commit failed", is_written=True)

    monkeypatch.setattr(world.outbox, "publish", fail_once)

    world.run()

    found = metrics.scrape()
    assert found("messages_total", outcome="result") == len(world.kafka.partitions(OUTPUT)[0]) == 10
    assert found("messages_total", outcome="dead_letter") == len(world.kafka.partitions(DLQ)[0]) == 2
    assert found("repeated_messages_total") == 6
    assert found("end_to_end_seconds_count") == 6


def test_a_batch_that_another_member_took_is_in_hand_no_more() -> None:
    """Given a partition that is revoked while its batch is scored, then nothing is counted for it but the read."""
    gate = threading.Event()
    metrics = Metrics()
    world = World(gates=[gate], limits=Limits(inflight_batches=1), partitions=1, observer=metrics.observe)
    world.produce(3)

    def lose_and_regain() -> None:
        if world.source.reads == 1:
            world.source.revoke(0)
        else:
            world.source.assign(0)
            gate.set()

    world.source.on_read = lose_and_regain
    world.run()

    found = metrics.scrape()
    assert found("read_records_total") == 6
    assert found("messages_total", outcome="result") == 3
    assert metrics.in_hand.snapshot() == ({}, [])


def exposition(values: Values) -> bytes:
    """The text of a scrape."""
    registry = CollectorRegistry()
    registry.register(values)
    return generate_latest(registry)


def test_the_end_to_end_time_is_that_of_the_record() -> None:
    """Given records of ten seconds ago, of the future and without a time, then the sum is that of the first."""
    metrics = Metrics()
    metrics.observe(
        published([record(), record(timestamp_ms=int(NOW_S * 1000) + 5_000), record(timestamp_ms=None)])
    )

    found = metrics.scrape()
    assert found("end_to_end_seconds_count") == 2
    assert found("end_to_end_seconds_sum") == pytest.approx(10)
    assert found("last_commit_timestamp_seconds") == NOW_S


def test_two_models_are_counted_apart() -> None:
    """Given scores of two models in one publish, then labels and confidence are those of each version."""
    first = oracle("a")
    second = first._replace(model=first.model._replace(version="2", labels=("no", "so", "yes")))
    metrics = Metrics()
    metrics.observe(published([record()] * 3, scores=[first, second, second]))
    found = metrics.scrape()

    assert found("labels_total", model_version="1", label=first.model.labels[first.label]) == 1
    assert found("labels_total", model_version="2", label=second.model.labels[first.label]) == 2
    sure = first.probabilities[first.label]
    assert found("confidence_ratio_sum", model_version="2") == pytest.approx(2 * sure)
    assert found("mean_confidence_ratio", model_version="1") == pytest.approx(sure)


PLACE = ("texts", 0)
DRIFT: Final = DriftMeasured(
    "3",
    texts=500,
    labels={"positive": 1.0},
    means={"confidence": 0.5},
    histograms={"tokens": (1, 499)},
    comparisons={"tokens": Comparison(0.5, 0.25, 0.125, 0.75), "labels": Comparison(0.0, 1.0, 0.0, 1.0)},
)
REFUSED: Final = RequestAnswered(429, "too_many", texts=7, seconds=0.5)
COUNTED: Final[list[tuple[Event, str, dict[str, str], float]]] = [
    (
        ModelLoaded("tweets", "3", "fast", "cpu"),
        "model_info",
        {"name": "tweets", "model_version": "3", "engine": "fast", "device": "cpu"},
        1,
    ),
    (PartitionsAssigned((PLACE,), owned=3), "owned_partitions", {}, 3),
    (PartitionsAssigned((PLACE,), owned=3), "rebalances_total", {"kind": "assigned"}, 1),
    (PartitionsRevoked((PLACE,), owned=0), "rebalances_total", {"kind": "revoked"}, 1),
    (PartitionsRevoked((PLACE,), owned=0, is_lost=True), "rebalances_total", {"kind": "lost"}, 1),
    (BatchSubmitted([record()] * 5, 70, 0.25, 0.5), "read_records_total", {}, 5),
    (BatchSubmitted([record()] * 5, 70, 0.25, 0.5), "stage_seconds_sum", {"stage": "read_wait"}, 0.25),
    (BatchSubmitted([record()] * 5, 70, 0.25, 0.5), "stage_seconds_sum", {"stage": "decode"}, 0.5),
    (TextsTokenised(9, 7, 0.25), "stage_seconds_sum", {"stage": "tokenise"}, 0.25),
    (PassRun(7, 90, 0.25, 0.5), "stage_seconds_sum", {"stage": "device_wait"}, 0.25),
    (PassRun(7, 90, 0.25, 0.5), "stage_seconds_sum", {"stage": "device"}, 0.5),
    (PassRun(7, 90, 0.25, 0.5), "batch_rows_sum", {}, 7),
    (PassRun(7, 90, 0.25, 0.5), "batch_tokens_sum", {}, 90),
    (published([record()], tokens=6, computed_tokens=8.0), "padding_ratio", {}, 0.25),
    (published([record()], tokens=6, computed_tokens=8.0), "tokens_total", {}, 6),
    (published([record()], tokens=6, computed_tokens=8.0), "computed_tokens_total", {}, 8),
    (published([record()], repeated=4), "cache_hits_total", {}, 4),
    (published([record()], unusable_ids=4), "unusable_ids_total", {}, 4),
    (published([record()], scores=[oracle("a")._replace(truncated=True)]), "truncated_texts_total", {}, 1),
    (published([record()]), "stage_seconds_sum", {"stage": "publish"}, 0.02),
    (BatchUncommitted(published([record()] * 3, nulls=2)), "repeated_messages_total", {}, 3),
    (BatchUncommitted(published([record()], scores=[oracle("a")])), "messages_total", {"outcome": "result"}, 1),
    (BatchUncommitted(published([record()])), "end_to_end_seconds_count", {}, 0),
    (DRIFT, "drift_statistic", {"feature": "tokens", "distance": "psi"}, 0.5),
    (DRIFT, "drift_threshold", {"feature": "tokens", "distance": "js"}, 0.75),
    (DRIFT, "drift_alarm", {"feature": "tokens"}, 1),
    (DRIFT, "drift_alarm", {"feature": "labels"}, 0),
    (DRIFT, "drift_windows_total", {"alarm": "yes"}, 1),
    (REFUSED, "http_requests_total", {"status": "429", "reason": "too_many"}, 1),
    (REFUSED, "http_texts_total", {}, 7),
    (REFUSED, "http_request_seconds_sum", {}, 0.5),
    (TransactionChanged("aborted"), "transactions_total", {"state": "aborted"}, 1),
    (CrashLoopFound(PLACE, 4, 2, 0, is_condemned=False), "crash_loops_total", {"kind": "searching"}, 1),
    (CrashLoopFound(PLACE, 4, 2, 2, is_condemned=True), "crash_loops_total", {"kind": "condemned"}, 1),
    (BatchIsolated(8, 1, 6, 2, 44), "isolations_total", {}, 1),
    (BatchIsolated(8, 1, 6, 2, 44), "isolation_passes_total", {}, 6),
    (BatchIsolated(8, 1, 6, 2, 44), "unscorable_texts_total", {}, 1),
    (BatchIsolated(8, 1, 6, 2, 44), "out_of_memory_passes_total", {}, 2),
    (BatchIsolated(8, 1, 6, 2, 44), "token_budget_tokens", {}, 44),
    (Recovering("the broker is gone", None, 1), "recoveries_total", {"kind": "failed"}, 1),
    (Recovering("a record", "INVALID_RECORD", None), "recoveries_total", {"kind": "refused"}, 1),
]
ELSEWHERE: Final = {PartitionsBegun, OffsetsCommitted}
"""What only the lag is made of: `test_lag.py`."""


@pytest.mark.parametrize(("event", "name", "labels", "value"), COUNTED, ids=[name for _, name, _, _ in COUNTED])
def test_an_event_is_counted(event: Event, name: str, labels: dict[str, str], value: float) -> None:
    """Given one event, when a scrape follows, then the series has its value."""
    metrics = Metrics()

    metrics.observe(event)

    assert metrics.scrape()(name, **labels) == pytest.approx(value)


def test_every_event_is_counted() -> None:
    """Given a new type of event, when nothing counts it, then this test or mypy fails."""
    shown = {type(event) for event, *_ in COUNTED} | ELSEWHERE
    assert {kind.__name__ for kind in set(get_args(Event)) - shown} == {"BatchDropped", "OutputWritten"}


def test_every_metric_is_fed() -> None:
    """Given a metric that is declared, when nothing in consumer/monitoring names it, then this test fails."""
    folder = Path(listener.__file__).parent
    code = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*.py"))
    names = [name for name, value in vars(declared).items() if isinstance(value, declared.Metric)]
    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []
