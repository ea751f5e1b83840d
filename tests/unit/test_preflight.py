"""Whether what is written will stay: the part of the preflight that needs no broker."""

from __future__ import annotations

import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from structlog.testing import capture_logs

from consumer.preflight import Preflight, RetentionWatch, describe_partitions, retention_of, retention_problem
from consumer.settings import ConsumerSettings
from demo.broker import EmbeddedBroker
from shared.kafka import KafkaSettings
from tests.support.fakes import record

DAY_MS = 86_400_000
Config = Future[dict[str, Any]]


def ago_ms(days: float) -> int:
    """The timestamp of so many days ago."""
    return int(time.time() * 1000 - days * DAY_MS)


@pytest.mark.parametrize("days", [-1, 0, 6.9])
def test_young_records_are_no_problem(days: float) -> None:
    """Given a record younger than the retention, when compared, then there is no problem."""
    assert retention_problem("sentiments", 7 * DAY_MS, ago_ms(days)) is None


@pytest.mark.parametrize(
    ("retention_ms", "days", "named"),
    [
        (7 * DAY_MS, 30, "keeps records for 7 days, but the input read first is 30 days old"),
        (3_600_000, 0.5, "keeps records for 1.0 hours, but the input read first is 12.0 hours old"),
        (0, 2, "keeps records for 0.0 hours, but the input read first is 2 days old"),
    ],
)
def test_old_records_are_a_problem(retention_ms: int, days: float, named: str) -> None:
    """Given a record older than the retention, when compared, then one line names both and what to do."""
    problem = retention_problem("sentiments", retention_ms, ago_ms(days))

    assert problem is not None
    assert problem.startswith(f"sentiments {named}")
    assert "raise retention.ms of sentiments" in problem
    assert "--timestamps now" in problem


def config(retention_ms: int | None = 7 * DAY_MS, stamped: str = "CreateTime") -> Config:
    """A topic's configuration as the broker tells it."""
    found: Config = Future()
    values = {
        "retention.ms": None if retention_ms is None else str(retention_ms),
        "message.timestamp.type": stamped,
    }
    found.set_result({name: SimpleNamespace(value=value) for name, value in values.items()})
    return found


def untold() -> Config:
    """The answer of a broker that denies the right to ask."""
    found: Config = Future()
    found.set_exception(KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)))
    return found


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (config(), 7 * DAY_MS),
        (config(0), 0),
        (config(-1), None),
        (config(None), None),
        (config(stamped="LogAppendTime"), None),
        (untold(), None),
    ],
    ids=["days", "at once", "for ever", "no value", "stamped by the broker", "untold"],
)
def test_retention_counts_only_where_records_expire_by_their_own_time(told: Config, expected: int | None) -> None:
    """Given a topic's configuration, when read, then the retention is in milliseconds or none that matters."""
    assert retention_of(told) == expected


def test_the_watch_warns_once() -> None:
    """Given old records, when batches are seen, then there is one warning, which tells the oldest age."""
    watch = RetentionWatch("sentiments", config())

    with capture_logs() as logs:
        watch([record(timestamp_ms=ago_ms(1)), record(timestamp_ms=ago_ms(30)), record(timestamp_ms=None)])
        watch([record(timestamp_ms=ago_ms(40))])

    assert [(line["event"], line["log_level"]) for line in logs] == [("results_will_expire", "warning")]
    assert "30 days old" in logs[0]["problem"]


def test_the_watch_waits_for_the_configuration() -> None:
    """Given an answer that is late, when it comes, then what was read before it is remembered."""
    late: Config = Future()
    watch = RetentionWatch("sentiments", late)

    with capture_logs() as logs:
        watch([record(timestamp_ms=ago_ms(30))])
        assert logs == []
        late.set_result(config().result())
        watch([record(timestamp_ms=ago_ms(1))])

    assert "30 days old" in logs[0]["problem"]


@pytest.mark.parametrize(("told", "days"), [(config(-1), 30), (untold(), 30), (config(), None), (config(), 1)])
def test_the_watch_is_silent_when_all_is_well(told: Config, days: float | None) -> None:
    """Given no retention, none told, no timestamp or young records, when seen, then nothing is said."""
    with capture_logs() as logs:
        RetentionWatch("sentiments", told)([record(timestamp_ms=None if days is None else ago_ms(days))])

    assert logs == []


def test_partitions_are_described_in_one_line() -> None:
    """Given counts, when described, then topics and partitions stand in one line."""
    assert describe_partitions({"texts": 4, "sentiments": 2}) == "texts (4), sentiments (2)"


def test_an_embedded_broker_is_not_asked_for_rights() -> None:
    """Given an embedded broker, which never answers such a question, when asked, then it is passed over."""
    with EmbeddedBroker(["texts"]) as broker:
        kafka = KafkaSettings(bootstrap_servers=broker.address)

        assert Preflight(ConsumerSettings(kafka=kafka)).rights() == "not told by this broker"
