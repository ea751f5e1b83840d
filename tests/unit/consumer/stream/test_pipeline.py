"""The loop publishes everything once, in order, and holds no more than it may."""

from __future__ import annotations

import threading
from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.settings import Limits
from tests.support.fakes import DLQ, OUTPUT, text_value
from tests.support.world import IDLE_S, UNREADABLE, World, keys


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
    limits = Limits(batch_records=batch_records, inflight_batches=inflight, max_recoveries=5)
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
    world = World(limits=Limits(batch_records=1, commit_interval_s=5), clock_step_s=0, partitions=1, max_records=8)
    world.produce(8)

    def pass_time() -> None:
        world.clock.now_s += 1
        for batch in world.pipeline._inflight:  # noqa: SLF001 - the test replaces a fast scorer
            batch.scores.result(20)

    world.source.on_read = pass_time
    world.run()

    assert world.results(0) == keys(8)
    assert 2 <= world.outbox.publishes <= 4  # and not 8: one for about five seconds of reading


def test_what_is_scored_is_published_at_once() -> None:
    """Given three scored batches, when published, then they are one publish, in order."""
    gate = threading.Event()
    world = World(gates=[gate], limits=Limits(batch_records=2, inflight_batches=3), partitions=1)
    world.produce(6)

    def open_when_full() -> None:
        if world.source.reads_while_paused:
            gate.set()
            for batch in list(world.pipeline._inflight):  # noqa: SLF001 - the test replaces a slow publish
                batch.scores.result(20)

    world.source.on_read = open_when_full
    world.run()

    assert world.results(0) == keys(6)
    assert world.outbox.publishes == 1


@pytest.mark.parametrize(
    ("limits", "at_once"),
    [
        (Limits(batch_records=2, inflight_batches=3), 6),
        (Limits(batch_records=2, inflight_batches=9, inflight_bytes=1), 2),
    ],
    ids=["batches", "bytes"],
)
def test_what_is_in_hand_is_bounded(limits: Limits, at_once: int) -> None:
    """Given a stalled scorer, when the pipeline is full, then it reads no further and keeps polling."""
    gate = threading.Event()
    read: list[int] = []
    world = World(limits=limits, gates=[gate], inspect=lambda records: read.append(len(records)))
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


def test_nothing_is_scored_while_a_partition_is_probed() -> None:
    """Given a partition that may end the process, when it is fetched, then records read so far wait."""
    world = World(limits=Limits(batch_records=1, inflight_batches=1))
    world.produce(2)
    world.source.is_probing = True
    passes: list[int] = []

    def look() -> None:
        passes.append(len(world.scorer.calls))
        world.source.is_probing = len(passes) < 3 * IDLE_S

    world.source.on_read = look
    world.run()

    assert passes[int(3 * IDLE_S) - 1] == 0
    assert world.results(0) == keys(2)


def test_every_record_read_is_inspected() -> None:
    """Given `inspect`, when run, then it is shown all records in order."""
    seen: list[bytes | None] = []
    world = World(inspect=lambda records: seen.extend(one.key for one in records))
    world.produce(5)

    world.run()

    assert seen == keys(5)
