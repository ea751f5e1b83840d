"""A pipeline in memory whose spans are kept, and what to ask of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import StatusCode

from consumer.events import OffsetsCommitted, OutputWritten, TransactionChanged
from consumer.log_events import log_event
from consumer.tracing.listener import TraceListener
from consumer.tracing.propagation import context_of
from consumer.tracing.spans import Clients, Spans
from tests.support.fakes import DLQ, OUTPUT, FakeOutbox
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Span, SpanContext

    from consumer.events import Event, Observer
    from consumer.kafka.commit_metadata import Commit
    from consumer.stream.records import Outgoing
    from shared.messages import Headers
    from tests.support.fakes import Written

TRACE_ID: Final = 0x4BF92F3577B34DA6A3CE929D0E0E4736


def traceparent(number: int = 1, *, sampled: bool = True) -> bytes:
    """The context of a producer's span, in a trace of its own for each number."""
    return f"00-{TRACE_ID + number:032x}-{number:016x}-{int(sampled):02x}".encode()


class Kept(SpanProcessor):
    """Keeps every span that is started, and exports to memory."""

    def __init__(self) -> None:
        self.started: list[Span] = []
        self.exporter = InMemorySpanExporter()
        self._simple = SimpleSpanProcessor(self.exporter)

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002
        """Keeps it."""
        self.started.append(span)

    def on_end(self, span: ReadableSpan) -> None:
        """Exports it."""
        self._simple.on_end(span)


class TellingOutbox(FakeOutbox):
    """A fake outbox that tells what `ExactlyOnceOutbox` and the source tell.

    Of its publishes those with an odd number fail at the commit, others before anything is written.
    """

    observer: Observer = staticmethod(log_event)

    def publish(
        self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], commits: Sequence[Commit]
    ) -> None:
        """Tells of the transaction, the write and the commit."""
        letters = [letter.source for letter in dead_letters]
        written = OutputWritten(len(results), letters, [commit.place for commit in commits], send_s=0.5)
        is_odd = self.publishes % 2 == 0
        self.observer(TransactionChanged("begun"))
        if is_odd:
            self.observer(written)
        super().publish(results, dead_letters, commits)
        if not is_odd:
            self.observer(written)
        self.observer(TransactionChanged("committed"))
        self.observer(OffsetsCommitted({commit.place: commit.offset for commit in commits}))

    def reset(self) -> None:
        """Tells of an abort."""
        self.observer(TransactionChanged("aborted"))
        super().reset()


class Traced:
    """A pipeline with a listener; `parentbased_always_on` is OpenTelemetry's default sampler."""

    def __init__(self, *, sampler: Any = None, **world: Any) -> None:
        self.kept = Kept()
        provider = TracerProvider(sampler=sampler or ParentBased(ALWAYS_ON), shutdown_on_exit=False)
        provider.add_span_processor(self.kept)
        clients = Clients("sentiment", "consumer-1", "producer-1")
        spans = Spans(provider.get_tracer("test"), clients)
        self.listener = TraceListener(spans, output=OUTPUT, dlq=DLQ)
        self.world = World(
            observer=self._observe, outbox=TellingOutbox, trace_headers=self.listener.headers, **world
        )
        self.world.outbox.observer = self._observe  # type: ignore[attr-defined]
        self.events: list[Event] = []

    def _observe(self, event: Event) -> None:
        self.events.append(event)
        log_event(event)
        self.listener(event)

    def produce(self, value: bytes | None, headers: Headers = (), key: bytes = b"k", partition: int = 0) -> None:
        """Writes one input record."""
        self.world.kafka.produce(value, key=key, headers=headers, partition=partition)

    def run(self) -> None:
        """Runs the pipeline to its end."""
        self.world.run()
        self.listener.close()

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """What was exported."""
        return self.kept.exporter.get_finished_spans()

    def named(self, name: str, *, failed: bool = False) -> list[ReadableSpan]:
        """The exported spans of a name that ended well, or as errors."""
        return [one for one in self.spans if one.name == name and is_error(one) == failed]

    def results(self) -> list[Written]:
        """What is in the output topic."""
        return [one for log in self.world.kafka.partitions(OUTPUT) for one in log]


def is_error(span: ReadableSpan) -> bool:
    """Whether a span ended as an error."""
    return span.status.status_code is StatusCode.ERROR


def context(headers: Headers) -> SpanContext:
    """The trace context in headers, which hold exactly one."""
    assert [name for name, _ in headers].count("traceparent") == 1
    found = context_of(headers)
    assert found is not None
    return found


def ids(span: ReadableSpan) -> tuple[int, int]:
    """Trace and span id."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id
