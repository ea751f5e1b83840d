"""Wires the traces of one process: exporter, tracer and observer."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from consumer.tracing import conventions
from consumer.tracing.export import MAX_LINKS, MAX_SPANS, Export
from consumer.tracing.listener import TraceListener
from consumer.tracing.spans import Clients, Spans
from shared import __version__
from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace.export import SpanExporter

    from consumer.events import Observer, Position
    from consumer.settings import ConsumerSettings
    from shared.messages import Headers

SERVICE: Final = "sentiment-consumer"
_SUPPORTED: Final = {
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
}
_LINK_LIMIT: Final = "OTEL_SPAN_LINK_COUNT_LIMIT"
_QUEUE_LIMIT: Final = "OTEL_BSP_MAX_QUEUE_SIZE"


class Tracing:
    """The traces of one process. Raises SettingsError for an environment that does not fit."""

    def __init__(self, settings: ConsumerSettings, exporter: SpanExporter | None = None) -> None:
        """`exporter` in place of OTLP over HTTP, whose address OpenTelemetry's environment variables say."""
        # Its warnings about a malformed tracestate quote it, and it is a user's.
        logging.getLogger("opentelemetry.trace").setLevel(logging.ERROR)
        for name, value in _SUPPORTED.items():
            if (given := os.environ.get(name, "").strip() or value) != value:
                raise SettingsError(f"{name} is {given!r}, and traces are sent by {value} only; unset it")
        try:
            self._export = Export(exporter or OTLPSpanExporter(), max_spans=_max_spans())
            provider = TracerProvider(
                resource=_resource(settings),
                # One link for each record, where OpenTelemetry keeps 128 of a span's links.
                span_limits=SpanLimits(
                    max_links=None if _LINK_LIMIT in os.environ else min(settings.limits.most_in_hand, MAX_LINKS)
                ),
                shutdown_on_exit=False,
            )
        except ValueError as error:
            raise SettingsError(f"a variable OTEL_... of the environment does not fit: {error}") from None
        provider.add_span_processor(self._export)
        clients = Clients(settings.group_id, settings.consumer_client_id, SERVICE)
        tracer = provider.get_tracer(SERVICE, __version__, schema_url=conventions.SCHEMA)
        self.resource = provider.resource
        """What every span says of the service."""
        self._listener = TraceListener(
            Spans(tracer, clients), output=settings.output_topic, dlq=settings.dlq_topic
        )
        self.observer: Observer = self._listener
        self.headers: Callable[[Position], Headers] = self._listener.headers

    def close(self, within_s: float) -> None:
        """Ends what is open, and exports what waits for at most `within_s`."""
        self._listener.close()
        self._export.close(within_s)


def _max_spans() -> int:
    given = os.environ.get(_QUEUE_LIMIT, "").strip() or str(MAX_SPANS)
    if not given.isdecimal():
        raise ValueError(f"{_QUEUE_LIMIT} must be a whole number")
    return int(given)


def _resource(settings: ConsumerSettings) -> Resource:
    """What OpenTelemetry's environment variables say of the service, and our own names for what they leave out."""
    own = Resource(
        {"service.name": SERVICE, "service.version": __version__, "service.instance.id": settings.instance}
    )
    return Resource.create().merge(own).merge(OTELResourceDetector().detect())
