"""Spans get to the exporter, or are counted; they wait in bounded memory, and nobody waits for the exporter."""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import pytest
import structlog
from opentelemetry.context import Context
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, TraceFlags

from consumer.events import BatchSubmitted
from consumer.settings import ConsumerSettings, TracingSettings
from consumer.tracing import conventions, export
from consumer.tracing.export import Export
from consumer.tracing.start import start_tracing
from consumer.tracing.tracing import Tracing
from shared.errors import SettingsError
from tests.support.fakes import record
from tests.unit.consumer.tracing.traced import traceparent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

WAIT_S = 20.0


class Held(SpanExporter):
    """An exporter that answers once it is released, and then fails."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.called = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002
        """Waits."""
        self.called.set()
        self.released.wait(WAIT_S)
        return SpanExportResult.FAILURE


@pytest.fixture
def held() -> Iterator[Held]:
    """An exporter that is away, released at the end."""
    exporter = Held()
    yield exporter
    exporter.released.set()


def ended(to: Export, count: int, links: int = 0) -> None:
    """Ends spans with links."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(to)
    producer = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1))
    for _ in range(count):
        provider.get_tracer("test").start_span("one", Context(), links=[Link(producer)] * links).end()


def lost(lines: Sequence[Any]) -> tuple[int, int]:
    """The sums of all lines about lost spans."""
    found = [line for line in lines if line["event"] == "traces_lost"]
    return sum(one["queue_full"] for one in found), sum(one["not_exported"] for one in found)


def test_what_is_exported_is_not_lost() -> None:
    """Given an exporter that answers, when closed, then all spans are there, and no line tells of a loss."""
    exporter = InMemorySpanExporter()
    to = Export(exporter)
    with structlog.testing.capture_logs() as lines:
        ended(to, 700)
        to.close(WAIT_S)

    assert len(exporter.get_finished_spans()) == 700
    assert not lines


@pytest.mark.parametrize(("links", "most"), [(0, 8), (100, 3)])
def test_an_exporter_that_is_away_costs_bounded_memory_and_no_time(
    *, links: int, most: int, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an exporter that hangs, then spans and links wait up to their limits, and every lost span is counted.

    Closing takes no longer than it may.
    """
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    monkeypatch.setattr(export, "MAX_LINKS", 300)
    to = Export(held, max_spans=8)
    with structlog.testing.capture_logs() as lines:
        ended(to, 1, links)
        assert held.called.wait(WAIT_S)
        ended(to, 29, links)
        began = time.monotonic()
        to.close(0.1)
        assert time.monotonic() - began < WAIT_S / 2

    assert lost(lines) == (30 - most, most)


def test_one_span_with_more_links_than_may_wait_gets_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a span of more links than the limit, when nothing waits, then it is exported."""
    monkeypatch.setattr(export, "MAX_LINKS", 5)
    exporter = InMemorySpanExporter()
    to = Export(exporter)

    ended(to, 1, links=6)
    to.close(WAIT_S)

    assert len(exporter.get_finished_spans()) == 1


def test_lines_about_losses_are_few() -> None:
    """Given an exporter that fails again and again, then one line tells it within SAY_S, and sums are exact."""
    failing = Held()
    failing.released.set()
    to = Export(failing, clock=lambda: 0.0)
    with structlog.testing.capture_logs() as lines:
        ended(to, 1_500)
        to.close(WAIT_S)

    assert lost(lines) == (0, 1_500)
    assert len(lines) <= 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "many"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "100000"),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", "-1"),
    ],
)
def test_an_environment_that_does_not_fit_is_refused(
    *, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a variable of OpenTelemetry that the service cannot follow, then it says so and does not start."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=r"OTEL_|max_export_batch_size"):
        Tracing(ConsumerSettings())


def test_the_service_has_a_name_unless_the_environment_gives_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given OTEL_RESOURCE_ATTRIBUTES, then it goes before our own names, which fill in what it leaves out."""
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=mine,deployment.environment.name=test")
    settings = ConsumerSettings(instance_id="one")
    tracing = Tracing(settings, InMemorySpanExporter())

    attributes = tracing.resource.attributes

    assert attributes["service.name"] == "mine"
    assert attributes["service.instance.id"] == "one"
    assert attributes["deployment.environment.name"] == "test"
    tracing.close(WAIT_S)


class Collector:
    """A collector that takes OTLP over HTTP."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                requests.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Logs nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Begins to listen."""
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()


def test_spans_reach_the_collector_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_SERVICE_NAME, then a stopping service sends its spans there."""
    settings = ConsumerSettings(instance_id="one")
    with Collector() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
        tracing = Tracing(settings)
        tracing.observer(BatchSubmitted([record()], size=1, read_wait_s=0.1, decode_s=0.1))
        tracing.close(WAIT_S)

    ((path, body),) = collector.requests
    assert path == "/v1/traces"
    (sent,) = ExportTraceServiceRequest.FromString(body).resource_spans
    found = {one.key: one.value.string_value for one in sent.resource.attributes}
    assert (found["service.name"], found["service.instance.id"]) == ("mine", "one")
    assert sent.scope_spans[0].schema_url == conventions.SCHEMA
    assert [span.name for span in sent.scope_spans[0].spans] == ["poll texts", "process texts"]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an installation without the extra, when tracing is on, then the error says what to install."""
    monkeypatch.delitem(sys.modules, "consumer.tracing.tracing")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)

    with pytest.raises(SettingsError, match=r"pip install 'sentiment-stream\[otel\]'"):
        start_tracing(ConsumerSettings(tracing=TracingSettings(enabled=True)))


def test_a_disabled_sdk_leaves_each_message_its_context(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given OTEL_SDK_DISABLED, then nothing is exported, and a result has the trace context of its message."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    exporter = InMemorySpanExporter()
    tracing = Tracing(ConsumerSettings(), exporter)
    records = [record(headers=(("traceparent", traceparent()),)), record(offset=1, headers=(("a", b"b"),))]

    tracing.observer(BatchSubmitted(records, size=1, read_wait_s=0.1, decode_s=0.1))
    headers = [tracing.headers(one) for one in records]
    tracing.close(WAIT_S)

    assert headers == [one.headers for one in records]
    assert not exporter.get_finished_spans()
