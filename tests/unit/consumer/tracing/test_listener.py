"""The spans of a run say what happened to each message, and nothing that a person wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind

from consumer.events import (
    BatchDropped,
    BatchPublished,
    BatchSubmitted,
    BatchUncommitted,
    OffsetsCommitted,
    OutputWritten,
)
from consumer.settings import Limits
from shared.messages import SCHEMA_HEADER
from tests.support.fakes import DLQ, INPUT, OUTPUT, record, text_value
from tests.support.world import UNREADABLE
from tests.unit.consumer.tracing.traced import TRACE_ID, Traced, context, ids, is_error, traceparent

WRITTEN: Final = "what a person wrote"


def test_a_message_is_followed_from_its_producer_to_its_result() -> None:
    """Given a producer that traces, when its message is scored, then the result is in the producer's trace.

    Its span is a child of the producer's and links to the micro-batch, whose spans link to the producer's.
    """
    traced = Traced(partitions=1)
    others = (("app", b"1"), ("tracestate", b"vendor=a"), ("traceparent", traceparent(1)))
    traced.produce(text_value("good"), others)

    traced.run()

    (result,) = traced.results()
    names = [name for name, _ in result.headers]
    assert names == ["app", "traceparent", "tracestate", SCHEMA_HEADER]
    (created,) = traced.named(f"create {OUTPUT}")
    (process,) = traced.named(f"process {INPUT}")
    assert (context(result.headers).trace_id, context(result.headers).span_id) == ids(created)
    assert dict(context(result.headers).trace_state) == {"vendor": "a"}
    assert created.parent is not None
    assert (created.parent.trace_id, created.parent.span_id) == (TRACE_ID + 1, 1)
    assert [one.context.span_id for one in created.links] == [ids(process)[1]]
    (link,) = process.links
    assert (link.context.trace_id, link.context.span_id) == (TRACE_ID + 1, 1)
    assert dict(link.attributes or {}) == {"messaging.destination.partition.id": "0", "messaging.kafka.offset": 0}


def test_the_spans_of_a_batch_follow_the_conventions() -> None:
    """Given one batch of plain records, when it is published, then four spans have the names of semconv 1.44.

    The results share the context of the send, which is the creation context then and so of kind PRODUCER.
    """
    traced = Traced(partitions=1)
    traced.produce(text_value("a"))
    traced.produce(text_value("b"))

    traced.run()

    spans = {one.name: one for one in traced.spans}
    assert list(spans) == [f"poll {INPUT}", f"commit {INPUT}", f"send {OUTPUT}", f"process {INPUT}"]
    member: dict[str, object] = {
        "messaging.system": "kafka",
        "messaging.destination.name": INPUT,
        "messaging.destination.partition.id": "0",
        "messaging.consumer.group.name": "sentiment",
        "messaging.client.id": "consumer-1",
    }
    expected = {
        f"poll {INPUT}": (SpanKind.CLIENT, "receive", {**member, "messaging.batch.message_count": 2}),
        f"process {INPUT}": (SpanKind.CONSUMER, "process", {**member, "messaging.batch.message_count": 2}),
        f"commit {INPUT}": (SpanKind.CLIENT, "settle", member),
        f"send {OUTPUT}": (
            SpanKind.PRODUCER,
            "send",
            {
                "messaging.system": "kafka",
                "messaging.destination.name": OUTPUT,
                "messaging.client.id": "producer-1",
                "messaging.batch.message_count": 2,
            },
        ),
    }
    for name, (kind, operation, attributes) in expected.items():
        span = spans[name]
        assert span.kind is kind
        more = {"messaging.operation.name": name.split()[0], "messaging.operation.type": operation}
        assert dict(span.attributes or {}) == {**attributes, **more}
        assert not is_error(span)
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time <= span.end_time
    process = ids(spans[f"process {INPUT}"])
    assert {one.context.trace_id for one in traced.spans if one.context} == {process[0]}
    for name in (f"send {OUTPUT}", f"commit {INPUT}"):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == process[1]
    assert {context(one.headers).span_id for one in traced.results()} == {ids(spans[f"send {OUTPUT}"])[1]}


def test_a_failed_publish_leaves_no_span_that_says_sent() -> None:
    """Given publishes that fail at the commit and before it, then only committed records have a good span."""
    traced = Traced(partitions=1)
    for number in range(3):
        traced.produce(text_value(str(number)), (("traceparent", traceparent(number + 1)),))
        traced.produce(text_value(f"plain {number}"))
    traced.world.outbox.fail_at = {1, 2}

    traced.run()

    assert len(traced.named(f"send {OUTPUT}", failed=True)) == 2
    assert len(traced.named(f"create {OUTPUT}", failed=True)) == 6
    assert [one.attributes["error.type"] for one in traced.named(f"commit {INPUT}", failed=True) if one.attributes]
    (send,) = traced.named(f"send {OUTPUT}")
    assert send.attributes is not None
    assert send.attributes["messaging.batch.message_count"] == len(traced.results()) == 6
    good = {ids(one) for one in traced.named(f"create {OUTPUT}")} | {ids(send)}
    assert {(context(one.headers).trace_id, context(one.headers).span_id) for one in traced.results()} == good


def test_what_at_least_once_has_written_was_sent_though_its_commit_failed() -> None:
    """Given a publish that is written and not committed, then its send is good and its commit is an error."""
    traced = Traced(partitions=1)
    traced.produce(text_value("a"), (("traceparent", traceparent()),))
    traced.run()
    (submitted, written, published) = (traced.events[0], traced.events[2], traced.events[-1])
    assert isinstance(published, BatchPublished)
    again = Traced(partitions=1)
    listener = again.listener
    listener(submitted)
    listener.headers(published.records[0])
    listener(written)

    listener(BatchUncommitted(published))
    listener.close()

    assert len(again.named(f"create {OUTPUT}")) == len(again.named(f"send {OUTPUT}")) == 1
    assert len(again.named(f"commit {INPUT}", failed=True)) == 1
    assert len(again.named(f"process {INPUT}", failed=True)) == 1


def test_a_dead_letter_keeps_the_context_of_its_producer() -> None:
    """Given a bad record, and one whose result is too large, then the letter of the first has its context.

    That of the second is too large for any headers. The send links to both producers, and no span says that a
    result was created.
    """
    traced = Traced(partitions=1, max_bytes=4_096)
    large = (("traceparent", traceparent(2)), ("filler", b"x" * 3_900))
    traced.produce(UNREADABLE, (("traceparent", traceparent(1)),))
    traced.produce(text_value("a"), large)

    traced.run()

    first, _second = traced.world.kafka.partitions(DLQ)[0]
    assert context(first.headers).span_id == 1
    (send,) = traced.named(f"send {DLQ}")
    assert send.kind is SpanKind.CLIENT
    assert [one.context.span_id for one in send.links] == [1, 2]
    assert not traced.named(f"create {OUTPUT}")
    assert not traced.named(f"send {OUTPUT}")


@pytest.mark.parametrize("sampled", [True, False])
def test_an_unsampled_trace_goes_on_without_spans(*, sampled: bool) -> None:
    """Given a producer whose trace is not sampled, then the result is in that trace, and no span of it is kept."""
    traced = Traced(partitions=1)
    traced.produce(text_value("a"), (("traceparent", traceparent(7, sampled=sampled)),))

    traced.run()

    (result,) = traced.results()
    assert context(result.headers).trace_id == TRACE_ID + 7
    assert context(result.headers).trace_flags.sampled is sampled
    assert len(traced.named(f"create {OUTPUT}")) == sampled


def test_with_nothing_sampled_nothing_is_exported() -> None:
    """Given a sampler that takes nothing, then the results say so, and no log line names a trace."""
    traced = Traced(partitions=1, sampler=ParentBased(ALWAYS_OFF))
    traced.produce(text_value("a"))

    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        traced.run()

    (result,) = traced.results()
    assert not context(result.headers).trace_flags.sampled
    assert not traced.spans
    assert not any("trace_id" in line for line in lines)


def test_log_lines_name_the_trace_at_hand() -> None:
    """Given a run with a recovery, then its lines and that of the publish name the trace of their batch."""
    traced = Traced(partitions=1)
    traced.produce(text_value("a"))
    traced.world.outbox.fail_at = {1}

    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        traced.run()
        structlog.get_logger().info("after")

    named = {line["event"]: line.get("trace_id") for line in lines}
    (failed,) = traced.named(f"process {INPUT}", failed=True)
    (good,) = traced.named(f"process {INPUT}")
    assert named == {"recovering": f"{ids(failed)[0]:032x}", "batch": f"{ids(good)[0]:032x}", "after": None}


RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["good", "bad", "null"]), st.sampled_from(["sampled", "unsampled", "malformed", "none"])
    ),
    min_size=1,
    max_size=12,
)


@given(records=RECORDS, fail_at=st.sets(st.integers(1, 6), max_size=3), rows=st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_spans_agree_with_the_topics(*, records: list[tuple[str, str]], fail_at: set[int], rows: int) -> None:
    """Given any records and failures, then good spans are those of what is in the topics, and none stays open.

    Each result has one context: in its producer's trace if that has one. Nothing in a span quotes a text or a key.
    """
    traced = Traced(
        partitions=1,
        on_null="forward",
        limits=Limits(batch_records=rows, max_recoveries=10, dlq_share=1, dlq_in_a_row=1_000),
    )
    for number, (kind, trace) in enumerate(records, start=1):
        value = {"good": text_value(f"{WRITTEN} {number}"), "bad": UNREADABLE, "null": None}[kind]
        contexts = {
            "sampled": traceparent(number),
            "unsampled": traceparent(number, sampled=False),
            "malformed": b"00-zz",
        }
        header = (("traceparent", contexts[trace]),) if trace in contexts else ()
        traced.produce(value, header, key=WRITTEN.encode())
    traced.world.outbox.fail_at = fail_at

    traced.run()

    good = {ids(one) for one in traced.spans if not is_error(one)}
    results = traced.results()
    for written in results:
        found = context(written.headers)
        assert not found.trace_flags.sampled or (found.trace_id, found.span_id) in good
    inputs = {TRACE_ID + n for n, (kind, trace) in enumerate(records, 1) if kind != "bad" and "sampled" in trace}
    assert inputs <= {context(one.headers).trace_id for one in results}
    for topic, count in ((OUTPUT, len(results)), (DLQ, len(traced.world.kafka.partitions(DLQ)[0]))):
        sends = [one.attributes or {} for one in traced.named(f"send {topic}")]
        assert sum(int(str(one["messaging.batch.message_count"])) for one in sends) == count
    assert len(traced.kept.started) == len(traced.spans)
    links = [one for span in traced.named(f"process {INPUT}") for one in span.links]
    assert len(links) == sum(trace == "sampled" for _, trace in records)
    assert WRITTEN not in json.dumps([span.to_json() for span in traced.spans])


def test_a_publish_of_several_batches_and_topics_has_one_send_and_one_commit() -> None:
    """Given two micro-batches of several topics in one publish, then send and commit are below the oldest.

    `send` links to the other batch and to the span of each traced result. What does not hold for all messages,
    topic and partition, is in no name and no attribute. A third batch, all of it revoked, ends as an error.
    """
    traced = Traced(partitions=1)
    traced.produce(text_value("a"))
    traced.run()
    published = traced.events[-1]
    assert isinstance(published, BatchPublished)
    again = Traced()
    listener = again.listener
    own = (("traceparent", traceparent()),)
    batches = [[record(), record(topic="more")], [record(offset=1, headers=own), record(partition=1)], [record()]]
    for records in batches:
        listener(BatchSubmitted(records, size=1, read_wait_s=0.1, decode_s=0.1))
    for one in [*batches[0], *batches[1]]:
        listener.headers(one)
    places = {(INPUT, 0): 2, (INPUT, 1): 1, ("more", 0): 1}
    listener(OutputWritten(results=4, dead_letters=[], places=places, send_s=0.1))
    listener(OffsetsCommitted(places))
    listener(replace(published, batches=2))
    listener(BatchDropped(batches=1, records=1))

    oldest, other = [one for one in again.spans if one.name.startswith("process") and not is_error(one)]
    assert (oldest.name, other.name) == ("process", f"process {INPUT}")
    for span in (oldest, *again.named("poll"), *again.named("commit")):
        assert not {"messaging.destination.name", "messaging.destination.partition.id"} & {
            *(span.attributes or {})
        }
    (send,), (create,) = again.named(f"send {OUTPUT}"), again.named(f"create {OUTPUT}")
    assert [(one.context.trace_id, one.context.span_id) for one in send.links] == [ids(other), ids(create)]
    assert [one.context.span_id for one in create.links] == [ids(other)[1]]
    assert [one.parent.span_id for one in (send, *again.named("commit")) if one.parent] == [ids(oldest)[1]] * 2
    (dropped,) = again.named(f"process {INPUT}", failed=True)
    assert (dropped.attributes or {})["error.type"] == "partitions_revoked"
    assert len(again.kept.started) == len(again.spans)
