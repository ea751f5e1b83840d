"""Stops consumption when too much is dead-lettered: a bad deploy must not drain a topic into letters. Pure."""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING

from shared.errors import TooManyDeadLetters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.kafka.commit_metadata import CommitMetadata
    from consumer.settings import Limits


class DeadLetterLimit:
    """Which of the last `dlq_window` published records were dead letters. Used by the Kafka thread only."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._window: deque[bool] = deque(maxlen=limits.dlq_window)
        self._letters = 0
        self._in_a_row = 0

    def check(self, outcomes: Sequence[bool]) -> None:
        """Raises TooManyDeadLetters where a batch must not be published.

        `outcomes`, in order, are True for dead letters. Changes nothing, so a batch that is published only at the
        second attempt counts once.
        """
        if not any(outcomes):
            return
        limits = self._limits
        letters, in_a_row = self._letters, self._in_a_row
        dropped = max(0, len(self._window) + len(outcomes) - limits.dlq_window)
        leaving = chain([False] * (len(outcomes) - dropped), chain(self._window, outcomes))
        for is_letter, left in zip(outcomes, leaving, strict=False):
            letters += is_letter - left
            in_a_row = in_a_row + 1 if is_letter else 0
            if in_a_row >= limits.dlq_in_a_row:
                raise TooManyDeadLetters(_stopped(f"{in_a_row} dead letters in a row", "dlq_in_a_row"))
            # Of a full window even while it fills: of the first four records one letter is above 20 %.
            if letters > limits.dlq_share * limits.dlq_window:
                share = f"{letters} dead letters among the last {limits.dlq_window} records"
                raise TooManyDeadLetters(_stopped(share, "dlq_share"))

    def record(self, outcomes: Sequence[bool]) -> None:
        """Counts a batch that was published."""
        if not self._letters and not any(outcomes):  # as nearly always
            self._window.extend(outcomes)
            self._in_a_row = 0
            return
        for is_letter in outcomes:
            if len(self._window) == self._window.maxlen:
                self._letters -= self._window[0]
            self._window.append(is_letter)
            self._letters += is_letter
            self._in_a_row = self._in_a_row + 1 if is_letter else 0

    def into(self, metadata: CommitMetadata) -> CommitMetadata:
        """The metadata with these counts, for the next run: it begins as near to the limit as this one ends."""
        return metadata._replace(letters_in_a_row=self._in_a_row, letters=self._letters, window=len(self._window))

    def restore(self, metadata: CommitMetadata) -> None:
        """Begins where a run stopped that the limit has ended; metadata without counts changes nothing.

        Where the letters were within the window is not kept, so they are spread evenly over it.
        """
        self._in_a_row = max(self._in_a_row, metadata.letters_in_a_row)
        count, letters = min(metadata.window, self._limits.dlq_window), metadata.letters
        # All partitions of the run that was ended carry the same counts, so only the first one is taken.
        if not self._window and 0 < letters <= count:
            self._window.extend(
                (place + 1) * letters // count > place * letters // count for place in range(count)
            )
            self._letters = letters


def _stopped(what: str, limit: str) -> str:
    return (
        f"{what}: stopped before the topic drains into dead letters; the last batch is not committed. "
        "`sentiment-consumer dlq list` shows the reasons; correct the producer, the settings or the model, or "
        f"raise limits.{limit}, then start again"
    )
