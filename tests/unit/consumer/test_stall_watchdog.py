"""A stalled loop or device, tested with threads that are held and, in processes of their own, calls in C."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer import service
from consumer.settings import ConsumerSettings
from consumer.stall_watchdog import StallWatchdog
from shared.inference.activity import Work
from shared.inference.isolation import PassFailed
from shared.inference.scheduler import Scheduler
from tests.support.fakes import TARGETS, FakeKafka, FakeOutbox, FakeScorer, FakeSource, text_value
from tests.support.stderr import KINDS, script
from tests.support.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from consumer.kafka.commit_metadata import Commit
    from consumer.stream.records import Outgoing
    from shared.inference.types import Score, Unscorable

pytestmark = pytest.mark.slow

AGES_S = 3600.0
SOON_S = 0.2
WAIT_S = 20.0
PRIVATE = "hunter2"

HANGING = f"""
import sys
from consumer.stall_watchdog import StallWatchdog
from shared.logs import configure_logs
configure_logs()
def never_returns():
    sys.stdin.read()
with StallWatchdog({SOON_S}):
    never_returns()
"""


class Ended:
    """Replaces the process's end: records the code, and releases what is held."""

    def __init__(self) -> None:
        self.codes: list[int] = []
        self.happened = threading.Event()

    def __call__(self, code: int) -> None:
        """Records an end."""
        self.codes.append(code)
        self.happened.set()


class HeldScorer(FakeScorer):
    """Does not return from one of its steps until it is released; a forward pass of `bad` fails."""

    bad = "bad"

    def __init__(self, step: str) -> None:
        super().__init__()
        self.release = threading.Event()
        self._step = step

    def normalise(self, text: str) -> str:
        """May be held."""
        self._hold("normalise")
        return super().normalise(text)

    def tokenise(self, texts: Sequence[str]) -> list[str | Unscorable]:
        """May be held."""
        self._hold("tokenise")
        return super().tokenise(texts)

    def forward(self, rows: Sequence[str]) -> list[Score | None]:
        """May be held at its first call or at a later one."""
        self._hold("again" if self.calls else "forward")
        answers = super().forward(rows)
        if self.bad in rows:
            raise PassFailed("ValueError")
        return answers

    def _hold(self, step: str) -> None:
        if step == self._step:
            self.release.wait(WAIT_S)


@pytest.fixture(autouse=True)
def errors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The last lines of a block whose end happens within this process."""
    said: list[str] = []
    monkeypatch.setattr("consumer.stall_watchdog.say_error", said.append)
    return said


@contextmanager
def stalling(work: Callable[[], list[Work]] = list) -> Iterator[Ended]:
    """A block that ends once the watchdog has ended it; its loop keeps running."""
    ended = Ended()
    with StallWatchdog(SOON_S, work=work, end=ended) as watchdog:
        yield ended
        pause = threading.Event()
        deadline = threading.Timer(WAIT_S, pause.set)
        deadline.start()
        while not ended.happened.wait(SOON_S / 10) and not pause.is_set():
            watchdog.heartbeat()
        deadline.cancel()


def test_a_call_that_never_returns_ends_the_process_and_is_named() -> None:
    """Given a thread inside a call that Python cannot interrupt, then the process ends with 75 and says where."""
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.wait(30) == 75
        assert process.stderr is not None
        event, last = process.stderr.read().splitlines()
    stalled = json.loads(event)
    assert (stalled["event"], stalled["what"]) == ("stalled", "loop")
    assert stalled["seconds"] >= SOON_S
    assert any(line.endswith("never_returns") for line in stalled["where"]["MainThread"])
    assert last.startswith("error: no progress for")


@pytest.mark.parametrize("kind", KINDS)
def test_a_stalled_process_ends_whatever_becomes_of_its_log(kind: str) -> None:
    """Given a blocked standard error, when the loop stalls, then the process ends with 75."""
    with script(kind, HANGING) as process:
        assert process.wait(30) == 75


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("raising", [True, False])
def test_a_log_call_cannot_keep_a_stalled_process(monkeypatch: pytest.MonkeyPatch, *, raising: bool) -> None:
    """Given a log call that raises or does not return, when the loop stalls, then the process ends."""
    ended, release = Ended(), threading.Event()

    def critical(*_: object, **__: object) -> None:
        if raising:
            raise OSError
        release.wait(WAIT_S)

    monkeypatch.setattr("consumer.stall_watchdog.log.critical", critical, raising=False)
    monkeypatch.setattr("consumer.stall_watchdog.REPORT_S", 0.01)
    with StallWatchdog(SOON_S, end=ended):
        assert ended.happened.wait(WAIT_S / 2)
    release.set()

    assert ended.codes == [75]


times = st.floats(0, 1e6)


@given(timeout_s=st.floats(0.1, 1e4), waited_s=st.lists(times, max_size=5), beat_s=times)
def test_what_is_overdue_and_only_that_is_a_stall(timeout_s: float, waited_s: list[float], beat_s: float) -> None:
    """Given work of any age, then work older than the timeout is found, the loop first, each with its code."""
    now_s = 1e7
    work = [Work(str(number), now_s - age_s, ()) for number, age_s in enumerate(waited_s)]
    watchdog = StallWatchdog(timeout_s, work=lambda: work)
    vars(watchdog)["_heartbeat_s"] = now_s - beat_s

    stall = watchdog.stalled(now_s)

    overdue = [one for one in work if now_s - one.since_s > timeout_s]
    if now_s - (now_s - beat_s) > timeout_s:
        assert stall is not None
        assert (stall[0].name, stall[1]) == ("loop", 75)
    elif overdue:
        assert stall == (overdue[0], 71)
    else:
        assert stall is None


def test_a_loop_that_comes_round_is_left_alone() -> None:
    """Given a running loop, then it is overdue relative to its last heartbeat and not its first."""
    watchdog = StallWatchdog(AGES_S)
    began_s = vars(watchdog)["_heartbeat_s"]
    while vars(watchdog)["_heartbeat_s"] == began_s:
        watchdog.heartbeat()

    assert watchdog.stalled(began_s + AGES_S) is None
    assert watchdog.stalled(vars(watchdog)["_heartbeat_s"] + AGES_S + 1) is not None


def test_the_pipeline_says_when_it_comes_round_and_not_while_it_is_held() -> None:
    """Given a publish that never returns, then the loop stalls while it lasts."""
    held = threading.Event()
    ended = Ended()
    watchdog = StallWatchdog(SOON_S, end=ended)
    world = World(heartbeat=watchdog.heartbeat)
    world.produce(3)
    publish = world.outbox.publish

    def hang(results: Sequence[Outgoing], letters: Sequence[Outgoing], commits: Sequence[Commit]) -> None:
        held.set()
        ended.happened.wait(AGES_S)
        publish(results, letters, commits)

    world.outbox.publish = hang  # type: ignore[method-assign, assignment]
    with watchdog:
        world.run()

    assert held.is_set()
    assert ended.codes == [75]


@pytest.mark.parametrize(
    ("step", "what", "thread"),
    [
        ("normalise", "tokenising", "scheduler-tokenise"),
        ("tokenise", "tokenising", "scheduler-tokenise"),
        ("forward", "forward pass", "scheduler-pass-0"),
        ("again", "forward pass", "scheduler-pass-0"),
        ("batch", "batching", "scheduler-batch"),
        ("room", "waiting batches", "scheduler-batch"),
    ],
)
def test_a_scheduler_that_stalls_is_found(
    monkeypatch: pytest.MonkeyPatch, errors: list[str], step: str, what: str, thread: str
) -> None:
    """Given a thread that is held while there is work, then the process ends with 71 and says what is held.

    In the last case nobody works: no thread is active, and batches wait.
    """
    scorer = HeldScorer(step)
    scoring = Scheduler(scorer)
    reported: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "consumer.stall_watchdog.log.critical", lambda _, **facts: reported.append(facts), raising=False
    )
    if step == "batch":
        monkeypatch.setattr(vars(scoring)["_isolation"], "open_window", lambda *_: scorer.release.wait(WAIT_S))
    if step == "room":
        vars(scoring)["_room"].acquire()

    with stalling(scoring.work) as ended:
        scoring.submit([f"{PRIVATE} one two", HeldScorer.bad])
    scorer.release.set()

    (facts,) = reported
    assert ended.codes == [71]
    assert facts["what"] == what
    assert thread in facts["where"]
    assert PRIVATE not in f"{facts}{errors}"
    if what == "forward pass":
        assert any(line.endswith(" _hold") for line in facts["where"][thread])
        assert (facts["engine"], facts["device"]) == ("fake", "none")
        assert f"rows {facts['rows']}, tokens {facts['tokens']}" in errors[0]
        assert facts["tokens"] >= facts["longest"] >= 3


def test_each_pass_has_the_whole_timeout() -> None:
    """Given a window of several passes, when one has ended, then the next is measured from its own start."""
    gates = [threading.Event() for _ in range(3)]
    scorer = FakeScorer(gates=gates)
    scoring = Scheduler(scorer, batch_tokens=4)
    answers = scoring.submit(["aaaa", "bbbb", "cccc"])
    since: list[float] = []
    for number, gate in enumerate(gates, 1):
        while len(scorer.calls) < number:
            pass
        since.append(scoring.work()[0].since_s)
        gate.set()

    answers.result(WAIT_S)
    assert since == sorted(set(since))
    assert scoring.close(WAIT_S)


def test_an_idle_scheduler_does_not_stall() -> None:
    """Given a scheduler that has answered everything, then it has no work, however long ago that was."""
    scoring = Scheduler(FakeScorer())
    assert scoring.work() == []
    scoring.score(["one"])
    while scoring.work():
        pass
    watchdog = StallWatchdog(SOON_S, work=scoring.work)
    vars(watchdog)["_heartbeat_s"] = AGES_S

    assert watchdog.stalled(AGES_S) is None
    assert scoring.close(WAIT_S)


def test_the_service_watches_its_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a pass that never ends, when the service runs, then it ends with 71 although its loop runs."""
    kafka = FakeKafka()
    source = FakeSource(kafka)
    kafka.produce(text_value("one"))
    scorer = HeldScorer("forward")
    stop, ended = threading.Event(), Ended()

    def end(code: int) -> None:
        ended(code)
        stop.set()
        scorer.release.set()

    monkeypatch.setattr(service, "KafkaSource", lambda *_: source)
    monkeypatch.setattr(service, "Sender", lambda *_, **__: None)
    monkeypatch.setattr(service, "AtLeastOnceOutbox", lambda *_: FakeOutbox(kafka, source))
    monkeypatch.setattr(service, "StallWatchdog", lambda _, **given: StallWatchdog(SOON_S, end=end, **given))
    monkeypatch.setattr("gc.freeze", lambda: None)
    service.consume(
        ConsumerSettings(delivery="at-least-once"),
        partitions={},
        scoring=Scheduler(scorer),
        model_version="1",
        stop=stop,
        targets=TARGETS,
    )

    assert ended.codes == [71]
