"""A failure around the loop repeats work or ends the run, and loses nothing."""

from __future__ import annotations

import threading

import pytest

from consumer.settings import Limits
from shared.errors import RecoveriesExhausted, ScorerError
from tests.support.fakes import DLQ
from tests.support.world import UNREADABLE, World, keys


def test_too_many_failures_end_the_run() -> None:
    """Given only failing publishes, more than `max_recoveries`, when run, then the run ends without a commit."""
    world = World(limits=Limits(max_recoveries=2), clock_step_s=0.01)
    world.outbox.fail_at = set(range(1, 100))
    world.produce(1)

    with pytest.raises(RecoveriesExhausted, match="3 times"):
        world.run()

    assert world.outbox.publishes == 3
    assert world.committed(0) is None


def test_failures_far_apart_do_not_add_up() -> None:
    """Given more failures than `recoveries`, when they lie further apart than the window, then the run goes on."""
    limits = Limits(max_recoveries=1, recovery_window_s=10, batch_records=1, inflight_batches=1)
    world = World(limits=limits, clock_step_s=20)
    world.outbox.fail_at = {1, 3, 5}
    world.produce(3)

    assert world.run().recoveries == 3
    assert world.results(0) == keys(3)


def test_a_recovery_that_fails_is_tried_again() -> None:
    """Given a reset that fails twice, when a publish has failed, then the third recovery succeeds."""
    world = World()
    world.produce(2)
    world.outbox.fail_at = {1}
    world.outbox.fail_resets = 2

    assert world.run().recoveries == 3
    assert world.results(0) == keys(2)


def test_a_recovery_forgets_what_is_in_hand() -> None:
    """Given three batches in flight, when the first cannot be published, then all are read and published anew."""
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

    The dropped rows stay uncommitted, so their new owner scores them.
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
