"""What flows between the parts of the consumer. Plain immutable values; no Kafka, no model.

What there is one of for each message is a named tuple, which is made in a third of a frozen dataclass's time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.kafka.commit_metadata import Commit, CommitMetadata
    from shared.messages import Headers
    from shared.reasons import Stage

_FRAME_BYTES: Final = 10
"""What the lengths of a header's name and value take at most; 100,000 headers without any content add up."""


class Ownership:
    """Token of one assignment of one partition; its records share it.

    A record read under an assignment that has since been revoked carries a token that is no longer held, and
    is dropped before it is published: whoever owns the partition now scores it again.
    """

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = True
        """Until the partition is revoked or read anew from the last commit; never again after that."""


class Record(NamedTuple):
    """One record of an input topic, with nothing lost on the way."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    key: bytes | None
    value: bytes | None
    headers: Headers
    owner: Ownership
    headers_lost: bool = False
    """Whether it has headers that the Kafka client cannot read; `headers` is then empty."""

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        return len(self.key or b"") + len(self.value or b"") + _size(self.headers)


class Document(NamedTuple):
    """A record whose text can be scored."""

    record: Record
    id: str
    text: str
    id_unusable: bool = False
    """Whether the value has an id that cannot be one, so that `id` is that of the record's place."""


class Deletion(NamedTuple):
    """A record that deletes a row of a changelog and so has no text; the reason says which null does it."""

    record: Record
    reason: str


class DeadLetter(NamedTuple):
    """A record that will never be scored, and why. The reason never quotes the payload."""

    record: Record
    stage: Stage
    error: str
    """A `Reason`, or the broker's name for an error at stage `publish`."""
    reason: str


class Outgoing(NamedTuple):
    """A record to be written: to the partition that follows from where `source` stood."""

    source: Record
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    """Epoch milliseconds; 0 means the time of writing."""

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        return len(self.source.key or b"") + len(self.value or b"") + _size(self.headers)


def _size(headers: Headers) -> int:
    size = 0
    for name, value in headers:
        # In bytes: with long names outside ASCII the size was too small, and the client refused the record at
        # every start.
        size += len(name.encode()) + len(value or b"") + _FRAME_BYTES
    return size


class PublishFailed(Exception):  # noqa: N818 - a state the loop recovers from, not an end
    """Nothing, or not all, was published; the loop rewinds to the last commit and goes on."""

    def __init__(self, reason: str, *, refused: str | None = None, is_written: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused
        """The broker's error name, if it refuses a record and would refuse it again."""
        self.is_written = is_written
        """Whether everything is in the output topics, and only the commit failed: it is written again."""


class Source(Protocol):
    """Kafka in: records of the partitions this member owns. Used by one thread only.

    `begin`, `caught_up`, `rewind` and `close` ask the broker and may block for seconds; `read` does not but for
    its `wait_s`.
    """

    joined: bool
    """Whether the group has assigned partitions (perhaps none) to this member."""

    @property
    def is_probing(self) -> bool:
        """Whether a partition that may crash the process is fetched now, or next: nothing is scored meanwhile."""
        ...

    def begin(self, *, alone: bool) -> list[Commit]:
        """Begins to read the partitions assigned since the last call; returns where, and what was committed there.

        A partition whose beginning is not known yet is left to the next call, and so is one that may end the
        process, unless nothing is in hand: `alone`.
        """
        ...

    def read(self, max_records: int, wait_s: float) -> list[Record]:
        """Returns at most `max_records`, in order per partition; waits only while there is none; few if paused.

        Must be called at least once per poll interval, also while paused: it is what keeps membership.
        """
        ...

    def pause(self) -> None:
        """Stops fetching for all partitions, those assigned later included."""
        ...

    def resume(self) -> None:
        """Ends `pause`."""
        ...

    def commits_after(self, records: Sequence[Record]) -> list[Commit]:
        """What is to be committed once these are published: the records of a publish, in order."""
        ...

    def commits_at_ends(self) -> list[Commit]:
        """The ends of partitions whose records are all committed, if only transaction markers or the like follow.

        An end is returned until it is committed.
        """
        ...

    def published(self, commits: Sequence[Commit], records: Sequence[Record]) -> None:
        """Notes that commits are made, and with them the publish of `records`."""
        ...

    def rewind(self) -> None:
        """Goes back to the last commit; no record read so far is held any more."""
        ...

    def caught_up(self) -> bool:
        """Whether every owned partition is read to its end of now; false where the broker does not say."""
        ...

    def lag_records(self) -> int:
        """Offsets between what is to be committed next and the end of the owned partitions, as last heard."""
        ...

    def close(self, mark: Callable[[CommitMetadata], CommitMetadata] | None) -> None:
        """Leaves the group.

        With `mark` the process stops cleanly, so this run no longer counts as a crash.
        """
        ...


class Outbox(Protocol):
    """Kafka out: results, dead letters and the input's offsets together. Used by the source's thread."""

    def publish(
        self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], commits: Sequence[Commit]
    ) -> None:
        """Returns when all is written and the offsets are committed; else PublishFailed."""
        ...

    def reset(self) -> None:
        """Abandons whatever is unfinished and starts anew; part of every recovery."""
        ...

    def close(self) -> None:
        """Takes back whatever is unfinished."""
        ...
