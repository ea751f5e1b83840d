"""The cost of the traces.

- Listener: processor time a message of the events and headers of a publish of 1,024 records: without tracing, and
  with producers that do not trace, that do, and whose traces are not sampled. The export is not in it.
- Streams: rate and processor time of the consumer without a model, interleaved: with tracing off, on (a collector
  takes the spans) and, with --before FOLDER, of a checkout from before there were traces.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import SpanLimits, TracerProvider

from benchmarks.common.measure import arguments, chosen, interleaved, write
from benchmarks.common.programs import null
from benchmarks.common.streams import WARM_UP, Command, run
from benchmarks.common.texts import distinct, of_file, tweets
from benchmarks.operation.metrics_cost import DELIVERIES, RECORDS, SHOW, compared, cpu_s
from consumer.events import BatchSubmitted, OffsetsCommitted, TransactionChanged
from consumer.kafka.commit_metadata import Commit
from consumer.kafka.outbox import written
from consumer.log_events import log_event
from consumer.stream.encode import Encoder, Moment
from consumer.stream.records import Document, Outgoing
from consumer.tracing.listener import TraceListener
from consumer.tracing.spans import Clients, Spans
from sentiment_testing.kafka import REAL, start_kafka
from tests.support.fakes import TARGETS, oracle, published, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.common.streams import Contender, Job
    from consumer.stream.records import Record

BEFORE: Final = "before"
OFF: Final = "traces off"
ON: Final = "traces on"
PLACE: Final = ("texts", 0)
PRODUCERS: Final = {"untraced": None, "unsampled": "00", "sampled": "01"}
"""The flags of the context that the input records have."""


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--before", type=Path, help="a checkout from before there were traces")
    options = parser.parse_args()
    if options.quick:
        options.messages = 5_000
    costs = _costs()
    for name, microseconds in costs.items():
        print(f"  {name:<28} {microseconds:7.3f} us a message")
    if options.only == "listener":
        return
    texts = distinct(of_file(options.texts) if options.texts else tweets(), WARM_UP + options.messages)
    figures = {}
    with start_kafka(REAL) as kafka, _collector() as collector:
        for delivery in DELIVERIES:
            print(delivery)
            off = null(options.model, delivery)
            on = _with(null(options.model, delivery, tracing__enabled=True), OTEL_EXPORTER_OTLP_ENDPOINT=collector)
            contenders = {OFF: off, ON: on}
            if options.before:
                # Without "safe path" the modules of the working directory, which are these here, would come first.
                contenders[BEFORE] = _with(off, PYTHONPATH=str(options.before.resolve()), PYTHONSAFEPATH="1")
            runs = {name: partial(run, kafka.bootstrap_servers, one, texts) for name, one in contenders.items()}
            measured = interleaved(chosen(runs, options.only, always=[OFF]), options.rounds, SHOW)
            figures[delivery] = {"messages": options.messages, **compared(measured, peer=OFF)}
        write("traces_cost", {"costs": costs, "streams": figures}, options, kafka=kafka.description)


def _costs() -> dict[str, float]:
    """Microseconds of one message; what the encoder takes without traces is in none of them."""
    plain = _encoding(_encoder(), _records(None))
    results = [Outgoing(one, b"", (), 0) for one in _records(None)]
    costs = {"off: logged only": _us(cpu_s(partial(_off, results)))}
    for name, flags in PRODUCERS.items():
        records = _records(flags)
        listener = _listener()
        encode = _encoding(replace(_encoder(), trace_headers=listener.headers), records)
        events = _events(records)

        def publish(
            listener: TraceListener = listener, encode: Callable[[], object] = encode, events: Any = events
        ) -> None:
            listener(events[0])
            encode()
            for event in events[1:]:
                listener(event)

        costs[f"on: {name} producers"] = _us(cpu_s(publish) - cpu_s(plain))
    return costs


def _off(results: Sequence[Outgoing]) -> None:
    """What a publish does for traces that are off, but for one comparison in the encoder for each message."""
    log_event(written(results, [], [Commit(PLACE, RECORDS)], 0.0))


def _events(records: Sequence[Record]) -> list[Any]:
    scores = [oracle(str(one.offset)) for one in records]
    return [
        BatchSubmitted(records, size=100 * RECORDS, read_wait_s=0.01, decode_s=0.01),
        TransactionChanged("begun"),
        written([Outgoing(one, b"", (), 0) for one in records], [], [Commit(PLACE, RECORDS)], 0.0),
        TransactionChanged("committed"),
        OffsetsCommitted({PLACE: RECORDS}),
        published(records, batches=1, scores=scores),
    ]


def _records(flags: str | None) -> list[Record]:
    def headers(number: int) -> tuple[tuple[str, bytes], ...]:
        other = (("app", b"1"), ("kind", b"tweet"))
        return (
            other
            if flags is None
            else (*other, ("traceparent", f"00-{number + 1:032x}-{1:016x}-{flags}".encode()))
        )

    return [record(offset=number, headers=headers(number)) for number in range(RECORDS)]


def _listener() -> TraceListener:
    """A listener whose spans are made as in the service, and go nowhere."""
    provider = TracerProvider(shutdown_on_exit=False, span_limits=SpanLimits(max_links=2 * RECORDS))
    spans = Spans(provider.get_tracer("benchmark"), Clients("sentiment", "consumer", "producer"))
    return TraceListener(spans, output=TARGETS.output.name, dlq=TARGETS.dlq.name)


def _encoder() -> Encoder:
    return Encoder(
        model_version="1",
        include_text=False,
        uncertain_below=0.5,
        max_unknown_share=0.2,
        timestamps="input",
        on_null="skip",
        max_bytes=1_000_000,
        targets=TARGETS,
    )


def _encoding(encoder: Encoder, records: Sequence[Record]) -> Callable[[], object]:
    documents = [Document(one, str(one.offset), "a text") for one in records]
    score, at = oracle("a text"), Moment.of(datetime.now(UTC))
    return lambda: [encoder.result(one, score, at) for one in documents]


def _us(seconds: float) -> float:
    return round(seconds / RECORDS * 1e6, 4)


def _with(contender: Contender, **environment: str) -> Contender:
    def start(job: Job, member: int) -> Command:
        command = contender(job, member)
        return Command(command.arguments, {**command.environment, **environment})

    return start


@contextmanager
def _collector() -> Iterator[str]:
    """The address of a collector that takes all spans and keeps none."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Logs nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


if __name__ == "__main__":
    main()
