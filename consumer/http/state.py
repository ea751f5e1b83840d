"""What the HTTP side knows of its process: scheduler, health, and what has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.events import ModelLoaded, PartitionsAssigned

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from consumer.events import Event
    from shared.errors import ScorerError
    from shared.inference.scheduler import Scheduler


class ServiceState:
    """The state of one process; any thread may read it. `observe` is an observer of the service's events."""

    def __init__(self, stop: threading.Event, *, needs_group: bool) -> None:
        """`stop` is set by SIGTERM; with `needs_group` the process is not ready before it has joined its group."""
        self.scheduler: Scheduler | None = None
        """Scores, once the model is loaded."""
        self.is_stalled: Callable[[], bool] = lambda: False
        """Whether the loop or the scheduler has stalled."""
        self.is_isolating: Callable[[], bool] = lambda: False
        """Whether records are scored alone to find one that ends the process: a request's text that does so would
        be blamed on such a record."""
        self._stop = stop
        self._has_model = False
        self._has_joined = not needs_group
        self._failure: ScorerError | None = None

    def observe(self, event: Event) -> None:
        """Learns of the model and of the group."""
        if isinstance(event, ModelLoaded):
            self._has_model = True
        elif isinstance(event, PartitionsAssigned):
            self._has_joined = True

    def fail(self, error: ScorerError) -> None:
        """Says that the scorer has failed at the texts of a request, which ends the process."""
        self._failure = error

    def check(self) -> None:
        """Raises what `fail` was called with; called by the main thread at each turn of its loop."""
        if self._failure is not None:
            raise self._failure

    @property
    def is_alive(self) -> bool:
        """Whether nothing has stalled. A broker that is away changes nothing: a restart cannot help."""
        return not self.is_stalled()

    @property
    def has_started(self) -> bool:
        """Whether the model answers."""
        return self._has_model

    @property
    def is_ready(self) -> bool:
        """Whether the model answers, the group was joined, and nobody has asked the process to stop."""
        return self._has_model and self._has_joined and not self._stop.is_set()
