"""A batch of texts on its way through the scheduler: what the device is asked, and who waits for the answer."""

from __future__ import annotations

from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence, Sized

    from shared.inference.isolation import Window
    from shared.inference.types import Score, Unscorable

    Scores = list[Score | Unscorable]


@dataclass(slots=True)
class Submission:
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
class Pass:
    """One pass of a window, and whose texts the window is made of."""

    window: Window[Sized, Score]
    batch: list[int]
    submissions: list[Submission]

    @property
    def is_void(self) -> bool:
        """Whether another pass of the window has failed for good."""
        return self.submissions[0].future.done()


@contextmanager
def failing(submissions: Sequence[Submission]) -> Iterator[None]:
    """Carries whatever is raised inside to the Kafka thread, which raises it from the futures."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - see above
        fail([submission.future for submission in submissions], error)


def fail(futures: Sequence[Future[Scores]], error: BaseException) -> None:
    """Gives what has no answer yet an error instead."""
    for future in futures:
        with suppress(InvalidStateError):  # another thread has failed it first
            if future.running() or (not future.done() and future.set_running_or_notify_cancel()):
                future.set_exception(error)
