"""What this service writes into the metadata of a commit, which Kafka keeps with the offset.

It holds what the next run of a process must know of the last one and cannot learn from the offset alone. It is
kept by Kafka, not by a file, because the next run may be on another machine.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

Place = tuple[str, int]
"""Topic and partition."""


class CommitMetadata(NamedTuple):
    """The metadata of one commit; a field at its default is left out."""

    topic_id: str = ""
    """Of the topic that the offset belongs to: a topic that was deleted and created again has another."""
    fetching: int = 0
    """Runs that began to fetch here and crashed before they had a first record."""
    crashes: int = 0
    """Runs that had read the record here and crashed before it was published."""
    alone: int = 0
    """Runs that crashed while they scored the record here alone."""
    letters_in_a_row: int = 0
    """Dead letters since the last result, where the dead-letter limit ended the process."""
    letters: int = 0
    """Dead letters among the last `window` records, where the dead-letter limit ended the process."""
    window: int = 0

    def encode(self) -> str:
        """As JSON; the empty string where there is nothing to say."""
        said = {name: value for name, value in self._asdict().items() if value}
        return json.dumps(said, separators=(",", ":")) if said else ""

    @classmethod
    def decode(cls, text: str | None) -> CommitMetadata:
        """Reads what `encode` wrote; metadata of other tools says nothing."""
        try:
            said = json.loads(text or "{}")
        except (ValueError, RecursionError):  # `json` raises the latter for deep nesting
            return cls()
        if not isinstance(said, dict):
            return cls()
        return cls(*(_valid(said.get(name), default) for name, default in cls()._asdict().items()))


class Commit(NamedTuple):
    """A committed offset, or one to be committed; an offset below 0 means that there is none."""

    place: Place
    offset: int
    metadata: CommitMetadata = CommitMetadata()


def _valid(value: Any, default: Any) -> Any:
    """The value where it is one that `encode` writes in the default's place."""
    if isinstance(default, str):
        return value if isinstance(value, str) else default
    # `isinstance` would let a JSON `true` pass as the number 1.
    return value if type(value) is int and 0 <= value < 2**31 else default


def reset_command(group: str, topic: str, to: str) -> str:
    """The command of Kafka's own tools that moves a group and clears the metadata.

    `topic` may be `name:partition`.
    """
    return (
        f"kafka-consumer-groups --bootstrap-server SERVER --group {group} --topic {topic} "
        f"--reset-offsets {to} --execute"
    )
