"""Repeated warnings: the first ones in full, then one line an interval, and every one in a count."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from shared.log_output.sampling import FIRST, INTERVAL_S, MAX_KINDS, REPEATED, Sampler

if TYPE_CHECKING:
    from collections.abc import Callable


class Log:
    """A sampler with a clock that a test moves, and all lines that came out of it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[dict[str, Any]] = []
        self.threads: list[Callable[[], None]] = []
        self.sampler = Sampler(
            lambda fields: self.lines.append(dict(fields)),
            clock=lambda: self.now_s,
            start=lambda target, _name: self.threads.append(target),
        )

    def say(self, event: str, method: str = "warning", **fields: Any) -> None:
        """Logs one line."""
        with suppress(structlog.DropEvent):
            self.lines.append(dict(self.sampler(None, method, {"event": event, **fields})))

    def counts(self) -> Counter[str]:
        """Lines by event, those that were left out included."""
        total = Counter[str]()
        for line in self.lines:
            total[line["event"]] += line.get(REPEATED, 1)
        return total


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("wait"), st.sampled_from([0.5, INTERVAL_S, 3 * INTERVAL_S]), st.just(0)),
        st.tuples(st.just("write"), st.just(0), st.just(0)),
    ),
    max_size=200,
)


@given(STEPS)
def test_no_line_is_missing_in_the_counts(steps: list[tuple[str, Any, int]]) -> None:
    """Given warnings at any times, when all is written at the end, then each is a line or in the count of one.

    The first ones of each kind are in full.
    """
    log, said = Log(), Counter[str]()
    for step, what, where in steps:
        if step == "say":
            log.say(what, where=f"texts-{where}")
            said[what] += 1
        elif step == "wait":
            log.now_s += what
        else:
            log.sampler.write_due()
    log.sampler.write_due(everything=True)

    assert log.counts() == said
    for event in said:
        assert sum(line["event"] == event for line in log.lines) >= min(said[event], FIRST)


def test_a_flood_is_one_line_an_interval() -> None:
    """Given a warning every second for ten minutes, then five lines, and one for each interval with the newest."""
    log = Log()
    for second in range(600):
        log.say("drift", number=second)
        log.now_s += 1
        log.sampler.write_due()

    late = [line for line in log.lines if REPEATED in line]
    assert len(log.lines) - len(late) == FIRST
    assert len(late) == 600 / INTERVAL_S
    assert [line["number"] for line in late] == [59, 119, 179, 239, 299, 359, 419, 479, 539, 599]
    assert late[1][REPEATED] == 60
    assert len(log.threads) == 1


def test_a_warning_that_was_silent_is_in_full_again() -> None:
    """Given a flood, and silence for an interval, when it comes again, then it is written in full."""
    log = Log()
    for _ in range(20):
        log.say("gone")
    log.now_s += INTERVAL_S
    log.sampler.write_due()
    log.now_s += INTERVAL_S
    log.lines.clear()

    log.say("gone")

    assert log.lines == [{"event": "gone"}]


@pytest.mark.parametrize("method", ["debug", "info", "error", "critical"])
def test_only_warnings_are_left_out(method: str) -> None:
    """Given lines of another level, when repeated, then all are written."""
    log = Log()
    for _ in range(50):
        log.say("line", method)

    assert len(log.lines) == 50


def test_warnings_about_different_things_have_their_own_counts() -> None:
    """Given one event about several topics, then each counts by itself, whatever numbers a sentence has."""
    log = Log()
    for number in range(20):
        log.say("deleted", topic=f"texts-{number}")
        log.say("waits", reason=f"no answer for {number} ms")

    written = Counter(line["event"] for line in log.lines)
    assert written == {"deleted": 20, "waits": FIRST}


def test_a_flood_in_many_traces_is_one_warning() -> None:
    """Given a warning in a trace of its own each time, then it is sampled, and the late line names its trace."""
    log = Log()
    for number in range(20):
        log.say("gone", trace_id=f"{number:032x}", span_id=f"{number:016x}")
    log.sampler.write_due(everything=True)

    assert len(log.lines) == FIRST + 1
    assert log.lines[-1] == {"event": "gone", "trace_id": f"{19:032x}", "span_id": f"{19:016x}", REPEATED: 15}


def test_memory_is_bounded() -> None:
    """Given more different warnings than have their own counts, then the rest share one, and none is lost."""
    log = Log()
    for number in range(3 * MAX_KINDS):
        log.say("deleted", topic=f"texts-{number}")
    log.sampler.write_due(everything=True)

    assert len(log.lines) == MAX_KINDS + FIRST + 1
    assert log.counts() == {"deleted": 3 * MAX_KINDS}


def test_the_count_comes_when_the_interval_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given repeated warnings and then none, when the interval is over, then the count is written unasked."""
    monkeypatch.setattr("shared.log_output.sampling.INTERVAL_S", 0.05)
    late: SimpleQueue[dict[str, Any]] = SimpleQueue()
    sampler = Sampler(lambda fields: late.put(dict(fields)))
    written = 0
    for _ in range(FIRST + 3):
        with suppress(structlog.DropEvent):
            sampler(None, "warning", {"event": "gone"})
            written += 1

    assert written + late.get(timeout=10)[REPEATED] == FIRST + 3


def test_threads_may_warn_at_once() -> None:
    """Given threads that warn of the same, when all is written, then no line is missing in the counts."""
    log = Log()

    def warn() -> None:
        for number in range(300):
            log.say("gone", number=number)

    threads = [threading.Thread(target=warn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.sampler.write_due(everything=True)

    assert log.counts() == {"gone": 1_200}
    assert len(log.threads) == 1
