"""A loop that stands still, shown with a thread that is held and, in a process of its own, with a call in C."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from consumer.standstill import StandstillWatch
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.commit_metadata import Commit
    from consumer.records import Outgoing

AGES_S = 3600.0
SOON_S = 0.2

HANGING = f"""
import sys, structlog
from consumer.standstill import StandstillWatch
structlog.configure(
    processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.PrintLoggerFactory(sys.stderr)
)
def never_returns():
    sys.stdin.read()
with StandstillWatch({SOON_S}):
    never_returns()
"""


def test_a_call_that_never_returns_ends_the_process_and_is_named() -> None:
    """Given a thread inside a call that Python cannot interrupt, then the process ends with 75 and says where."""
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.wait(30) == 75
        assert process.stderr is not None
        told = json.loads(process.stderr.read())
    assert told["event"] == "standstill"
    assert told["seconds"] >= SOON_S
    assert any(line.endswith("never_returns") for line in told["where"])


def test_a_loop_that_comes_round_is_left_alone() -> None:
    """Given turns all the time and then none after the block, then nothing is ended."""
    ended: list[int] = []
    pause = threading.Event()
    with StandstillWatch(SOON_S, end=ended.append) as watch:
        for _ in range(30):
            pause.wait(SOON_S / 10)
            watch.turned()
    pause.wait(3 * SOON_S)
    assert not ended


def test_the_pipeline_says_when_it_comes_round_and_not_while_it_is_held() -> None:
    """Given a publish that never returns, then the loop is told of as standing still while it lasts."""
    held, release = threading.Event(), threading.Event()
    ended = threading.Event()

    def end(_code: int) -> None:
        ended.set()
        release.set()

    watch = StandstillWatch(SOON_S, end=end)
    world = World(turned=watch.turned)
    world.produce(3)
    publish = world.outbox.publish

    def hang(results: Sequence[Outgoing], letters: Sequence[Outgoing], commits: Sequence[Commit]) -> None:
        held.set()
        release.wait(AGES_S)
        publish(results, letters, commits)

    world.outbox.publish = hang  # type: ignore[method-assign, assignment]
    with watch:
        world.run()

    assert held.is_set()
    assert ended.is_set()
