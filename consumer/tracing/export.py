"""The way of ended spans to the exporter, with bounded memory, and the count of those that did not get there."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import structlog
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from consumer.stall_watchdog import returning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

log = structlog.get_logger()

MAX_SPANS: Final = 2_048
"""Spans that may wait for the exporter unless OTEL_BSP_MAX_QUEUE_SIZE says otherwise: OpenTelemetry's default."""
MAX_LINKS: Final = 65_536
"""Links of waiting spans, which are what takes the memory: 2,048 spans of 1,024 links would be 2 million."""
SAY_S: Final = 10.0
"""Seconds between two lines about lost spans."""


class Export(SpanProcessor):
    """Hands spans to a batch processor while few enough wait, and counts the others."""

    def __init__(
        self, exporter: SpanExporter, *, max_spans: int = MAX_SPANS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises ValueError where OpenTelemetry's environment variables do not fit each other."""
        self._clock = clock
        self._max_spans = max_spans
        self._lock = threading.Lock()
        self._spans = 0
        self._links = 0
        self._overflowed = 0
        """Lost since the last line, since too many waited."""
        self._failed = 0
        """Lost since the last line, since the exporter failed."""
        self._said_s = clock() - SAY_S
        self._batches = BatchSpanProcessor(_Reporting(exporter, self._left), max_queue_size=max_spans)

    def on_end(self, span: ReadableSpan) -> None:
        """Queues a sampled span, or counts it as lost. Any thread; never waits for the exporter."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        with self._lock:
            is_full = self._spans >= self._max_spans or (
                self._spans > 0 and self._links + len(span.links) > MAX_LINKS
            )
            if is_full:
                self._overflowed += 1
                return
            self._spans += 1
            self._links += len(span.links)
        self._batches.on_end(span)

    def close(self, within_s: float) -> None:
        """Exports what waits, for at most `within_s`, and says what was lost."""
        try:
            returning(self._batches.shutdown, max(0.0, within_s), "traces")
        except TimeoutError:
            with self._lock:
                self._failed += self._spans
        self._say(at_once=True)

    def _left(self, spans: Sequence[ReadableSpan], *, is_exported: bool) -> None:
        with self._lock:
            self._spans -= len(spans)
            self._links -= sum(len(span.links) for span in spans)
            self._failed += 0 if is_exported else len(spans)
        self._say()

    def _say(self, *, at_once: bool = False) -> None:
        with self._lock:
            overflowed, failed = self._overflowed, self._failed
            is_due = at_once or self._clock() - self._said_s >= SAY_S
            if not is_due or not overflowed + failed:
                return
            self._overflowed = self._failed = 0
            self._said_s = self._clock()
        log.warning("traces_lost", queue_full=overflowed, not_exported=failed)


class _Reporting(SpanExporter):
    """An exporter that says which spans it has done with, whether it sent them or not."""

    def __init__(self, exporter: SpanExporter, left: Callable[..., None]) -> None:
        self._exporter = exporter
        self._left = left

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = SpanExportResult.FAILURE
        try:
            result = self._exporter.export(spans)
        finally:
            self._left(spans, is_exported=result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()
