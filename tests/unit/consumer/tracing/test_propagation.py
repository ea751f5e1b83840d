"""Trace context in headers of records, whatever the headers are."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, TraceFlags, TraceState

from consumer.tracing.propagation import context_of, headers_of, replaced
from tests.unit.consumer.tracing.traced import TRACE_ID, traceparent

HEADERS = st.lists(
    st.tuples(
        st.one_of(st.sampled_from(["traceparent", "tracestate"]), st.text(max_size=12)),
        st.one_of(
            st.none(),
            st.binary(max_size=80),
            st.sampled_from([traceparent(), b"a=b", b"=", b"a=b,a=b", b"x" * 600, b"00-" + b"0" * 32 + b"-1-01"]),
        ),
    ),
    max_size=6,
).map(tuple)
CONTEXTS = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.just(value=True),
    trace_flags=st.sampled_from([TraceFlags(0), TraceFlags(1), TraceFlags(3)]),
    trace_state=st.sampled_from([TraceState(), TraceState([("vendor", "a"), ("other", "b")])]),
)


@given(headers=HEADERS, context=CONTEXTS)
@settings(max_examples=50)
def test_any_context_is_replaced_and_all_else_is_kept(
    headers: tuple[tuple[str, bytes | None], ...], context: SpanContext
) -> None:
    """Given any headers, when a context is put in, then it is the only one, and the others are as they were."""
    after = replaced(headers, headers_of(context))

    fields = {"traceparent", "tracestate"}
    assert [one for one in after if one[0] not in fields] == [one for one in headers if one[0] not in fields]
    assert context_of(after) == context
    names = [name for name, _ in after]
    assert names.count("traceparent") == 1
    assert names.count("tracestate") == bool(context.trace_state)


@given(headers=HEADERS)
def test_any_headers_are_read(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    """Given any bytes, when the context is read, then it is valid or there is none."""
    found = context_of(headers)

    assert found is None or found.is_valid


def test_of_several_contexts_the_last_counts() -> None:
    """Given two traceparents and a tracestate in two parts, then the last and both parts count."""
    headers = (
        ("traceparent", traceparent(1)),
        ("tracestate", b"a=1"),
        ("traceparent", traceparent(2)),
        ("tracestate", b"b=2"),
    )

    found = context_of(headers)

    assert found is not None
    assert found.trace_id == TRACE_ID + 2
    assert dict(found.trace_state) == {"a": "1", "b": "2"}


def test_without_a_valid_context_headers_stay() -> None:
    """Given OTEL_SDK_DISABLED, under which spans have no context, then headers are as they were."""
    headers = (("traceparent", b"not one"), ("a", None))

    assert replaced(headers, headers_of(INVALID_SPAN_CONTEXT)) is headers
