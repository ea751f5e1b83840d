"""The records that a topic accepts and keeps, by its configuration, compared with the planned output."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.preflight.topic_config import UNLIMITED_MS, Targets, TopicConfig
from tests.support.fakes import TARGETS

DAY_MS = 86_400_000
DEFAULTS = {
    "cleanup.policy": "delete",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "message.timestamp.before.max.ms": str(UNLIMITED_MS),
    "message.timestamp.after.max.ms": "3600000",
    "retention.ms": "604800000",
    "retention.bytes": "-1",
    "min.insync.replicas": "1",
    "unclean.leader.election.enable": "false",
}


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
        ({"cleanup_policy": "compact"}, None),
        ({"cleanup_policy": "compact,delete"}, 7 * DAY_MS),
    ],
)
def test_retention_is_that_of_a_topic_that_deletes(values: dict[str, str | None], expected: int | None) -> None:
    """Given a topic's configuration, when read, then the retention is in milliseconds, or None without end."""
    config = of(**values)

    assert config.retention_ms == expected
    assert config.deletes(8 * DAY_MS) == (expected is not None)


def test_a_record_that_the_broker_stamps_is_never_too_old() -> None:
    """Given a broker that writes its own time, when an old record is written, then it is kept."""
    assert not of(message_timestamp_type="LogAppendTime").deletes(8 * DAY_MS)


@pytest.mark.parametrize(("policy", "expected"), [("delete", 1000), ("compact", None), ("compact,delete", 1000)])
def test_bytes_are_bounded_where_a_topic_deletes(policy: str, expected: int | None) -> None:
    """Given a bound in bytes, when read, then it counts unless the topic is only compacted."""
    assert of(cleanup_policy=policy, retention_bytes="1000").retention_bytes == expected
    assert of(cleanup_policy=policy).retention_bytes is None


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


def test_a_batch_fits_both_topics() -> None:
    """Given topics of different sizes, when a batch is bounded, then by the smallest of them and the limit."""
    targets = Targets(of(max_message_bytes="20000"), of(max_message_bytes="30000"))

    assert targets.max_batch_bytes(1_000_000) == 20_000
    assert targets.max_batch_bytes(10_000) == 10_000
    assert TARGETS.max_batch_bytes(1_000_000) == 1_000_000
