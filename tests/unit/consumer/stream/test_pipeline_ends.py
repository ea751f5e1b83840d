"""The end of a run: on request, when idle, or after a number of records."""

from __future__ import annotations

import threading

import pytest

from consumer.settings import Limits
from tests.support.fakes import text_value
from tests.support.world import World, keys


def test_a_stop_publishes_what_is_in_hand() -> None:
    """Given a batch at the scorer, when asked to stop, then it is published and nothing more is read."""
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
    """Given a scorer that never answers, when asked to stop, then the run ends after `shutdown_s` uncommitted."""
    gate = threading.Event()
    world = World(gates=[gate], limits=Limits(batch_records=2, shutdown_s=6))
    world.produce(4)
    world.source.on_read = lambda: world.stop.set() if world.source.reads == 1 else None

    totals = world.run()
    gate.set()

    assert (totals.records, totals.abandoned) == (2, 2)
    assert world.outbox.publishes == 0
    assert world.source.reads_while_paused == 5  # the clock advances a second at every reading


def test_a_publish_that_fails_while_stopping_is_left_to_the_next_run() -> None:
    """Given a failing outbox, when asked to stop, then the run ends cleanly and the batch stays uncommitted."""
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
    """Given a slow scorer, when no records come for longer than `until_idle_s`, then the run still waits."""
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
    """Given records with gaps below `until_idle_s`, when run, then all are published."""
    world = World(clock_step_s=0, until_idle_s=5, partitions=1)

    def pass_time() -> None:
        world.clock.now_s += 1
        if world.source.reads in {4, 8, 12}:
            world.kafka.produce(text_value("late"), key=b"late")

    world.source.on_read = pass_time
    world.run()

    assert world.results(0) == [b"late"] * 3


def test_a_run_is_not_idle_before_it_is_read_out() -> None:
    """Given a partition whose beginning or end is in doubt, when nothing comes, then the run goes on."""
    world = World(clock_step_s=0, until_idle_s=3, partitions=1)
    world.source.in_doubt = True

    def answer_late() -> None:
        world.clock.now_s += 1
        if world.source.reads == 10:
            world.source.in_doubt = False
            world.kafka.produce(text_value("late"), key=b"late")

    world.source.on_read = answer_late
    world.run()

    assert world.results(0) == [b"late"]


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
