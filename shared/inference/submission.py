"""A batch of texts in the scheduler: its rows for the device, and the future that waits for the answers."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.inference.types import PassRun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized

    from shared.inference.isolation import Window
    from shared.inference.types import Score, Unscorable

    Scores = list[Score | Unscorable]


@dataclass(slots=True)
class Submission:
    """One batch of texts in the scheduler."""

    future: Future[Scores]
    texts: Sequence[str]
    answers: list[Score | Unscorable | None]
    """In the order of the texts."""
    rows: list[Sized]
    """The rows to run: one for each distinct text without a known answer."""
    keys: list[bytes]
    """The cache key of each row."""
    places: list[list[int]]
    """For each row, the indices of its text in `texts`."""
    ready_s: float = field(default=0.0, init=False)
    """When it was tokenised, by the monotonic clock."""

    def finish(self) -> None:
        """Sets the answers as the result of the future."""
        self.future.set_result([answer for answer in self.answers if answer is not None])


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
