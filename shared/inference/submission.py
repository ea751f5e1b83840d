"""A batch of texts in the scheduler: its rows for the device, the future that waits for the answers, its turn."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from shared.inference.types import PassRun, Score, Segments, Unscorable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized

    from shared.inference.isolation import Window

Scores: TypeAlias = list[Score | Unscorable]

LIGHT: Final = 2
"""A window of less than half of its rows is not that of a loaded stream: with more to read, a read returns
`limits.batch_records` records."""


@dataclass(slots=True)
class Submission:
    """One batch of texts in the scheduler."""

    future: Future[Scores]
    texts: Sequence[str]
    answers: list[Score | Unscorable | None]
    """In the order of the texts."""
    rows: list[Sized]
    """The rows to run: those of each distinct text without a known answer, one after the other."""
    keys: list[bytes]
    """The cache key of each of these texts."""
    places: list[list[int]]
    """For each of these texts, its indices in `texts`."""
    low_priority: bool = False
    segments: dict[int, Segments] = field(default_factory=dict, init=False)
    """Those of these texts that have several rows, by their number."""
    ready_s: float = field(default=0.0, init=False)
    """When it was tokenised, by the monotonic clock."""

    @property
    def tokens(self) -> int:
        """Tokens of its rows."""
        return sum(map(len, self.rows))

    def add(self, key: bytes, places: list[int], made: Sized | Segments) -> None:
        """Takes one more text to run: its cache key, where it is in `texts`, and what the scorer made of it."""
        if isinstance(made, Segments):
            self.segments[len(self.keys)] = made
            self.rows.extend(made.rows)
        else:
            self.rows.append(made)
        self.keys.append(key)
        self.places.append(places)

    def by_text(self, answers: Iterator[Score | Unscorable]) -> Iterator[Score | Unscorable]:
        """The answers to its texts; takes as many from those to all rows of the window as it has rows."""
        for number in range(len(self.keys)):
            segments = self.segments.get(number)
            if segments is None:
                yield next(answers)
                continue
            found = [next(answers) for _ in segments.rows]
            scores = [one for one in found if isinstance(one, Score)]
            # A part that cannot be scored may be the one that decides.
            yield segments.pool(scores) if len(scores) == len(found) else _first_failure(found)

    def finish(self) -> None:
        """Sets the answers as the result of the future."""
        self.future.set_result([answer for answer in self.answers if answer is not None])


def _first_failure(found: Sequence[Score | Unscorable]) -> Unscorable:
    return next(one for one in found if isinstance(one, Unscorable))


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of a window, and the submissions of the window."""

    window: Window[Sized, Score]
    batch: list[int]
    submissions: list[Submission]

    @property
    def is_void(self) -> bool:
        """Whether another pass of the window has failed for good."""
        return self.submissions[0].future.done()

    def event(self, began_s: float, ended_s: float) -> PassRun:
        """The event of the pass, by the monotonic clock."""
        tokens = sum(self.window.lengths[index] for index in self.batch)
        return PassRun(len(self.batch), tokens, began_s - self.submissions[0].ready_s, ended_s - began_s)


class Waiting:
    """Tokenised batches that wait for the device, and which of them make the next window. Used by one thread.

    Batches of low priority never displace another. They join its window with up to `low_share` of its tokens: what
    a batch takes beyond that is subtracted from later windows, so over time the others lose at most this share.
    Where the device would idle, they fill one pass of `pass_tokens`, and what comes meanwhile waits for no more.
    """

    def __init__(self, *, max_rows: int | None, pass_tokens: int, low_share: float) -> None:
        """`max_rows` is the maximum rows of a window, unless one batch has more; None: all rows that wait."""
        self._max_rows = max_rows
        self._pass_tokens = pass_tokens
        self._low_share = low_share
        self._high: deque[Submission] = deque()
        self._low: deque[Submission] = deque()
        self._credit = 0.0
        """Tokens that low priority may take from a window of the others; negative after a large batch."""

    def __bool__(self) -> bool:
        """Whether any batch waits."""
        return bool(self._high or self._low)

    def add(self, submission: Submission) -> None:
        """Takes one more batch."""
        (self._low if submission.low_priority else self._high).append(submission)

    def next_window(self) -> list[Submission]:
        """Removes the batches of the next window and returns them; leaves out cancelled ones."""
        taken: list[Submission] = []
        rows = 0
        while self._high:
            one = self._high[0]
            if taken and self._max_rows is not None and rows + len(one.rows) > self._max_rows:
                break
            self._high.popleft()
            if one.future.set_running_or_notify_cancel():
                taken.append(one)
                rows += len(one.rows)
        return [*taken, *self._low_of(taken, rows)] if self._low else taken

    def _low_of(self, taken: list[Submission], rows: int) -> list[Submission]:
        """Removes the batches of low priority that join these of `rows` rows."""
        tokens = sum(one.tokens for one in taken)
        # Only debts are kept: with savings, a burst after an idle hour would take the whole device.
        self._credit = min(self._credit, 0.0) + self._low_share * tokens
        has_few_rows = self._max_rows is None or LIGHT * rows < self._max_rows
        is_light = has_few_rows and tokens < self._pass_tokens
        room = max(self._credit, self._pass_tokens - tokens) if is_light else self._credit
        joined: list[Submission] = []
        while self._low and room > 0:
            one = self._low.popleft()
            if one.future.set_running_or_notify_cancel():
                joined.append(one)
                room -= one.tokens
        if not is_light:
            self._credit = room
        return joined


@contextmanager
def failing(submissions: Sequence[Submission]) -> Iterator[None]:
    """Sets any exception raised inside on the futures, from which the Kafka thread raises it."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - see above
        fail([submission.future for submission in submissions], error)


def fail(futures: Sequence[Future[Scores]], error: BaseException) -> None:
    """Sets an exception on the futures that have no result yet."""
    for future in futures:
        with suppress(InvalidStateError):  # another thread has failed it first
            if future.running() or (not future.done() and future.set_running_or_notify_cancel()):
                future.set_exception(error)
