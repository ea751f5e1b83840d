"""Spans of the messaging conventions: their names, kinds and attributes, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind, StatusCode

from consumer.tracing import conventions
from consumer.tracing.propagation import under

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from opentelemetry.trace import Span, SpanContext, Tracer
    from opentelemetry.util.types import AttributeValue

    from consumer.kafka.commit_metadata import Place


@dataclass(frozen=True, slots=True)
class Clients:
    """What all spans say of the service."""

    group: str
    consumer: str
    """Client id of the group member."""
    producer: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a span ends as an error."""

    kind: str
    """`error.type`: one of few."""
    reason: str | None = None


class Spans:
    """Starts spans. Every start says its parent, so that no context of a thread counts."""

    def __init__(self, tracer: Tracer, clients: Clients) -> None:
        self._tracer = tracer
        self._clients = clients

    def poll(self, places: Collection[Place], count: int, start_ns: int) -> Span:
        """The read of a micro-batch; the root of its trace. Its links are those of `process`, its child."""
        attributes = {**self._member("poll", "receive", places), conventions.COUNT: count}
        return self._tracer.start_span(
            _name("poll", places), Context(), SpanKind.CLIENT, attributes, start_time=start_ns
        )

    def process(
        self, places: Collection[Place], count: int, links: Sequence[Link], start_ns: int, poll: Span
    ) -> Span:
        """A micro-batch from decoding to the commit."""
        attributes = {**self._member("process", "process", places), conventions.COUNT: count}
        context = under(poll.get_span_context())
        return self._tracer.start_span(
            _name("process", places), context, SpanKind.CONSUMER, attributes, links, start_ns
        )

    def commit(self, places: Collection[Place], start_ns: int, parent: SpanContext | None) -> Span:
        """The offsets of a publish, or of what follows the last records."""
        attributes = self._member("commit", "settle", places)
        context = under(parent) if parent else Context()
        return self._tracer.start_span(
            _name("commit", places), context, SpanKind.CLIENT, attributes, start_time=start_ns
        )

    def send(self, topic: str, start_ns: int, parent: SpanContext | None, *, is_created: bool) -> Span:
        """All that a publish writes to a topic; `is_created` says whether records get its context."""
        kind = SpanKind.PRODUCER if is_created else SpanKind.CLIENT
        attributes = self._described("send", "send", {topic}, self._clients.producer)
        context = under(parent) if parent else Context()
        return self._tracer.start_span(f"send {topic}", context, kind, attributes, start_time=start_ns)

    def create(self, topic: str, start_ns: int, producer: SpanContext, process: Span) -> Span:
        """One result in the trace of its input's producer."""
        attributes = self._described("create", "create", {topic}, self._clients.producer)
        links = [Link(process.get_span_context())]
        context = under(producer)
        return self._tracer.start_span(f"create {topic}", context, SpanKind.PRODUCER, attributes, links, start_ns)

    def _member(self, operation: str, kind: str, places: Collection[Place]) -> dict[str, AttributeValue]:
        attributes = self._described(operation, kind, {topic for topic, _ in places}, self._clients.consumer)
        attributes[conventions.GROUP] = self._clients.group
        if len(places) == 1:
            attributes[conventions.PARTITION] = str(next(iter(places))[1])
        return attributes

    @staticmethod
    def _described(operation: str, kind: str, topics: Collection[str], client: str) -> dict[str, AttributeValue]:
        described: dict[str, AttributeValue] = {
            conventions.SYSTEM: conventions.KAFKA,
            conventions.OPERATION_NAME: operation,
            conventions.OPERATION_TYPE: kind,
            conventions.CLIENT: client,
        }
        if len(topics) == 1:  # by the conventions only what holds for all messages
            described[conventions.DESTINATION] = next(iter(topics))
        return described


def end(span: Span, failure: Failure | None = None, at_ns: int | None = None) -> None:
    """Ends a span, as an error if there is a failure."""
    if failure is not None:
        span.set_status(StatusCode.ERROR, failure.reason)
        span.set_attribute(conventions.ERROR, failure.kind)
    span.end(at_ns)


def end_send(span: Span, count: int, links: Iterable[SpanContext], at_ns: int) -> None:
    """Ends the span of a publish to one topic, whose records are only known by then."""
    span.set_attribute(conventions.COUNT, count)
    for context in links:
        span.add_link(context)
    span.end(at_ns)


def link(context: SpanContext, partition: int, offset: int) -> Link:
    """A link to what produced a record, with where the record is."""
    return Link(context, {conventions.PARTITION: str(partition), conventions.OFFSET: offset})


def _name(operation: str, places: Collection[Place]) -> str:
    topics = {topic for topic, _ in places}
    return f"{operation} {topics.pop()}" if len(topics) == 1 else operation
