"""How often something may be asked for."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from dashboard.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE_S: Final = 60.0


class RateLimit:
    """At most `per_minute` in any 60 seconds, of all viewers together. For one thread."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._times: deque[float] = deque(maxlen=per_minute)
        self._clock = clock

    def take(self) -> None:
        """Counts one; raises Problem with the time to wait."""
        now = self._clock()
        if len(self._times) == self._times.maxlen and now - self._times[0] < MINUTE_S:
            wait_s = int(MINUTE_S - (now - self._times[0])) + 1
            raise Problem(429, "too_many", f"too many in a minute; try again in {wait_s} s", retry_after_s=wait_s)
        self._times.append(now)
