"""Watches a chaos run from outside: the group's progress, recovery times, and the resources of processes."""

from __future__ import annotations

import contextlib
import math
import statistics
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.chaos.verdict.reader import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.chaos.verdict.inputs import Place

LOOK_S: Final = 0.25
REQUEST_S: Final = 2.0
MAX_FDS: Final = 150
MAX_THREADS: Final = 60


@dataclass(slots=True)
class _Watch:
    """A death, and the partitions that had work at that time, with their commits."""

    at_s: float
    waiting: dict[Place, int]
    disturbed: bool = False
    """Whether the group was recovering from another death, or another fault struck or ended meanwhile."""


@dataclass(slots=True)
class Use:
    """The maximum that any member's process used."""

    rss_mb: float = 0
    fds: int = 0
    threads: int = 0


@dataclass(slots=True)
class Recoveries:
    """Seconds from a death until every partition that had work at that time had advanced."""

    undisturbed: list[float] = field(default_factory=list)
    """From a death while the group was complete, during which no fault struck or ended."""
    disturbed: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, dict[str, float]]:
        """Count, median, p95 and maximum of both kinds."""
        return {"undisturbed": _figures(self.undisturbed), "disturbed": _figures(self.disturbed)}


def _figures(seconds: list[float]) -> dict[str, float]:
    found = sorted(seconds)
    if not found:
        return {"count": 0}
    return {
        "count": len(found),
        "median_s": round(statistics.median(found), 2),
        "p95_s": round(found[math.ceil(0.95 * len(found)) - 1], 2),
        "max_s": round(found[-1], 2),
    }


class Monitor:
    """A thread that fetches the group's commits; `ends` returns how many records each partition has been sent.

    A commit beyond the end is ignored: it belongs to a deleted topic of the same name.
    """

    def __init__(
        self,
        servers: str,
        group: str,
        *,
        ends: Callable[[], Mapping[Place, int]],
        pids: Callable[[], list[int]],
        clock: Callable[[], float],
        max_rss_mb: int,
    ) -> None:
        self.recoveries = Recoveries()
        self.deaths = 0
        """Processes that were killed."""
        self.use = Use()
        self.longest_stall_s = 0.0
        """The longest time without an advancing commit although there was work."""
        self.committed: dict[Place, int] = {}
        """Negative if the group has committed nothing."""
        self._ends = ends
        self._pids = pids
        self._clock = clock
        self._max_rss_mb = max_rss_mb
        self._watches: list[_Watch] = []
        self._moved_at = clock()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._client = Consumer({"bootstrap.servers": servers, "group.id": group, "enable.auto.commit": False})
        self._thread = threading.Thread(target=self._work, name="monitor", daemon=True)
        self._thread.start()

    @property
    def lag(self) -> int:
        """Records that were sent and whose offsets are not committed, as last seen."""
        return sum(self._waiting_at(place, end) for place, end in self._ends().items())

    @property
    def progress(self) -> int:
        """Records committed, as last seen."""
        return sum(max(0, offset) for offset in self.committed.values())

    def disturb(self) -> None:
        """Records that a fault has struck or ended."""
        with self._lock:
            for watch in self._watches:
                watch.disturbed = True

    def death(self) -> None:
        """Records that a member's process was just killed, perhaps while the group recovers from another death."""
        self.disturb()
        waiting = self.waiting()
        with self._lock:
            if waiting:
                self._watches.append(_Watch(self._clock(), waiting, disturbed=bool(self._watches)))
            self.deaths += 1

    def waiting(self) -> dict[Place, int]:
        """The commits of all partitions with work to do."""
        ends = self._ends().items()
        return {place: self.committed.get(place, -1) for place, end in ends if self._waiting_at(place, end)}

    def await_moves(self, waiting: Mapping[Place, int], timeout_s: float) -> list[Place]:
        """Waits until each of these partitions has advanced; returns those that have not."""
        deadline = time.monotonic() + timeout_s
        left = list(waiting)
        while left and time.monotonic() < deadline:
            time.sleep(LOOK_S / 2)
            found = self.committed
            left = [place for place in left if found.get(place, math.inf) <= waiting[place]]
        return left

    def await_commits(self, timeout_s: float) -> bool:
        """Waits until the group has committed something in every partition; returns whether it has."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = self.committed
            if all(found.get(place, -1) >= 0 for place in self._ends()):
                return True
            time.sleep(LOOK_S)
        return False

    def ask(self, places: Sequence[Place], timeout_s: float = 30.0) -> dict[Place, int]:
        """The current commits of the group in these partitions; raises KafkaException."""
        wanted = [TopicPartition(*place) for place in places]
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                answer = self._client.committed(wanted, timeout=REQUEST_S)
                break
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
        return {(place.topic, place.partition): place.offset for place in answer}

    def await_lag(self, lag: int, timeout_s: float) -> bool:
        """Waits until the group's lag is that small; returns whether it got there."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.lag <= lag:
                return True
            time.sleep(LOOK_S)
        return False

    def await_progress(self, timeout_s: float) -> None:
        """Waits until a commit advances or no work is left."""
        before, deadline = self.progress, time.monotonic() + timeout_s
        while self.progress <= before and self.lag and time.monotonic() < deadline:
            time.sleep(LOOK_S / 2)

    def await_recovery(self, timeout_s: float, *, deaths: int = 0) -> None:
        """Waits until the group has recovered from every death so far, and from the one of that number."""
        deadline = time.monotonic() + timeout_s
        while (self._watches or self.deaths < deaths) and time.monotonic() < deadline:
            time.sleep(LOOK_S / 2)

    def close(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join()
        self._client.close()

    def bounded(self) -> Verdict:
        """7: memory, file descriptors and threads of every life stay bounded."""
        use = self.use
        holds = use.rss_mb < self._max_rss_mb and use.fds < MAX_FDS and use.threads < MAX_THREADS
        return Verdict(
            "resources bounded",
            holds and use.rss_mb > 0,
            f"at most {use.rss_mb:.0f} MB, {use.fds} file descriptors, {use.threads} threads",
        )

    def recovered(self, limit_s: float) -> Verdict:
        """8: p95 of the undisturbed recoveries is below the limit."""
        figures = _figures(self.recoveries.undisturbed)
        detail = f"{figures}, longest time without any progress {self.longest_stall_s:.1f} s"
        return Verdict("recovery", figures.get("p95_s", 0.0) < limit_s, detail)

    def _work(self) -> None:
        while not self._stop.wait(LOOK_S):
            with contextlib.suppress(KafkaException):  # the cluster is being hurt on purpose
                self._look()
            for pid in self._pids():
                self._measure(pid)

    def _look(self) -> None:
        found = self.ask(list(self._ends()), timeout_s=0)
        now = self._clock()
        if found != self.committed or self.lag == 0:
            self._moved_at = now
        self.longest_stall_s = max(self.longest_stall_s, now - self._moved_at)
        self.committed = found
        with self._lock:
            for watch in list(self._watches):
                watch.waiting = {p: at for p, at in watch.waiting.items() if found.get(p, math.inf) <= at}
                if not watch.waiting:
                    found_s = self.recoveries.disturbed if watch.disturbed else self.recoveries.undisturbed
                    found_s.append(now - watch.at_s)
                    self._watches.remove(watch)

    def _waiting_at(self, place: Place, end: int) -> int:
        done = max(0, self.committed.get(place, 0))
        return end - done if done <= end else end

    def _measure(self, pid: int) -> None:
        with contextlib.suppress(OSError, ValueError):  # it may have ended in the meantime
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
            values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
            if "VmRSS" not in values:
                return
            self.use.rss_mb = max(self.use.rss_mb, int(values["VmRSS"].split()[0]) / 1024)
            self.use.threads = max(self.use.threads, int(values["Threads"]))
            self.use.fds = max(self.use.fds, len(list(Path(f"/proc/{pid}/fd").iterdir())))
