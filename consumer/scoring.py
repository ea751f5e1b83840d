"""The threads between Kafka and the device: texts in, scores out, the device never waits for the host.

    submit ──> tokenise ──> wait for room ──> window: what waits, sorted, cut ──> passes ──> futures

One thread normalises and tokenises, one plans, and as many as the device takes passes at once run them. A
window is closed when a pass may be started and not before, so batches grow while the device is busy, and a
single text on an idle device goes at once; nothing waits for a timer. A window has a limit all the same: if
it took all that the caller may have in hand, nothing would be ready when its last pass begins.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from consumer.cache import ScoreCache, fingerprint
from consumer.isolation import CONTROL, Isolation, PassFailed, TokenBudget
from consumer.records import Score, Unscorable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized

    from consumer.isolation import Window
    from consumer.records import Scorer

    Scores = list[Score | Unscorable]


@dataclass(slots=True)
class _Submission:
    """One batch of texts on its way."""

    future: Future[Scores]
    texts: Sequence[str]
    answers: list[Score | Unscorable | None]
    """In the order of the texts."""
    rows: list[Sized]
    """What the device is to be asked: each text once that no answer is known to."""
    keys: list[bytes]
    """Of the rows."""
    places: list[list[int]]
    """Of the rows: where their text stands."""

    def finish(self) -> None:
        """Hands the answers over."""
        self.future.set_result([answer for answer in self.answers if answer is not None])


@dataclass(frozen=True, slots=True)
class _Pass:
    window: Window[Sized, Score]
    batch: list[int]
    submissions: list[_Submission]

    @property
    def is_void(self) -> bool:
        """Whether another pass of the window has failed for good."""
        return self.submissions[0].future.done()


class Scoring:
    """Runs one scorer; answers every batch in input order, whatever was scored together.

    Its threads are daemons, so that a pass that never ends cannot keep the process from ending.
    """

    def __init__(
        self, scorer: Scorer, *, window: int | None = None, batch_tokens: int | None = None, cache: int = 0
    ) -> None:
        """`window`: a window has no more texts, unless they were submitted together; None: all that wait."""
        self._scorer = scorer
        self._window = window
        self._cache = ScoreCache(cache)
        budget = TokenBudget(batch_tokens or scorer.batch_tokens)
        self._isolation = Isolation[Any, Score](scorer.forward, self._control, budget, padding=scorer.padding)
        self._submitted: SimpleQueue[_Submission | None] = SimpleQueue()
        self._tokenised: SimpleQueue[_Submission | None] = SimpleQueue()
        self._passes: SimpleQueue[_Pass | None] = SimpleQueue()
        self._room = threading.Semaphore(scorer.concurrency)
        work = {"tokenise": self._tokenise, "plan": self._plan}
        work |= {f"pass-{number}": self._run_passes for number in range(scorer.concurrency)}
        self._threads = [
            threading.Thread(target=target, name=f"scoring-{name}", daemon=True) for name, target in work.items()
        ]
        for thread in self._threads:
            thread.start()

    @property
    def out_of_memory(self) -> int:
        """Passes that ran out of memory so far."""
        return self._isolation.out_of_memory

    def submit(self, texts: Sequence[str]) -> Future[Scores]:
        """Queues texts; the future holds their answers in input order, or what the scorer raised."""
        future: Future[Scores] = Future()
        if texts:
            self._submitted.put(_Submission(future, texts, [None] * len(texts), [], [], []))
        else:
            future.set_result([])
        return future

    def score(self, texts: Sequence[str]) -> Scores:
        """Scores texts and waits; raises what the scorer raises."""
        return self.submit(texts).result()

    def close(self, timeout_s: float) -> bool:
        """Ends the threads after what was submitted; tells whether they did within the timeout."""
        self._submitted.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _tokenise(self) -> None:
        while (submission := self._submitted.get()) is not None:
            if submission.future.cancelled():
                continue  # abandoned by a recovery before it was begun
            with _failing([submission]):
                self._prepare(submission)
                if submission.rows:
                    self._tokenised.put(submission)
                elif submission.future.set_running_or_notify_cancel():
                    submission.finish()
        self._tokenised.put(None)

    def _prepare(self, submission: _Submission) -> None:
        """Looks texts up, and makes rows of those that are new, each once."""
        normalised = [self._scorer.normalise(text) for text in submission.texts]
        keys = [fingerprint(text) for text in normalised]
        places: dict[bytes, list[int]] = {}
        for place, (key, known) in enumerate(zip(keys, self._cache.find(keys), strict=True)):
            if known is not None:
                submission.answers[place] = _free(known)
            else:
                places.setdefault(key, []).append(place)
        new = list(places)
        rows = self._scorer.tokenise([normalised[places[key][0]] for key in new])
        for key, row in zip(new, rows, strict=True):
            if isinstance(row, Unscorable):
                for place in places[key]:
                    submission.answers[place] = row
            else:
                submission.rows.append(row)
                submission.keys.append(key)
                submission.places.append(places[key])

    def _plan(self) -> None:
        waiting = deque([self._tokenised.get()])
        while waiting[0] is not None:
            self._room.acquire()  # what comes until the device has room may join the window
            with suppress(Empty):
                while waiting[-1] is not None:
                    waiting.append(self._tokenised.get_nowait())
            self._start(self._next_window(waiting))
            if not waiting:
                waiting.append(self._tokenised.get())
        for _ in self._threads[2:]:
            self._passes.put(None)

    def _next_window(self, waiting: deque[_Submission | None]) -> list[_Submission]:
        """Takes the first that waits and those after it that fit; leaves out what was cancelled."""
        taken: list[_Submission] = []
        rows = 0
        while waiting and (one := waiting[0]) is not None:
            if taken and self._window is not None and rows + len(one.rows) > self._window:
                break
            waiting.popleft()
            if one.future.set_running_or_notify_cancel():
                taken.append(one)
                rows += len(one.rows)
        return taken

    def _start(self, submissions: list[_Submission]) -> None:
        """Makes one window of what was submitted and hands over its passes; begins with room for one."""
        with _failing(submissions):
            rows = [row for submission in submissions for row in submission.rows]
            window, batches = self._isolation.plan(rows, [len(row) for row in rows])
            for number, batch in enumerate(batches):
                if number:
                    self._room.acquire()
                self._passes.put(_Pass(window, batch, submissions))
            if batches:
                return
        self._room.release()  # all were cancelled meanwhile, or could not be planned

    def _run_passes(self) -> None:
        while (one := self._passes.get()) is not None:
            with _failing(one.submissions):
                try:
                    last = not one.is_void and self._isolation.first(one.window, one.batch)
                finally:
                    self._room.release()
                if last:
                    self._finish(one.submissions, self._isolation.settle(one.window))

    def _finish(self, submissions: list[_Submission], answers: Scores) -> None:
        """Gives every submission of a window its share of the answers, and the cache what may come again."""
        left = iter(answers)
        for submission in submissions:
            known: list[tuple[bytes, Score]] = []
            for key, (first, *again), answer in zip(submission.keys, submission.places, left, strict=False):
                submission.answers[first] = answer
                if isinstance(answer, Score):
                    known.append((key, answer))
                for place in again:
                    submission.answers[place] = _free(answer)
            self._cache.keep(known)
            submission.finish()

    def _control(self) -> None:
        (row,) = self._scorer.tokenise([CONTROL])
        (answer,) = self._scorer.forward([row])
        if answer is None:
            raise PassFailed("its answer is not finite")


def _free(answer: Score | Unscorable) -> Score | Unscorable:
    return answer._replace(computed_tokens=0) if isinstance(answer, Score) else answer


@contextmanager
def _failing(submissions: Sequence[_Submission]) -> Iterator[None]:
    """Carries whatever is raised inside to the Kafka thread, which raises it from the futures."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - see above
        for future in (submission.future for submission in submissions):
            if future.running() or (not future.done() and future.set_running_or_notify_cancel()):
                with suppress(InvalidStateError):  # another pass of the window failed first
                    future.set_exception(error)
