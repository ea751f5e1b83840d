"""Started, ready and alive: what each depends on, and what it does not."""

from __future__ import annotations

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from consumer.events import ModelLoaded, PartitionsAssigned, PartitionsRevoked, Recovering
from consumer.http.state import ServiceState
from consumer.stall_watchdog import StallWatchdog
from shared.inference.activity import Work

MODEL = ModelLoaded("m", "1", "e", "d")
EVENTS = (
    MODEL,
    PartitionsAssigned((), 0),
    PartitionsRevoked((("texts", 0),), 0),
    Recovering("a broker is away", None, 1),
)


@given(events=st.lists(st.sampled_from(EVENTS), max_size=8), needs_group=st.booleans(), is_stopping=st.booleans())
def test_what_ready_and_alive_depend_on(events: list[object], *, needs_group: bool, is_stopping: bool) -> None:
    """Given any events, then ready is a model, a group if needed, and no stop; a broker's failure ends neither."""
    stop = threading.Event()
    state = ServiceState(stop, needs_group=needs_group)
    for event in events:
        state.observe(event)  # type: ignore[arg-type]
    if is_stopping:
        stop.set()

    has_joined = not needs_group or any(isinstance(one, PartitionsAssigned) for one in events)
    assert state.has_started == (MODEL in events)
    assert state.is_ready == (MODEL in events and has_joined and not is_stopping)
    assert state.is_alive


def test_a_stall_is_known_before_the_process_ends() -> None:
    """Given overdue work, then it is a stall while the watchdog watches, and not before or after."""
    work = [Work("forward pass", time.monotonic() - 5, ())]
    watchdog = StallWatchdog(1, work=lambda: work, end=lambda _: None)

    assert not watchdog.is_stalled
    with watchdog:
        assert watchdog.is_stalled
        work.clear()
        assert not watchdog.is_stalled
        work.append(Work("forward pass", time.monotonic() - 5, ()))
    assert not watchdog.is_stalled
