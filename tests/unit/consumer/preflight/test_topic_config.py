"""The records that a topic accepts and keeps, by its configuration, compared with the planned output."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from consumer.preflight.topic_config import (
    UNLIMITED_MS,
    FirstRecords,
    FirstRecordsWatch,
    Targets,
    TopicConfig,
    first_problems,
)
from tests.support.fakes import TARGETS, record

DAY_MS = 86_400_000
DEFAULTS = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": str(UNLIMITED_MS),
    "message.timestamp.after.max.ms": "3600000",
    "retention.ms": "604800000",
}


def ago_ms(days: float) -> int:
    """The timestamp of that many days ago."""
    return int(time.time() * 1000 - days * DAY_MS)


def of(**values: str | None) -> TopicConfig:
    """The output topic of a broker with defaults except for these entries, underscores for dots."""
    return TopicConfig.of("sentiments", DEFAULTS | {key.replace("_", "."): value for key, value in values.items()})


def test_what_is_not_known_is_as_kafka_has_it_by_default() -> None:
    """Given an unknown topic configuration, when compared with Kafka's defaults, then only bounds differ.

    Sizes and retention are not assumed, since a guess would replace or refuse what the topic accepts.
    """
    unknown, default = TopicConfig("sentiments"), of()

    assert (unknown.known, default.known) == (False, True)
    assert (unknown.oldest_ms, unknown.newest_ms) == (default.oldest_ms, default.newest_ms)
    assert default.newest_ms == 50 * 60_000
    assert (unknown.retention_ms, default.retention_ms) == (None, 7 * DAY_MS)
    assert (unknown.max_message_bytes, default.max_message_bytes) == (2**31 - 1, 1_048_588)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"retention_ms": "0"}, 0),
        ({"retention_ms": "-1"}, None),
        ({"retention_ms": None}, None),
        ({"message_timestamp_type": "LogAppendTime"}, None),
        ({"cleanup_policy": "compact"}, None),
        ({"cleanup_policy": "compact,delete"}, 7 * DAY_MS),
    ],
)
def test_retention_counts_only_where_records_expire_by_their_own_time(
    values: dict[str, str | None], expected: int | None
) -> None:
    """Given a topic's configuration, when read, then the retention is in milliseconds, or None if irrelevant."""
    assert of(**values).retention_ms == expected


@pytest.mark.parametrize(
    ("values", "before_ms", "after_ms"),
    [
        ({"message_timestamp_before_max_ms": "60000"}, 60_000, 3_600_000),
        ({"message_timestamp_difference_max_ms": "1000"}, 1_000, 1_000),
        (
            {
                "message_timestamp_before_max_ms": None,
                "message_timestamp_after_max_ms": None,
                "message_timestamp_difference_max_ms": "7000",
            },
            7_000,
            7_000,
        ),
        ({"message_timestamp_type": "LogAppendTime"}, UNLIMITED_MS, UNLIMITED_MS),
    ],
    ids=["before", "difference", "before Kafka 3.6", "stamped by the broker"],
)
def test_the_bounds_of_timestamps_are_those_of_any_version(
    values: dict[str, str | None], before_ms: int, after_ms: int
) -> None:
    """Given the entries of a version of Kafka, when read, then both bounds are those that this broker checks."""
    config = of(**values)

    assert (config.before_ms, config.after_ms) == (before_ms, after_ms)


@given(before=st.integers(0, UNLIMITED_MS), after=st.integers(0, UNLIMITED_MS))
def test_what_is_kept_is_always_within_what_the_topic_takes(before: int, after: int) -> None:
    """Given any bounds, when narrowed for clock differences, then they stay within, and lose a sixth at most."""
    config = TopicConfig("x", before_ms=before, after_ms=after)

    for narrowed, bound in ((config.oldest_ms, before), (config.newest_ms, after)):
        assert bound - bound // 6 <= narrowed <= bound
        assert bound - narrowed <= 600_000


def test_defaults_have_no_problems() -> None:
    """Given topics as Kafka creates them, or unknown ones, when compared, then there is no problem."""
    assert Targets(of(), of()).problems(1_000_000) == []
    assert TARGETS.problems(10_000_000) == []


@pytest.mark.parametrize(
    ("output", "dlq", "named"),
    [
        (of(max_message_bytes="20000"), of(), "larger results become dead letters; raise max.message.bytes"),
        (of(), of(max_message_bytes="1000050"), "larger dead letters lose their values"),
        (of(), of(cleanup_policy="compact,delete"), "set cleanup.policy of sentiments to delete"),
    ],
)
def test_each_problem_says_what_to_do(output: TopicConfig, dlq: TopicConfig, named: str) -> None:
    """Given one topic that does not fit, when compared, then one line says what happens and what to change."""
    (problem,) = Targets(output, dlq).problems(1_000_000)

    assert named in problem


def test_a_batch_fits_both_topics() -> None:
    """Given topics of different sizes, when a batch is bounded, then by the smallest of them and the limit."""
    targets = Targets(of(max_message_bytes="20000"), of(max_message_bytes="30000"))

    assert targets.max_batch_bytes(1_000_000) == 20_000
    assert targets.max_batch_bytes(10_000) == 10_000
    assert TARGETS.max_batch_bytes(1_000_000) == 1_000_000


@pytest.mark.parametrize(
    ("output", "days", "event", "named"),
    [
        (of(), 30, "results_will_expire", "keeps records for 7 days, but the input read first is 30 days old"),
        (
            of(retention_ms="3600000"),
            0.5,
            "results_will_expire",
            "for 1.0 hours, but the input read first is 12.0",
        ),
        (of(message_timestamp_before_max_ms=str(DAY_MS)), 2, "timestamps_replaced", "at most 24.0 hours ago"),
        (of(cleanup_policy="compact"), 0, "results_without_key", "takes no record without a key"),
    ],
)
def test_first_records_show_what_the_topic_will_not_take_or_keep(
    output: TopicConfig, days: float, event: str, named: str
) -> None:
    """Given a record that does not suit the output topic, when seen, then there is exactly one warning."""
    watch = FirstRecordsWatch(output, own_time=True)

    with capture_logs() as logs:
        watch([])
        watch([record(key=b"k", timestamp_ms=ago_ms(-1)), record(timestamp_ms=ago_ms(days))])
        watch([record(timestamp_ms=ago_ms(days + 1))])

    assert [(line["event"], line["log_level"]) for line in logs] == [(event, "warning")]
    assert named in logs[0]["problem"]


@pytest.mark.parametrize(
    ("output", "first", "own_time"),
    [
        (of(), FirstRecords(ago_ms(6), keyless=True), True),
        (of(), FirstRecords(None, keyless=True), True),
        (of(), FirstRecords(ago_ms(30), keyless=True), False),
        (of(cleanup_policy="compact"), FirstRecords(ago_ms(30), keyless=False), True),
        (TopicConfig("sentiments"), FirstRecords(0, keyless=True), True),
    ],
    ids=["young", "no timestamp", "stamped as written", "with a key", "nothing known"],
)
def test_nothing_is_said_when_all_is_well(output: TopicConfig, first: FirstRecords, *, own_time: bool) -> None:
    """Given records that the topic accepts and keeps, when compared, then there is no problem."""
    assert first_problems(output, first, own_time=own_time) == {}
