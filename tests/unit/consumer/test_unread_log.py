"""A whole consumer between fakes with an unreadable log: it continues, and stops on request."""

from __future__ import annotations

import signal

import pytest

from consumer.signals import GRACE_S
from shared.logs import FLUSH_S
from tests.support.stderr import KINDS, line_of, script

pytestmark = pytest.mark.slow

HOLD_S = 10.0
"""The README's promise for the time from the signal to the end."""

SCRIPT = """
import sys, threading
from consumer.signals import stop_on_signals
from consumer.stall_watchdog import StallWatchdog
from shared.logs import configure_logs, exit_with
from tests.support.fakes import FakeOutbox
from tests.support.world import World

def main():
    configure_logs()
    stop = threading.Event()
    stop_on_signals(stop)
    watchdog = StallWatchdog(5.0)
    world = World(until_idle_s=None, clock_step_s=0.0, heartbeat=watchdog.heartbeat)
    reads = world.source.read
    def read(*arguments):
        if sys.argv[1] == "busy" and world.source.reads < 5_000:
            world.produce(1)
        elif world.source.reads == 5_000:
            print("ready", flush=True)
        if stop.wait(0 if world.source.lag_records() else 0.001):
            world.stop.set()
        return reads(*arguments)
    world.source.read = read
    world.source.reads = 4_000 if sys.argv[1] == "busy" else 5_000
    with watchdog:
        world.run()
    print(sum(len(world.results(number)) for number in range(2)), flush=True)
exit_with(main)
"""
RECORDS = 1_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("work", ["idle", "busy"])
def test_a_consumer_works_and_stops_without_its_log(kind: str, work: str) -> None:
    """Given a blocked standard error, then all is scored, and SIGTERM ends the process with 0 in time."""
    with script(kind, SCRIPT, work) as process:
        assert line_of(process) == "ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(HOLD_S) == 0
        assert int(line_of(process)) == (RECORDS if work == "busy" else 0)


def test_the_hold_is_longer_than_what_it_holds() -> None:
    """Given a process that hangs while nobody reads its log, then it ends within the promised time."""
    assert GRACE_S + FLUSH_S < HOLD_S
