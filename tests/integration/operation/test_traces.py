"""One message is followed from its producer's span to its result on a real Kafka, also where publishes fail."""

from __future__ import annotations

import json
import threading
from random import Random
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import pytest
from opentelemetry.propagate import inject
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from consumer.events import to_all
from consumer.kafka.outbox import ExactlyOnceOutbox
from consumer.kafka.source import KafkaSource
from consumer.log_events import log_event
from consumer.service import consume
from consumer.settings import ConsumerSettings, TracingSettings
from consumer.stream.records import PublishFailed
from consumer.tracing.tracing import Tracing
from shared.inference.scheduler import Scheduler
from shared.kafka.message import headers_of
from shared.kafka.settings import KafkaSettings
from tests.integration.conftest import Topics
from tests.support.fakes import TARGETS, FakeScorer, text_value
from tests.support.topics import Sent, produce, read_all
from tests.unit.consumer.tracing.traced import context, ids, is_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message
    from opentelemetry.sdk.trace import ReadableSpan

    from sentiment_testing.kafka import Broker, MakeTopic
    from shared.messages import Headers

FLUSH_S: Final = 20.0
MAX_BYTES: Final = 10_000
"""The output topic refuses larger records."""
LARGE: Final = ("filler", Random(1).randbytes(2 * MAX_BYTES))  # noqa: S311 - nothing is secret
"""Too large also when it is compressed."""

pytestmark = pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])


@pytest.fixture
def topics(kafka: Broker, topic: MakeTopic) -> Topics:
    """An output topic that refuses large records, which only the broker knows."""
    texts, letters = topic("texts"), topic("letters")
    sentiments = topic("sentiments", config={"max.message.bytes": str(MAX_BYTES)})
    return Topics(kafka.bootstrap_servers, texts, sentiments, letters, f"group-{uuid4()}")


class Producer:
    """An application that traces what it produces."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self._tracer = provider.get_tracer("app")

    def sent(self, text: str, *more: tuple[str, bytes]) -> Sent:
        """A record within a span of its own."""
        with self._tracer.start_as_current_span("send texts", kind=SpanKind.PRODUCER):
            carrier: dict[str, str] = {}
            inject(carrier)
        headers = [(name, value.encode()) for name, value in carrier.items()]
        return Sent(text_value(text), key=b"key", headers=(*headers, *more))

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Trace and span ids in the order of the records."""
        return [ids(one) for one in self.exporter.get_finished_spans()]


def run(topics: Topics, delivery: Any) -> Sequence[ReadableSpan]:
    """Runs a consumer until the topic is read out; returns what it exported."""
    settings = ConsumerSettings(
        kafka=KafkaSettings(bootstrap_servers=topics.servers),
        group_id=topics.group,
        input_topics=(topics.texts,),
        output_topic=topics.sentiments,
        dlq_topic=topics.letters,
        delivery=delivery,
        until_idle_s=2,
        instance_id="one",
        tracing=TracingSettings(enabled=True),
    )
    exporter = InMemorySpanExporter()
    tracing = Tracing(settings, exporter)
    observer = to_all(log_event, tracing.observer)
    scoring = Scheduler(FakeScorer(), observer=observer)
    try:
        consume(
            settings,
            partitions={topics.sentiments: 1, topics.letters: 1},
            scoring=scoring,
            model_version="1",
            stop=threading.Event(),
            targets=TARGETS,
            observer=observer,
            trace_headers=tracing.headers,
        )
    finally:
        scoring.close(0)
        tracing.close(FLUSH_S)
    return exporter.get_finished_spans()


def test_a_message_is_followed_from_its_producers_span_to_its_result(*, delivery: str, topics: Topics) -> None:
    """Given a producer that traces, when its message is scored, then its trace goes on into the result's header.

    The producer's span has a child, `create`, whose context is in the result. It links to `process`, which links
    to the producer's span and has a poll, a send and a commit in its trace. Other headers are as they were.
    """
    producer = Producer()
    produce(topics.servers, topics.texts, [producer.sent("one", ("app", b"1")), Sent(text_value("plain"))])

    spans = run(topics, delivery)

    traced, plain = read_all(topics.servers, topics.sentiments)
    (sent,) = producer.spans
    create = _only(spans, f"create {topics.sentiments}")
    poll, process = _only(spans, f"poll {topics.texts}"), _only(spans, f"process {topics.texts}")
    send, commit = _only(spans, f"send {topics.sentiments}"), _only(spans, f"commit {topics.texts}")
    assert create.parent is not None
    assert (create.parent.trace_id, create.parent.span_id) == sent
    assert _context(traced) == ids(create)
    assert _context(plain) == ids(send)
    assert dict(_headers(traced))["app"] == b"1"
    assert [link.context.span_id for link in create.links] == [ids(process)[1]]
    assert [(link.context.trace_id, link.context.span_id) for link in process.links] == [sent]
    assert [link.context.span_id for link in send.links] == [ids(create)[1]]
    assert {ids(one)[0] for one in (process, send, commit)} == {ids(poll)[0]}
    assert not any(map(is_error, spans))


def test_an_aborted_transaction_leaves_no_span_that_says_sent(
    *, delivery: str, topics: Topics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a publish that is written and whose commit fails, then its spans say what became of the records.

    With exactly-once these are aborted, and their spans are errors. With at-least-once readers get them twice, and
    each time they were sent.
    """
    producer = Producer()
    produce(topics.servers, topics.texts, [producer.sent(f"text {n}") for n in range(3)])
    kind: Any = ExactlyOnceOutbox if delivery == "exactly-once" else KafkaSource
    name = "_send_offsets" if delivery == "exactly-once" else "commit"
    commit, calls = getattr(kind, name), []

    def failing(self: Any, commits: Any) -> None:
        calls.append(commits)
        if len(calls) == 1:
            raise PublishFailed("on purpose")
        commit(self, commits)

    monkeypatch.setattr(kind, name, failing)

    spans = run(topics, delivery)

    results = read_all(topics.servers, topics.sentiments)
    every = read_all(topics.servers, topics.sentiments, isolation="read_uncommitted")
    assert len(every) == 6
    good = {ids(one) for one in spans if not is_error(one)}
    bad = {ids(one) for one in spans if is_error(one)}
    assert {_context(one) for one in results} <= good
    assert _count(spans, f"send {topics.sentiments}") == len(results) == (3 if delivery == "exactly-once" else 6)
    assert {_context(one) for one in every[: len(every) - len(results)]} <= bad
    for operation, topic in (("commit", topics.texts), ("process", topics.texts)):
        failed = [one for one in spans if one.name == f"{operation} {topic}" and is_error(one)]
        assert len(failed) == 1


def test_a_refused_record_becomes_a_letter_in_its_producers_trace(*, delivery: str, topics: Topics) -> None:
    """Given a record that the broker refuses among good ones, then good spans are those of what is in the topics.

    The dead letter has the context of its producer, and nothing in a span quotes a text, a key or an id.
    """
    producer = Producer()
    records = [producer.sent(f"wonderful {n}") for n in range(3)]
    produce(topics.servers, topics.texts, [*records, producer.sent("wonderful large", LARGE)])

    spans = run(topics, delivery)

    results = read_all(topics.servers, topics.sentiments)
    (letter,) = read_all(topics.servers, topics.letters)
    good = {ids(one) for one in spans if not is_error(one)}
    assert {_context(one) for one in results} <= good
    assert _context(letter) == producer.spans[-1]
    assert _count(spans, f"send {topics.sentiments}") == len(results) == 3
    assert _count(spans, f"send {topics.letters}") == 1
    failed = [one for one in spans if is_error(one) and one.name == f"process {topics.texts}"]
    # Once among the others, and once alone.
    assert [dict(one.attributes or {})["error.type"] for one in failed] == ["MSG_SIZE_TOO_LARGE"] * 2
    exported = json.dumps([one.to_json() for one in spans])
    assert not any(word in exported for word in ("wonderful", '"key"', f"{topics.texts}-0-"))


def _only(spans: Sequence[ReadableSpan], name: str) -> ReadableSpan:
    (found,) = [one for one in spans if one.name == name]
    return found


def _count(spans: Sequence[ReadableSpan], name: str) -> int:
    """Messages of the spans of a name that ended well."""
    found: list[Mapping[str, Any]] = [
        one.attributes or {} for one in spans if one.name == name and not is_error(one)
    ]
    return sum(one["messaging.batch.message_count"] for one in found)


def _headers(message: Message) -> Headers:
    headers = headers_of(message)
    assert headers is not None
    return headers


def _context(message: Message) -> tuple[int, int]:
    found = context(_headers(message))
    return found.trace_id, found.span_id
