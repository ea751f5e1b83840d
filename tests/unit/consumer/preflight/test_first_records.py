"""The first records of the input, compared with what the output topic takes and keeps."""

from __future__ import annotations

import time

import pytest
from structlog.testing import capture_logs

from consumer.preflight.first_records import FirstRecords, FirstRecordsWatch, first_problems
from consumer.preflight.topic_config import TopicConfig
from tests.support.fakes import record
from tests.unit.consumer.preflight.test_topic_config import DAY_MS, of


def ago_ms(days: float) -> int:
    """The timestamp of that many days ago."""
    return int(time.time() * 1000 - days * DAY_MS)


@pytest.mark.parametrize(
    ("output", "days", "event", "named"),
    [
        (of(), 30, "results_will_expire", "keeps records for 7 days, but the input read first is 30 days old"),
        (
            of(retention_ms="3600000"),
            0.5,
            "results_will_expire",
            "for 60 minutes, but the input read first is 12 hours",
        ),
        (of(message_timestamp_before_max_ms=str(DAY_MS)), 2, "timestamps_replaced", "at most 24 hours ago"),
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
