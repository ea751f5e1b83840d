"""Stops consumption when too much is dead-lettered: a bad deploy must not drain a topic into letters. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from shared.errors import TooManyDeadLetters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.settings import Limits


class Breaker:
    """Which of the last `dlq_window` published records were dead letters."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._window: deque[bool] = deque(maxlen=limits.dlq_window)
        self._letters = 0
        self._in_a_row = 0

    def after(self, outcomes: Sequence[bool]) -> Breaker:
        """What this becomes once a batch is published; `outcomes`, in order, are True for dead letters.

        Raises TooManyDeadLetters where that batch must not be published. Nothing is changed in place, so
        that a batch which is published only at the second attempt counts once.
        """
        following = Breaker(self._limits)
        following._window.extend(self._window)
        following._letters, following._in_a_row = self._letters, self._in_a_row
        if following._letters or any(outcomes):
            for is_letter in outcomes:
                following._add(is_letter)
        else:  # as nearly always
            following._window.extend(outcomes)
        return following

    def _add(self, is_letter: bool) -> None:
        limits = self._limits
        if len(self._window) == limits.dlq_window:
            self._letters -= self._window[0]
        self._window.append(is_letter)
        self._letters += is_letter
        self._in_a_row = self._in_a_row + 1 if is_letter else 0
        if self._in_a_row >= limits.dlq_in_a_row:
            raise TooManyDeadLetters(_stopped(f"{self._in_a_row} dead letters in a row", "dlq_in_a_row"))
        if self._letters > limits.dlq_share * limits.dlq_window:
            share = f"{self._letters} dead letters among the last {limits.dlq_window} records"
            raise TooManyDeadLetters(_stopped(share, "dlq_share"))


def _stopped(what: str, limit: str) -> str:
    return (
        f"{what}: stopped before the topic drains into dead letters; the last batch is not committed. See "
        f"`sentiment-consumer dlq list` for the reasons, mend the producer, the settings or the model, or raise "
        f"limits.{limit}, then start again"
    )
