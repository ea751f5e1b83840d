"""W3C trace context in the headers of records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, Setter
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from shared.messages import Headers

TRACEPARENT: Final = "traceparent"
TRACESTATE: Final = "tracestate"
_FIELDS: Final = (TRACEPARENT, TRACESTATE)
_W3C: Final = TraceContextTextMapPropagator()


class _Getter(Getter["Headers"]):
    def get(self, carrier: Headers, key: str) -> list[str] | None:
        found = [value.decode("ascii", "replace") for name, value in carrier if name == key and value]
        # The last of several, as in OpenTelemetry's instrumentation for Java; a tracestate may be in parts.
        return (found if key == TRACESTATE else found[-1:]) or None

    def keys(self, carrier: Headers) -> list[str]:
        return [name for name, _ in carrier]


class _Setter(Setter[list[tuple[str, bytes | None]]]):
    def set(self, carrier: list[tuple[str, bytes | None]], key: str, value: str) -> None:
        carrier.append((key, value.encode("ascii")))


_GETTER: Final = _Getter()
_SETTER: Final = _Setter()


def context_of(headers: Headers) -> SpanContext | None:
    """The context that the producer of a record gave it; None without one, or with one that is malformed."""
    # 0.2 us instead of 1.4 us for a record of a producer that does not trace.
    if not any(name == TRACEPARENT for name, _ in headers):
        return None
    found = get_current_span(_W3C.extract(headers, Context(), _GETTER)).get_span_context()
    return found if found.is_valid else None


def under(parent: SpanContext) -> Context:
    """What to start a child of `parent` in, whatever the thread's own context is."""
    return set_span_in_context(NonRecordingSpan(parent), Context())


def headers_of(context: SpanContext) -> Headers:
    """The headers that carry a context; none if it is not valid."""
    headers: list[tuple[str, bytes | None]] = []
    _W3C.inject(headers, under(context), _SETTER)
    return tuple(headers)


def replaced(headers: Headers, by: Headers) -> Headers:
    """The headers with those of a context in place of any, at the end; as they are if there are none."""
    return (*(header for header in headers if header[0] not in _FIELDS), *by) if by else headers
