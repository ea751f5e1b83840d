"""How the reading goes, for the page's state line. Written by the reader's threads, read by the server's."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Status:
    """Single values, each written by one thread; a reader may see them a moment apart."""

    phase: str = "connecting"
    """connecting, loading or live."""
    trouble: str | None = None
    """What keeps records from coming, and what to do."""
    loaded: int = 0
    to_load: int = 0
    """Offsets of the history that are read, and all of them."""
    history_cut: bool = False
    """Whether the bound of bytes left out the beginning of the history."""
    missing_topics: tuple[str, ...] = ()
    lag: dict[str, Any] | None = None
    """Of the consumer group: records in all, the largest of a partition, or why it is unknown."""
    metrics: dict[str, Any] | None = None
    texts: str | None = None
    """Why no texts are read, if that is so for a whole topic."""
    alive_s: float = field(default_factory=time.monotonic)
    """When the reader's loop last turned."""

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return {
            "phase": self.phase,
            "trouble": self.trouble,
            "loaded": self.loaded,
            "to_load": self.to_load,
            "history_cut": self.history_cut,
            "missing_topics": self.missing_topics,
            "lag": self.lag,
            "metrics": self.metrics,
            "texts": self.texts,
        }
