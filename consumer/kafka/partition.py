"""An assigned partition, and how far it has been read. Plain state; knows no client."""

from __future__ import annotations

from dataclasses import dataclass, field

from consumer.stream.records import Ownership


@dataclass(slots=True)
class Partition:
    """What the source knows of a partition; used by the Kafka thread only."""

    owner: Ownership = field(default_factory=Ownership)
    topic_id: str = ""
    is_begun: bool = False
    is_new: bool = False
    """Whether the group had no commit here when it was begun."""
    asked_for_s: float = 0.0
    """When fetching began or was resumed, in monotonic seconds; infinity once a record or the end was received."""
    began: int = 0
    """The offset at which this member began, and goes back to where nothing is committed."""
    next: int = 0
    """Offset that is expected next: behind the last record, or behind what follows it up to the end."""
    last: int = -1
    """Offset of the last record read."""
    committed: int = 0
    """The last offset that this member committed, or began at."""
    asked_at: int = 0
    """`next` when the topic's id was last asked for."""
    known_to: int = 0
    """`next` when the id was asked for that has last been answered as it was: all before is of the same topic."""

    def go_to(self, offset: int) -> None:
        """Reads on from an offset; nothing read so far is held any more."""
        self.owner.held = False
        # A new token: records in hand carry the old one, and must stay dropped.
        self.owner = Ownership()
        self.next = self.committed = self.asked_at = self.known_to = offset
        self.last = -1
