"""The loop publishes everything once, in order, whatever fails around it."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from consumer.encode import Encoder
from consumer.pipeline import Pipeline, Totals
from consumer.scoring import Scoring
from consumer.settings import Limits
from shared.errors import KafkaStateError, RecoveriesExhausted, ScorerError, TooManyDeadLetters
from shared.messages import InputFormat, ModelRef, Result
from tests.support.fakes import (
    DLQ,
    INPUT,
    LABELS,
    OUTPUT,
    UNSCORABLE,
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

    from consumer.records import Record
    from tests.support.fakes import Written

UNREADABLE = b"\xff"
IDLE_S = 5.0


class World:
    """A pipeline between a fake Kafka and a fake scorer."""

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        partitions: int = 2,
        gates: Sequence[threading.Event] = (),
        error: Exception | None = None,
        unscorable: Collection[str] = (),
        until_idle_s: float | None = IDLE_S,
        max_records: int | None = None,
        observe: Callable[[Sequence[Record]], None] | None = None,
        turned: Callable[[], None] = lambda: None,
        clock_step_s: float = 1.0,
        max_bytes: int = 1_000_000,
    ) -> None:
        self.kafka = FakeKafka({INPUT: partitions, OUTPUT: partitions, DLQ: partitions})
        self.source = FakeSource(self.kafka)
        self.outbox = FakeOutbox(self.kafka, self.source)
        self.scorer = FakeScorer(gates=gates, error=error, unscorable=unscorable)
        self.scoring = Scoring(self.scorer)
        self.stop = threading.Event()
        self.clock = FakeClock(clock_step_s)
        self.pipeline = Pipeline(
            source=self.source,
            scoring=self.scoring,
            outbox=self.outbox,
            encoder=Encoder(
                labels=LABELS,
                model=ModelRef(name="oracle", version="1"),
                include_text=False,
                uncertain_below=0.5,
                timestamps="input",
                max_bytes=max_bytes,
            ),
            input_format=InputFormat(),
            limits=limits or Limits(),
            stop=self.stop,
            until_idle_s=until_idle_s,
            max_records=max_records,
            observe=observe,
            turned=turned,
            clock=self.clock,
        )
        self.source.subscribe()

    def produce(self, count: int, partition: int = 0) -> None:
        """Writes texts that tell themselves apart, each with its text as key."""
        for number in range(count):
            text = f"text {partition}/{number}"
            self.kafka.produce(text_value(text), partition=partition, key=text.encode())

    def run(self) -> Totals:
        """Runs the pipeline to its end and lets the scorer's thread go."""
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
    """The key of a result; its value must be the score of the very text that the key is."""
    assert written.value is not None
    assert written.key is not None
    result = Result.model_validate_json(written.value)
    assert tuple(result.probabilities.values()) == oracle(written.key.decode()).probabilities
    return written.key


def keys(count: int, partition: int = 0) -> list[bytes]:
    """What `World.produce` wrote."""
    return [f"text {partition}/{number}".encode() for number in range(count)]


@settings(deadline=None, max_examples=60)
@given(
    stream=st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=40),
    batch_records=st.integers(1, 9),
    inflight=st.integers(1, 4),
    fail_at=st.sets(st.integers(1, 12), max_size=5),
)
def test_everything_is_published_once_in_order(
    stream: list[tuple[int, bool]], batch_records: int, inflight: int, fail_at: set[int]
) -> None:
    """Given good and unreadable records, any batch size and failing publishes, when run, then nothing is lost.

    Every record is answered once, by a result of its own text or by a dead letter, in its partition's order.
    """
    limits = Limits(batch_records=batch_records, inflight_batches=inflight, recoveries=5)
    world = World(limits=limits, partitions=3)
    world.outbox.fail_at = fail_at
    expected: dict[tuple[str, int], list[bytes]] = {(t, p): [] for t in (OUTPUT, DLQ) for p in range(3)}
    for number, (partition, good) in enumerate(stream):
        key = f"text {number}"
        world.kafka.produce(text_value(key) if good else UNREADABLE, partition=partition, key=key.encode())
        expected[OUTPUT if good else DLQ, partition].append(key.encode())

    totals = world.run()

    for partition in range(3):
        assert world.results(partition) == expected[OUTPUT, partition]
        assert [one.key for one in world.kafka.partitions(DLQ)[partition]] == expected[DLQ, partition]
    assert (totals.results + totals.dead_letters, totals.records, totals.abandoned) == (len(stream),) * 2 + (0,)
    assert world.source.rewinds == world.outbox.resets == totals.recoveries <= len(fail_at)


def test_under_load_publishes_are_shared() -> None:
    """Given a topic with more to read, when batches are scored, then they wait a while for each other."""
    world = World(limits=Limits(batch_records=1, publish_every_s=5), clock_step_s=0, partitions=1, max_records=8)
    world.produce(8)

    def pass_time() -> None:
        world.clock.now_s += 1
        for batch in world.pipeline._inflight:  # noqa: SLF001 - the test stands in for a fast scorer
            batch.scores.result(20)

    world.source.on_read = pass_time
    world.run()

    assert world.results(0) == keys(8)
    assert 2 <= world.outbox.publishes <= 4  # and not 8: one for about five seconds of reading


def test_what_is_scored_is_published_at_once() -> None:
    """Given three batches that are scored, when published, then it is one publish, in order."""
    gate = threading.Event()
    world = World(gates=[gate], limits=Limits(batch_records=2, inflight_batches=3), partitions=1)
    world.produce(6)

    def open_when_full() -> None:
        if world.source.reads_while_paused:
            gate.set()
            for batch in list(world.pipeline._inflight):  # noqa: SLF001 - the test stands in for a slow publish
                batch.scores.result(20)

    world.source.on_read = open_when_full
    world.run()

    assert world.results(0) == keys(6)
    assert world.outbox.publishes == 1


def test_dead_letters_carry_what_could_not_be_read() -> None:
    """Given one unreadable record among good ones, when run, then it alone is in the dead-letter topic."""
    world = World()
    world.produce(2)
    world.kafka.produce(UNREADABLE, key=b"bad", headers=(("trace", b"1"),))
    world.produce(1, partition=1)

    totals = world.run()

    (letter,) = world.kafka.partitions(DLQ)[0]
    assert (letter.key, letter.value, letter.headers[0]) == (b"bad", UNREADABLE, ("trace", b"1"))
    assert (totals.results, totals.dead_letters) == (3, 1)
    assert world.results(0) == keys(2)
    assert world.committed(0) == 3


def test_a_result_too_large_to_be_written_is_a_dead_letter() -> None:
    """Given a record whose result is above the limit, when run, then a letter takes its place."""
    world = World(max_bytes=1_500)
    world.kafka.produce(text_value("long"), key=b"k" * 1_300)
    world.produce(1)

    totals = world.run()

    (letter,) = world.kafka.partitions(DLQ)[0]
    assert dict(letter.headers)["__connect.errors.stage"] == b"encode"
    assert world.results(0) == keys(1)
    assert (totals.results, totals.dead_letters, world.committed(0)) == (1, 1, 2)


def test_a_record_that_kafka_refuses_is_a_dead_letter() -> None:
    """Given a result that the broker refuses for ever, when run, then its letter takes its place.

    The others are published, and the failures that it took to find it count towards no limit.
    """
    world = World(limits=Limits(recoveries=0, batch_records=8))
    world.produce(5)
    world.outbox.refuse = {("texts", 0, 3)}

    totals = world.run()

    (letter,) = world.kafka.partitions(DLQ)[0]
    assert letter.key == keys(5)[3]
    assert dict(letter.headers)["__connect.errors.stage"] == b"publish"
    assert world.results(0) == [key for key in keys(5) if key != letter.key]
    assert (totals.results, totals.dead_letters, world.committed(0)) == (4, 1, 5)


def test_a_dead_letter_that_kafka_refuses_halts_loudly() -> None:
    """Given a record of which neither result nor letter is taken, when run, then the run says what to change."""
    world = World()
    world.produce(2)
    world.outbox.refuse = {("texts", 0, 1)}
    world.outbox.refuse_letters = True

    with pytest.raises(KafkaStateError, match=r"texts-0-1.*max\.message\.bytes"):
        world.run()

    assert world.committed(0) == 1


def test_too_many_dead_letters_stop_the_run() -> None:
    """Given a producer gone wrong, when a thousandth letter in a row would be written, then the run stops.

    The batch that would have been one too many is not committed.
    """
    world = World(limits=Limits(batch_records=100, dlq_in_a_row=250), partitions=1)
    for _ in range(400):
        world.kafka.produce(UNREADABLE)

    with pytest.raises(TooManyDeadLetters, match="250 dead letters in a row"):
        world.run()

    assert len(world.kafka.partitions(DLQ)[0]) == world.committed(0) == 200


def test_a_text_that_cannot_be_scored_is_a_dead_letter() -> None:
    """Given a text that the model cannot score, when run, then it alone is in the dead-letter topic, and says why.

    The results of its batch keep their order, and the padding logged is that of the scores.
    """
    world = World(unscorable={"text 0/1"})
    world.produce(4)

    with capture_logs() as lines:
        totals = world.run()

    (letter,) = world.kafka.partitions(DLQ)[0]
    headers = dict(letter.headers)
    assert (letter.key, letter.value) == (b"text 0/1", text_value("text 0/1"))
    assert headers["__connect.errors.stage"] == b"score"
    assert headers["__connect.errors.exception.class.name"] == UNSCORABLE.error.encode()
    assert headers["__connect.errors.exception.message"] == UNSCORABLE.reason.encode()
    assert world.results(0) == [key for key in keys(4) if key != b"text 0/1"]
    assert (totals.results, totals.dead_letters, world.committed(0)) == (3, 1, 4)
    (batch,) = [line for line in lines if line["event"] == "batch"]
    assert (batch["dead_letters"], batch["tokens"]) == (1, 3 * oracle("text 0/0").tokens)


def test_too_many_failures_end_the_run() -> None:
    """Given every publish failing, when more than `recoveries` did, then the run ends and nothing is committed."""
    world = World(limits=Limits(recoveries=2), clock_step_s=0.01)
    world.outbox.fail_at = set(range(1, 100))
    world.produce(1)

    with pytest.raises(RecoveriesExhausted, match="3 times"):
        world.run()

    assert world.outbox.publishes == 3
    assert world.committed(0) is None


def test_failures_far_apart_do_not_add_up() -> None:
    """Given more failures than `recoveries`, when they lie further apart than the window, then the run goes on."""
    limits = Limits(recoveries=1, recovery_window_s=10, batch_records=1, inflight_batches=1)
    world = World(limits=limits, clock_step_s=20)
    world.outbox.fail_at = {1, 3, 5}
    world.produce(3)

    assert world.run().recoveries == 3
    assert world.results(0) == keys(3)


def test_a_recovery_that_fails_is_tried_again() -> None:
    """Given a reset that fails twice, when a publish has failed, then the third recovery mends it."""
    world = World()
    world.produce(2)
    world.outbox.fail_at = {1}
    world.outbox.fail_resets = 2

    assert world.run().recoveries == 3
    assert world.results(0) == keys(2)


def test_a_recovery_forgets_what_is_in_hand() -> None:
    """Given three batches in hand, when the first cannot be published, then all are read and published anew."""
    first, others = threading.Event(), threading.Event()
    world = World(gates=[first, others], limits=Limits(batch_records=1, inflight_batches=3))
    world.outbox.fail_at = {1}
    world.produce(3)

    def open_gates() -> None:
        if world.source.reads_while_paused:
            first.set()
        if world.source.rewinds:
            others.set()

    world.source.on_read = open_gates
    totals = world.run()

    assert world.results(0) == keys(3)
    assert sum(len(call) for call in world.scorer.calls) > 3
    assert (totals.records, totals.results, totals.recoveries) == (3, 3, 1)


def test_rows_of_a_revoked_partition_are_dropped() -> None:
    """Given a batch of two partitions, when one is revoked meanwhile, then only the other's rows are published.

    What was dropped stays uncommitted, so its new owner scores it.
    """
    gate = threading.Event()
    world = World(gates=[gate], limits=Limits(inflight_batches=1))
    world.produce(2, partition=0)
    world.produce(2, partition=1)
    world.kafka.produce(UNREADABLE, partition=0)

    def revoke_then_open() -> None:
        if world.source.reads == 1:
            world.source.revoke(0)
        else:
            gate.set()

    world.source.on_read = revoke_then_open
    world.run()

    assert (world.results(0), world.results(1)) == ([], keys(2, partition=1))
    assert world.kafka.partitions(DLQ)[0] == []
    assert (world.committed(0), world.committed(1)) == (None, 2)


def test_a_batch_of_which_nothing_is_owned_is_not_published() -> None:
    """Given a batch of one partition, when it is revoked and comes back, then it is read and published again."""
    gate = threading.Event()
    world = World(gates=[gate], limits=Limits(inflight_batches=1), partitions=1)
    world.produce(3)

    def lose_and_regain() -> None:
        if world.source.reads == 1:
            world.source.revoke(0)
        else:
            world.source.assign(0)
            gate.set()

    world.source.on_read = lose_and_regain
    world.run()

    assert world.outbox.publishes == 1
    assert world.results(0) == keys(3)
    assert len(world.scorer.calls) == 2


def test_what_the_scorer_raises_ends_the_run() -> None:
    """Given a scorer that fails, when a batch reaches it, then the run ends with that very error."""
    error = ScorerError("the device is gone")
    world = World(error=error)
    world.produce(1)

    with pytest.raises(ScorerError) as raised:
        world.run()

    assert raised.value is error
    assert world.committed(0) is None


def test_a_stop_publishes_what_is_in_hand() -> None:
    """Given a batch at the scorer, when told to stop, then it is published and nothing more is read."""
    gate = threading.Event()
    world = World(gates=[gate], limits=Limits(batch_records=2, inflight_batches=1), clock_step_s=0)
    world.produce(6)

    def stop_then_open() -> None:
        if world.source.reads == 1:
            world.stop.set()
        else:
            gate.set()

    world.source.on_read = stop_then_open
    totals = world.run()

    assert world.results(0) == keys(2)
    assert (totals.records, totals.results, totals.abandoned) == (2, 2, 0)
    assert world.source.reads_while_paused >= 1


def test_a_stop_abandons_what_takes_too_long() -> None:
    """Given a scorer that never answers, when told to stop, then the run ends after `shutdown_s` uncommitted."""
    gate = threading.Event()
    world = World(gates=[gate], limits=Limits(batch_records=2, shutdown_s=6))
    world.produce(4)
    world.source.on_read = lambda: world.stop.set() if world.source.reads == 1 else None

    totals = world.run()
    gate.set()

    assert (totals.records, totals.abandoned) == (2, 2)
    assert world.outbox.publishes == 0
    assert world.source.reads_while_paused == 5  # the clock moves a second whenever it is asked


def test_a_publish_that_fails_while_stopping_is_left_to_the_next_run() -> None:
    """Given a failing outbox, when told to stop, then the run ends in order and the batch stays uncommitted."""
    gate = threading.Event()
    world = World(gates=[gate])
    world.outbox.fail_at = {1}
    world.produce(2)

    def stop_then_open() -> None:
        world.stop.set()
        if world.source.reads > 1:
            gate.set()

    world.source.on_read = stop_then_open
    totals = world.run()

    assert (totals.abandoned, world.committed(0)) == (2, None)


def test_idle_counts_only_with_nothing_in_hand() -> None:
    """Given a slow scorer, when the topic is read out for longer than `until_idle`, then the run still waits."""
    gate = threading.Event()
    world = World(gates=[gate], clock_step_s=0, until_idle_s=3)
    world.produce(1)

    def pass_time() -> None:
        world.clock.now_s += 1
        if world.source.reads == 20:
            gate.set()

    world.source.on_read = pass_time
    world.run()

    assert world.results(0) == keys(1)
    assert world.source.reads >= 20 + 3


def test_idle_begins_anew_with_every_record() -> None:
    """Given records that come now and then, when each gap is shorter than `until_idle`, then all are published."""
    world = World(clock_step_s=0, until_idle_s=5, partitions=1)

    def pass_time() -> None:
        world.clock.now_s += 1
        if world.source.reads in {4, 8, 12}:
            world.kafka.produce(text_value("late"), key=b"late")

    world.source.on_read = pass_time
    world.run()

    assert world.results(0) == [b"late"] * 3


def test_idle_begins_with_the_membership() -> None:
    """Given a group that takes its time to admit this member, when run until idle, then it waits for that."""
    world = World(clock_step_s=0, until_idle_s=3, partitions=1)
    world.source.close()
    world.produce(2)

    def join_late() -> None:
        world.clock.now_s += 1
        if world.source.reads == 10:
            world.source.subscribe()

    world.source.on_read = join_late
    world.run()

    assert world.results(0) == keys(2)


@pytest.mark.parametrize("batch_records", [1, 3, 4, 100])
def test_max_records_is_exact(batch_records: int) -> None:
    """Given more records than wanted, when run to a number of them, then exactly that many are published."""
    world = World(limits=Limits(batch_records=batch_records), max_records=7, until_idle_s=None)
    world.produce(20)

    assert world.run().records == 7
    assert world.results(0) == keys(7)
    assert world.committed(0) == 7


@pytest.mark.parametrize("fail_at", [{1}, {1, 3}, {3}, {3, 4}])
def test_max_records_counts_what_a_recovery_repeats_once(fail_at: set[int]) -> None:
    """Given publishes that fail, also the last one, when their records come again, then they are counted once."""
    world = World(limits=Limits(batch_records=3), max_records=7, until_idle_s=None)
    world.outbox.fail_at = fail_at
    world.produce(20)

    assert world.run().records == 7
    assert world.results(0) == keys(7)


@pytest.mark.parametrize(
    ("limits", "at_once"),
    [
        (Limits(batch_records=2, inflight_batches=3), 6),
        (Limits(batch_records=2, inflight_batches=9, inflight_bytes=1), 2),
    ],
    ids=["batches", "bytes"],
)
def test_what_is_in_hand_is_bounded(limits: Limits, at_once: int) -> None:
    """Given a scorer that stands still, when the pipeline is full, then it reads no further and keeps polling."""
    gate = threading.Event()
    read: list[int] = []
    world = World(limits=limits, gates=[gate], observe=lambda records: read.append(len(records)))
    world.produce(10)
    in_hand: deque[int] = deque()

    def look() -> None:
        if world.source.reads_while_paused:
            in_hand.append(sum(read))
            gate.set()

    world.source.on_read = look
    world.run()

    assert in_hand[0] == at_once
    assert world.results(0) == keys(10)


def test_a_busy_scorer_does_not_cost_the_membership() -> None:
    """Given a scorer at work, when the pipeline is full, then the source is read paused, and later resumed."""
    gate = threading.Event()
    world = World(limits=Limits(batch_records=1, inflight_batches=1), gates=[gate])
    world.produce(2)
    world.source.on_read = lambda: gate.set() if world.source.reads_while_paused else None

    world.run()

    assert world.source.reads_while_paused >= 1
    assert world.results(0) == keys(2)


def test_observers_see_every_record_read() -> None:
    """Given an observer, when run, then it is shown all records in order."""
    seen: list[bytes | None] = []
    world = World(observe=lambda records: seen.extend(one.key for one in records))
    world.produce(5)

    world.run()

    assert seen == keys(5)
