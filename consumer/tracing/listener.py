"""The observer that builds spans: of each micro-batch poll, process, send and commit, and of a result its own.

    poll T ───> process T ──┬──> send R      links: the `create` spans of the results
       links: the producers └──> commit T
    producer's span ───> create R            its context is in the result's headers; link: process T

A span that says that something was written ends without an error only after the event of its commit. All else ends
as an error, so an aborted transaction leaves no span that says sent.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from opentelemetry.trace import format_span_id, format_trace_id
from structlog.contextvars import bind_contextvars, unbind_contextvars

from consumer.events import (
    BatchDropped,
    BatchPublished,
    BatchSubmitted,
    BatchUncommitted,
    OffsetsCommitted,
    OutputWritten,
    Recovering,
    TransactionChanged,
)
from consumer.tracing.propagation import context_of, headers_of, replaced
from consumer.tracing.spans import Failure, end, end_send, link
from shared.log_output.sampling import TRACE_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from opentelemetry.trace import Span, SpanContext

    from consumer.events import Event, Position
    from consumer.kafka.commit_metadata import Place
    from consumer.tracing.spans import Spans
    from shared.messages import Headers

_Origin = tuple[str, int, int]
"""Topic, partition and offset of an input record."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """A micro-batch in hand."""

    process: Span
    producers: Mapping[_Origin, SpanContext]
    """What its records came from, where their producers trace."""


class TraceListener:
    """An observer, and what makes the trace context of each result. Works on the Kafka thread only."""

    def __init__(self, spans: Spans, *, output: str, dlq: str, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._spans = spans
        self._output = output
        self._dlq = dlq
        self._clock_ns = clock_ns
        self._in_hand: deque[_Batch] = deque()
        self._created: dict[_Origin, Span] = {}
        """Spans of results that are encoded and not committed."""
        self._send: Span | None = None
        """The span whose context the results have whose producers do not trace."""
        self._send_headers: Headers = ()
        self._written: OutputWritten | None = None
        """What is acknowledged and not committed."""
        self._written_ns = 0

    def __call__(self, event: Event) -> None:
        """Takes in one event."""
        match event:
            case BatchSubmitted():
                self._submitted(event)
            case OutputWritten():
                self._written, self._written_ns = event, self._clock_ns()
                for one in event.dead_letters:  # a result that was too large with its headers
                    self._created.pop(_origin(one), None)
            case OffsetsCommitted():
                self._committed(event.offsets)
            case BatchPublished():
                self._end_output(event.batches)
                self._written = None
                self._end_batches(event.batches)
            case BatchUncommitted():
                self._end_output(event.written.batches)
            case BatchDropped():
                self._end_batches(event.batches, Failure("partitions_revoked"))
            case Recovering():
                self._fail(Failure(event.refused or "publish_failed", event.reason))
            case TransactionChanged(state="aborted"):
                self._end_unsent(Failure("transaction_aborted"))
            case _:
                pass

    def headers(self, record: Position) -> Headers:
        """The headers of a record's result: those of the record with the trace context of the result.

        No event could do this: a result's context must be known before the result is written.
        """
        batch = self._batch_of(record)
        if batch is None:
            if self._send is None:
                self._send = self._start_send(self._output, self._clock_ns(), is_created=True)
                self._send_headers = headers_of(self._send.get_span_context())
            return replaced(record.headers, self._send_headers)
        origin = _origin(record)
        span = self._spans.create(self._output, self._clock_ns(), batch.producers[origin], batch.process)
        self._created[origin] = span
        return replaced(record.headers, headers_of(span.get_span_context()))

    def close(self) -> None:
        """Ends what is open as an error: the next process reads again what is still in hand."""
        self._fail(Failure("stopped"))

    def _submitted(self, event: BatchSubmitted) -> None:
        decoded_ns = self._clock_ns() - _ns(event.decode_s)
        producers = {_origin(one): found for one in event.records if (found := context_of(one.headers))}
        # 7 us each, so none to a span that its producer has not kept.
        links = [
            link(found, partition, offset)
            for (_, partition, offset), found in producers.items()
            if found.trace_flags.sampled
        ]
        places = {(one.topic, one.partition) for one in event.records}
        count = len(event.records)
        poll = self._spans.poll(places, count, decoded_ns - _ns(event.read_wait_s))
        poll.end(decoded_ns)
        process = self._spans.process(places, count, links, decoded_ns, poll)
        self._in_hand.append(_Batch(process, producers))
        self._say_in_logs()

    def _committed(self, offsets: Collection[Place]) -> None:
        self._spans.commit(offsets, self._written_ns, self._oldest()).end(self._clock_ns())
        if not self._in_hand:  # the ends of partitions, so no `BatchPublished` follows
            self._written = None

    def _end_output(self, batches: int) -> None:
        """Ends the spans of what a publish has written, at the time when it was acknowledged."""
        if self._written is None:
            return
        written, at_ns = self._written, self._written_ns
        start_ns = at_ns - _ns(written.send_s)
        others = [one.process.get_span_context() for one in islice(self._in_hand, 1, batches)]
        for span in self._created.values():
            span.end(at_ns)
        if written.results:
            send = self._send or self._start_send(self._output, start_ns, is_created=False)
            created = (span.get_span_context() for span in self._created.values())
            end_send(send, written.results, [*others, *created], at_ns)
        if written.dead_letters:
            send = self._start_send(self._dlq, start_ns, is_created=False)
            end_send(send, len(written.dead_letters), [*others, *self._producers(written.dead_letters)], at_ns)
        self._created.clear()
        self._send = None

    def _fail(self, failure: Failure) -> None:
        self._end_unsent(failure)
        self._end_batches(len(self._in_hand), Failure(failure.kind))

    def _end_unsent(self, failure: Failure) -> None:
        """Ends what a publish has begun as an error."""
        unsent = [*self._created.values(), *([self._send] if self._send else [])]
        if self._written is not None:
            unsent.append(self._spans.commit(self._written.places, self._written_ns, self._oldest()))
        for span in unsent:
            end(span, failure)
        self._created.clear()
        self._send = self._written = None

    def _end_batches(self, batches: int, failure: Failure | None = None) -> None:
        for _ in range(batches):
            end(self._in_hand.popleft().process, failure)
        self._say_in_logs()

    def _start_send(self, topic: str, start_ns: int, *, is_created: bool) -> Span:
        return self._spans.send(topic, start_ns, self._oldest(), is_created=is_created)

    def _batch_of(self, record: Position) -> _Batch | None:
        """The micro-batch of a record whose producer traces."""
        origin = _origin(record)
        return next((batch for batch in self._in_hand if origin in batch.producers), None)

    def _producers(self, letters: Sequence[Position]) -> list[SpanContext]:
        """Where dead letters came from; they keep their headers, so their context is their producer's."""
        return [batch.producers[_origin(one)] for one in letters if (batch := self._batch_of(one)) is not None]

    def _oldest(self) -> SpanContext | None:
        return self._in_hand[0].process.get_span_context() if self._in_hand else None

    def _say_in_logs(self) -> None:
        """Puts the trace of the oldest micro-batch into the log lines of this thread, if it is exported."""
        if self._in_hand and self._in_hand[0].process.is_recording():
            context = self._in_hand[0].process.get_span_context()
            ids = (format_trace_id(context.trace_id), format_span_id(context.span_id))
            bind_contextvars(**dict(zip(TRACE_FIELDS, ids, strict=True)))
        else:
            unbind_contextvars(*TRACE_FIELDS)


def _origin(record: Position) -> _Origin:
    return record.topic, record.partition, record.offset


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
