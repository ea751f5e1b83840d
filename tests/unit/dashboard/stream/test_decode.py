"""Records of this service and of others become results; what is none is counted, not shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_NOT_AVAILABLE, Message
from hypothesis import given
from hypothesis import strategies as st

from dashboard.stream.decode import NONE, read_letter, read_result
from dashboard.stream.history import starts
from dashboard.stream.pulse import figures
from dashboard.window.records import LetterSeen, Place
from shared.http.scrape import NoAnswer, Snapshot
from shared.kafka.reader import Partition
from shared.messages import DeadLetterHeaders

WHOLE = {
    "schema_version": 1,
    "id": "42",
    "label": "positive",
    "score": 0.9,
    "probabilities": {"negative": 0.1, "positive": 0.9},
    "uncertain": True,
    "truncated": False,
    "tokens": 6,
    "model": {"name": "minilm", "version": "v1"},
    "source": {"topic": "texts", "partition": 1, "offset": 7, "timestamp": 5},
    "scored_at": "2026-11-24T02:01:42.509000Z",
}


def message(
    value: bytes | None, headers: list[tuple[str, bytes]] | None = None, stamp: int | None = 1_000
) -> Message:
    """A consumed record."""
    kind = TIMESTAMP_NOT_AVAILABLE if stamp is None else TIMESTAMP_CREATE_TIME
    return Message(
        topic="sentiments",
        partition=2,
        offset=3,
        key=None,
        value=value,
        headers=list(headers or []),
        timestamp=(kind, stamp or 0),
    )


def value(**changes: Any) -> bytes:
    """A result with some fields changed; None leaves one out."""
    return json.dumps({name: one for name, one in {**WHOLE, **changes}.items() if one is not None}).encode()


def test_a_result_of_this_service() -> None:
    """Given a whole result, then all that the page shows is there, and its time is that of the record."""
    one = read_result(message(value(text="fine")))

    assert one is not None
    assert (one.place, one.source) == (Place("sentiments", 2, 3), Place("texts", 1, 7))
    assert (one.event_ms, one.scored_ms) == (1_000, 1_763_949_702_509 + 31_536_000_000)
    assert (one.label, one.score, one.uncertain, one.text, one.group) == ("positive", 0.9, True, "fine", "")


@pytest.mark.parametrize(("said", "expected"), [(None, 1), (4, 4)])
def test_a_text_that_was_read_in_segments(said: int | None, expected: int) -> None:
    """Given a result with or without segments, then the page has their number, which is 1 for most texts."""
    one = read_result(message(value(segments=said)))

    assert one is not None
    assert one.segments == expected


def test_a_result_of_another_producer_needs_label_and_score_only() -> None:
    """Given a record with two fields and without a timestamp, then it is a result with what can be said of it."""
    one = read_result(message(b'{"label": "good", "score": 1, "more": [1]}', stamp=None))

    assert one is not None
    assert (one.id, one.model_name, one.source, one.event_ms) == ("sentiments-2-3", "unknown", None, 0)


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"",
        b"{",
        b"[]",
        b"{}",
        value(score=2),
        value(label=""),
        value(label=None),
        b'{"label":"a","score":NaN}',
    ],
)
def test_what_is_no_result(content: bytes | None) -> None:
    """Given a null, another value, or one without a label or a probability, then it is no result."""
    assert read_result(message(content)) is None


@given(st.binary(max_size=50))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Given any bytes as value and as header, then nothing is raised."""
    read_result(message(content), "g")
    read_letter(message(content, [("__connect.errors.topic", content)]))


@pytest.mark.parametrize(
    ("headers", "fields", "group"),
    [
        ([("channel", b"app"), ("channel", b"web")], {}, "web"),
        ([], {"channel": "store"}, "store"),
        ([("channel", b"\xff")], {}, "\ufffd"),
        ([], {}, NONE),
        ([], {"channel": {"x": 1}}, NONE),
        ([("channel", b"x" * 500)], {}, "x" * 200),
    ],
)
def test_the_group_is_a_header_or_a_field(headers: list[Any], fields: dict[str, Any], group: str) -> None:
    """Given --group-by channel, then the last header counts, else the field, else the result has none."""
    one = read_result(message(value(**fields), headers), "channel")
    assert one is not None
    assert one.group == group


def test_a_dead_letter_without_its_content() -> None:
    """Given a letter of the service, then its reason and places are read, with N for numbers in the reason."""
    added = DeadLetterHeaders(
        topic="texts",
        partition="1",
        offset="9",
        stage="decode",
        class_name="c",
        exception="BadRecord",
        message="byte 17 is wrong",
        service_version="0",
        model_version="v",
    )
    letter = read_letter(message(b"secret", list(added.as_headers())))  # type: ignore[arg-type]
    assert isinstance(letter, LetterSeen)
    assert (letter.reason, letter.source) == ("byte N is wrong", Place("texts", 1, 9))
    assert read_letter(message(b"x")) is None


class _Reader:
    """Answers as a TopicReader: 100 bytes a record, one record a second."""

    def offsets_at(self, spans: dict[Partition, range], moment_ms: int) -> dict[Partition, int]:
        return dict.fromkeys(spans, moment_ms // 1000)

    def messages(self, spans: dict[Partition, range]) -> list[Message]:
        return [message(b"x" * 100) for span in spans.values() for _ in span]


@pytest.mark.parametrize(("mib", "begins", "cut"), [(1_024, 500, False), (0.1, 8_952, True)])
def test_the_history_is_bounded_by_time_and_by_bytes(mib: float, begins: int, *, cut: bool) -> None:
    """Given 10,000 records of 100 bytes, then a bound of time or of bytes says where reading begins."""
    one = Partition("sentiments", 0)
    found = starts(_Reader(), {one: range(10_000)}, 500_000, int(mib * 2**20))  # type: ignore[arg-type]
    assert found == ({one: range(begins, 10_000)}, cut)


def test_figures_of_several_consumers_are_summed() -> None:
    """Given metrics of two processes and one that is silent, then counters are summed and drift is that of any."""

    def snapshot(count: float, alarm: float) -> Snapshot:
        return Snapshot(
            0,
            {
                "sentiment_rebalances_total": {(("kind", "assigned"),): count, (("kind", "lost"),): 1},
                "sentiment_drift_alarm": {(("feature", "labels"),): alarm},
            },
        )

    found = figures([snapshot(2, 0), NoAnswer("is not there"), snapshot(3, 1)])
    assert (found["processes"], found["answering"], found["rebalances"]) == (3, 2, 7)
    assert found["drift"] == {"labels": True}
