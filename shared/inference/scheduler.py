"""The threads between Kafka and the device: they take texts, return scores, and keep the device busy.

    submit ──> tokenise ──> wait for room ──> window: waiting rows, sorted, cut ──> passes ──> futures

One thread normalises and tokenises, one makes batches, and `concurrency` threads run passes. A window is closed as
soon as a pass may start and not before, so batches grow while the device is busy, and a single text on an idle
device starts at once; there is no timer. A window still has a limit: if it took everything that the caller may
have in flight, nothing would be ready when its last pass begins.

Batches of low priority, those of HTTP requests, are tokenised and scored after all others, in the same passes
where there is room; `Waiting` decides.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from queue import Empty, PriorityQueue, SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from shared.errors import ScorerError
from shared.inference.activity import Progress, Work
from shared.inference.cache import ScoreCache, fingerprint
from shared.inference.isolation import CONTROL, Isolation, PassFailed, TokenBudget, log_isolated
from shared.inference.submission import Pass, Submission, Waiting, fail, failing
from shared.inference.types import Score, TextsTokenised, Unscorable, rows_of
from shared.logs import unforeseen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.inference.submission import Scores
    from shared.inference.types import SchedulerEvent, Scorer


HIGH: Final = 0
LOW: Final = 1
END: Final = 2


class Scheduler:
    """Runs one scorer; answers every batch in input order, whichever texts were scored together.

    Its threads are daemon threads, so that a pass that never ends cannot keep the process alive. If one of them
    raises, all open and later batches fail with ScorerError. `work` is for the stall watchdog.
    """

    def __init__(
        self,
        scorer: Scorer,
        *,
        window: int | None = None,
        batch_tokens: int | None = None,
        cache: int = 0,
        low_priority_share: float = 0.0,
        observer: Callable[[SchedulerEvent], None] = log_isolated,
    ) -> None:
        """`window` is the maximum rows of a window, unless one batch has more; None: all rows that wait.

        `batch_tokens` replaces the token budget of the scorer; `cache` is the number of scores in the cache.
        `low_priority_share` is the share of tokens that batches of low priority take while others wait.
        """
        self._scorer = scorer
        self._observer = observer
        self._cache = ScoreCache(cache)
        budget = TokenBudget(batch_tokens or scorer.batch_tokens)
        self._waiting = Waiting(max_rows=window, pass_tokens=budget.full, low_share=low_priority_share)
        """Used by the thread `batch`."""
        self._isolation = Isolation[Any, Score](
            self._forward, self._control, budget, padding=scorer.padding, observer=observer
        )
        self._device = {name: value for name, value in scorer.describe().items() if name in {"engine", "device"}}
        self._progress = Progress()
        self._open: set[Future[Scores]] = set()
        """Futures of batches that are not answered."""
        self._lost: ScorerError | None = None
        """The error of a thread that has ended; then no batch will be answered any more."""
        self._submitted: PriorityQueue[tuple[int, int, Submission | None]] = PriorityQueue()
        """Priority, number and batch: the lowest first. None ends the threads, after all batches."""
        self._numbers = count()
        self._tokenised: SimpleQueue[Submission | None] = SimpleQueue()
        self._passes: SimpleQueue[Pass | None] = SimpleQueue()
        self._room = threading.Semaphore(scorer.concurrency)
        work = {"tokenise": self._tokenise, "batch": self._batch}
        work |= {f"pass-{number}": self._run_passes for number in range(scorer.concurrency)}
        self._threads = [
            threading.Thread(target=self._run, args=(target,), name=f"scheduler-{name}", daemon=True)
            for name, target in work.items()
        ]
        for thread in self._threads:
            thread.start()

    @property
    def out_of_memory(self) -> int:
        """Passes that ran out of memory so far."""
        return self._isolation.out_of_memory

    def submit(self, texts: Sequence[str], *, low_priority: bool = False) -> Future[Scores]:
        """Queues texts; the future returns their answers in input order, or raises what the scorer raised.

        Any thread may call this. With `low_priority` they are scored after the texts of all other batches, but for
        a share.
        """
        future: Future[Scores] = Future()
        if not texts:
            future.set_result([])
            return future
        self._progress.note()
        self._open.add(future)
        future.add_done_callback(self._open.discard)
        submission = Submission(future, texts, [None] * len(texts), [], [], [], low_priority)
        self._submitted.put((LOW if low_priority else HIGH, next(self._numbers), submission))
        # Checked last: a thread that ended before has set `_lost`; one that ends later finds this in `_open`.
        if self._lost is not None:
            fail([future], self._lost)
        return future

    def work(self) -> list[Work]:
        """The work of its threads with its start; any thread may call this.

        While batches are open, waiting for them counts as work too; its start is the last progress.
        """
        running = self._progress.running()
        if self._open:
            facts = {"batches": len(self._open)}
            running.append(Work("waiting batches", self._progress.changed_s, tuple(self._threads), facts))
        return running

    def normalise(self, text: str) -> str:
        """The text as the model gets it; any thread may call this."""
        return self._scorer.normalise(text)

    def score(self, texts: Sequence[str]) -> Scores:
        """Scores texts and waits; raises what the scorer raises."""
        return self.submit(texts).result()

    def close(self, timeout_s: float) -> bool:
        """Ends the threads after all submitted batches; returns whether they ended within the timeout."""
        self._submitted.put((END, next(self._numbers), None))
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, target: Callable[[], None]) -> None:
        """The body of each thread: runs the target; if it raises, fails all open batches."""
        try:
            target()
        except BaseException as error:  # noqa: BLE001 - the futures carry it to the Kafka thread
            name = threading.current_thread().name
            self._lost = ScorerError(f"the thread {name} has ended; start again: {unforeseen(error)}")
            fail(list(self._open), self._lost)

    def _tokenise(self) -> None:
        while (submission := self._submitted.get()[-1]) is not None:
            if submission.future.cancelled():
                continue  # cancelled by a recovery before it started
            with failing([submission]), self._progress.doing("tokenising", texts=len(submission.texts)):
                began = time.monotonic()
                self._prepare(submission)
                submission.ready_s = time.monotonic()
                texts, rows = len(submission.texts), len(submission.rows)
                self._observer(TextsTokenised(texts, rows, submission.ready_s - began))
                if submission.rows:
                    self._tokenised.put(submission)
                elif submission.future.set_running_or_notify_cancel():
                    submission.finish()
        self._tokenised.put(None)

    def _prepare(self, submission: Submission) -> None:
        """Looks texts up in the cache, and makes the rows of each distinct text that is not in it."""
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
                submission.add(key, places[key], row)

    def _batch(self) -> None:
        waiting = self._waiting
        while waiting or self._first_of(waiting):
            self._room.acquire()  # texts that arrive until the device has room may join the window
            with suppress(Empty):
                while (one := self._tokenised.get_nowait()) is not None:
                    waiting.add(one)
                self._tokenised.put(None)  # ends the loop once all that waits is scored
            with self._progress.doing("batching"):
                window = waiting.next_window()
            self._start(window)
        # The first two threads are `tokenise` and `batch`; each of the others ends at one None.
        for _ in self._threads[2:]:
            self._passes.put(None)

    def _first_of(self, waiting: Waiting) -> bool:
        """Waits for a batch; returns False once no more will come."""
        if (first := self._tokenised.get()) is not None:
            waiting.add(first)
        return bool(waiting)

    def _start(self, submissions: list[Submission]) -> None:
        """Makes one window of the submissions and queues its passes; the caller has acquired room for one."""
        with failing(submissions):
            rows = [row for submission in submissions for row in submission.rows]
            with self._progress.doing("batching", rows=len(rows)):
                window, batches = self._isolation.open_window(rows, [len(row) for row in rows])
            for number, batch in enumerate(batches):
                if number:
                    self._room.acquire()
                self._passes.put(Pass(window, batch, submissions))
            if batches:
                return
        self._room.release()  # all were cancelled meanwhile, or could not be batched

    def _run_passes(self) -> None:
        while (one := self._passes.get()) is not None:
            with failing(one.submissions), self._progress.doing("answering", rows=len(one.batch)):
                began, is_void = time.monotonic(), one.is_void
                try:
                    last = not is_void and self._isolation.run_batch(one.window, one.batch)
                finally:
                    # Before `settle`: other threads go on with the next window while this one isolates failures.
                    self._room.release()
                if not is_void:
                    self._observer(one.event(began, time.monotonic()))
                if last:
                    self._finish(one.submissions, self._isolation.settle(one.window))

    def _finish(self, submissions: list[Submission], answers: Scores) -> None:
        """Gives every submission of a window its answers, and adds the scores to the cache."""
        left = iter(answers)
        for submission in submissions:
            known: list[tuple[bytes, Score]] = []
            # A step less for each answer where no text has several rows, as in a stream of short messages.
            own = submission.by_text(left) if submission.segments else left
            # Not strict, and `own` last: zip stops at the keys before it takes an answer of the next submission.
            for key, (first, *again), answer in zip(submission.keys, submission.places, own, strict=False):
                submission.answers[first] = answer
                # Failures are not cached: a text that lacked memory may fit on another day (decision 6).
                if isinstance(answer, Score):
                    known.append((key, answer))
                for place in again:
                    submission.answers[place] = _free(answer)
            self._cache.keep(known)
            submission.finish()

    def _forward(self, rows: Sequence[Any]) -> Sequence[Score | None]:
        lengths = [len(row) for row in rows]
        size = {"rows": len(rows), "tokens": sum(lengths), "longest": max(lengths)}
        with self._progress.doing("forward pass", **size, **self._device):
            return self._scorer.forward(rows)

    def _control(self) -> None:
        (made,) = self._scorer.tokenise([CONTROL])
        # A model that reads a few tokens at once has it in segments.
        if isinstance(made, Unscorable) or None in self._forward(rows_of(made)):
            raise PassFailed("its answer is not finite")


def _free(answer: Score | Unscorable) -> Score | Unscorable:
    return answer._replace(computed_tokens=0) if isinstance(answer, Score) else answer
