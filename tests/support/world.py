"""A whole pipeline in memory with its input, output and commits, for the tests of the loop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, Literal

from consumer.dlq.limit import DeadLetterLimit
from consumer.log_events import log_event
from consumer.settings import Limits
from consumer.stream.encode import Encoder
from consumer.stream.pipeline import Pipeline, Totals
from consumer.stream.quarantine import Quarantine
from consumer.stream.recovery import Refusals
from shared.formats import InputFormat
from shared.inference.scheduler import Scheduler
from shared.messages import Result
from tests.support.fakes import (
    DLQ,
    INPUT,
    OUTPUT,
    TARGETS,
    FakeClock,
    FakeKafka,
    FakeOutbox,
    FakeScorer,
    FakeSource,
    oracle,
    text_value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from consumer.events import Observer
    from consumer.stream.records import Record
    from shared.inference.types import Scorer
    from shared.messages import Headers
    from tests.support.fakes import Written

UNREADABLE: Final = b"\xff"
IDLE_S: Final = 5.0


class World:
    """A pipeline between a fake Kafka and a fake scorer, or a given one whose labels are `LABELS`."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        partitions: int = 2,
        gates: Sequence[threading.Event] = (),
        error: Exception | None = None,
        unscorable: Collection[str] = (),
        scorer: Scorer | None = None,
        input_format: InputFormat | None = None,
        until_idle_s: float | None = IDLE_S,
        max_records: int | None = None,
        inspect: Callable[[Sequence[Record]], None] = lambda _: None,
        observer: Observer = log_event,
        heartbeat: Callable[[], None] = lambda: None,
        clock_step_s: float = 1.0,
        max_bytes: int = 1_000_000,
        on_null: Literal["skip", "forward", "dead-letter"] = "skip",
        outbox: type[FakeOutbox] = FakeOutbox,
        trace_headers: Callable[[Record], Headers] | None = None,
    ) -> None:
        self.kafka = FakeKafka({INPUT: partitions, OUTPUT: partitions, DLQ: partitions})
        self.source = FakeSource(self.kafka)
        self.outbox = outbox(self.kafka, self.source)
        self.scorer = FakeScorer(gates=gates, error=error, unscorable=unscorable)
        self.scoring = Scheduler(scorer or self.scorer)
        self.stop = threading.Event()
        self.clock = FakeClock(clock_step_s)
        limits = limits or Limits()
        self.pipeline = Pipeline(
            source=self.source,
            quarantine=Quarantine(self.source.crash_loop, reach=limits.most_in_hand),
            scoring=self.scoring,
            outbox=self.outbox,
            encoder=Encoder(
                model_version="1",
                include_text=False,
                uncertain_below=0.5,
                max_unknown_share=0.2,
                timestamps="input",
                on_null=on_null,
                max_bytes=max_bytes,
                targets=TARGETS,
                trace_headers=trace_headers,
            ),
            refusals=Refusals(TARGETS),
            input_format=input_format or InputFormat(),
            limits=limits,
            dead_letter_limit=DeadLetterLimit(limits),
            stop=self.stop,
            until_idle_s=until_idle_s,
            max_records=max_records,
            inspect=inspect,
            observer=observer,
            heartbeat=heartbeat,
            clock=self.clock,
        )
        self.source.subscribe()

    def produce(self, count: int, partition: int = 0) -> None:
        """Writes distinct texts, each with its text as key."""
        for number in range(count):
            text = f"text {partition}/{number}"
            self.kafka.produce(text_value(text), partition=partition, key=text.encode())

    def run(self) -> Totals:
        """Runs the pipeline to its end and releases the scorer's thread."""
        try:
            return self.pipeline.run()
        finally:
            self.scoring.close(0)

    def results(self, partition: int) -> list[bytes | None]:
        """Keys of the results of one partition, each checked against the oracle."""
        return [checked(one) for one in self.kafka.partitions(OUTPUT)[partition]]

    def committed(self, partition: int) -> int | None:
        """The group's committed offset."""
        return self.kafka.group("sentiment").committed.get((INPUT, partition))


def checked(written: Written) -> bytes | None:
    """The key of a result; its value must be the score of the text in the key."""
    assert written.value is not None
    assert written.key is not None
    result = Result.model_validate_json(written.value)
    shares = oracle(written.key.decode()).probabilities
    assert tuple(result.probabilities.values()) == tuple(round(share, 6) for share in shares)
    return written.key


def keys(count: int, partition: int = 0) -> list[bytes]:
    """Keys of the records that `World.produce` wrote."""
    return [f"text {partition}/{number}".encode() for number in range(count)]
