"""Where a partition begins: at its commit, or, where it has none, where the group's history and the settings say.

A partition without a commit is either new to a group that has others, and then all of it is to be scored; or
the whole group is new, or has lost its offsets, and then `auto_offset_reset` says. Under `latest` the end of
that moment is committed at once, for all partitions of the group together: what comes later, also during a
restart and also for a partition that has been quiet since, is scored. One member does that, the owner of the
first partition of all; the others wait for it, or else the commits of one member would make the partitions of
the next look newly added.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

import structlog

from consumer.kafka.commit_metadata import Commit, reset_command
from shared.errors import KafkaStateError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.kafka.commit_metadata import Place

log = structlog.get_logger()

Reset = Literal["earliest", "latest", "none"]

NAMED_AT_MOST: Final = 5
"""Partitions that a log line names."""


class Beginning(NamedTuple):
    """Where a partition begins."""

    commit: Commit
    """The offset, with the metadata of the commit there and the topic's id of now."""
    is_new: bool
    """Whether the group had no commit."""


class Broker(Protocol):
    """The questions that a beginning takes; each blocks for seconds at most and raises PublishFailed."""

    def committed(self, places: Collection[Place]) -> list[Commit]:
        """What the group has committed at these places."""
        ...

    def commit(self, commits: Sequence[Commit]) -> None:
        """Commits for the group, also at partitions of other members."""
        ...

    def all_places(self) -> list[Place]:
        """All partitions of all topics that the group reads."""
        ...

    def bounds(self, place: Place) -> tuple[int, int]:
        """First offset of a partition, and the offset at which its committed records end."""
        ...

    def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """The id of each topic that exists, or "" where the broker gives none."""
        ...


class StartPolicy:
    """Decides where partitions begin. Used by the Kafka thread only."""

    def __init__(self, broker: Broker, reset: Reset, group: str) -> None:
        self._broker = broker
        self._reset = reset
        self._group = group
        self._has_begun = False
        """Whether this process has begun partitions: those that come later were added since, or created again."""

    def beginnings(self, places: Collection[Place], owned: Collection[Place]) -> list[Beginning]:
        """Where each of `places` begins; those that wait for another member, or for their topic, are left out.

        `owned`: all partitions of this member. Raises PublishFailed where the broker does not answer, and
        KafkaStateError where a beginning is a person's decision.
        """
        ids = self._broker.topic_ids({topic for topic, _ in places})
        found = self._broker.committed([place for place in places if place[0] in ids])
        without = [one.place for one in found if one.offset < 0]
        begun = [Beginning(one, is_new=False) for one in found if one.offset >= 0]
        begun += [Beginning(one, is_new=True) for one in self._without_commit(without, owned)] if without else []
        same = [one._replace(commit=self._same_topic(one.commit, ids[one.commit.place[0]])) for one in begun]
        self._has_begun = self._has_begun or bool(same)
        return same

    def _without_commit(self, places: list[Place], owned: Collection[Place]) -> list[Commit]:
        # Sorted: all members must agree on the first partition, whose owner commits for all of them.
        everything = sorted({*self._broker.all_places(), *places})
        known = {one.place: one for one in self._broker.committed(everything) if one.offset >= 0}
        # Under `latest` the owner of the first partition may have committed since `places` were asked for.
        by_another = [known[place] for place in places if place in known]
        new = [place for place in places if place not in known]
        if known or self._has_begun:
            if new:
                log.info("partitions_added", partitions=named(new), begin="their first record")
            # `CrashLoop.begin` commits these with its count, before the first fetch.
            return by_another + [Commit(place, self._broker.bounds(place)[0]) for place in new]
        if self._reset == "none":
            raise KafkaStateError(
                f"the group {self._group} has no committed offsets, and auto_offset_reset is none: it is new, its "
                "offsets have expired (offsets.retention.minutes of the broker), or group_id was changed. Set "
                f"them with {reset_command(self._group, new[0][0], '--to-datetime DATETIME')}, or set "
                "auto_offset_reset to earliest or latest"
            )
        if self._reset == "latest" and everything[0] not in owned:
            return []
        log.warning(
            "group_without_offsets",
            group=self._group,
            begin=self._reset,
            partitions=named(new),
            hint="expected of a new group; of another the offsets have expired, and texts are scored again or "
            "left out: auto_offset_reset none stops instead",
        )
        if self._reset == "earliest":
            return [Commit(place, self._broker.bounds(place)[0]) for place in new]
        ends = {place: Commit(place, self._broker.bounds(place)[1]) for place in everything}
        # Kept in memory only, they move on while no member runs: 3,000 of 3,000 messages were left undone with the
        # mutant `pin_not_committed`.
        self._broker.commit(list(ends.values()))
        return [ends[place] for place in new]

    def _same_topic(self, commit: Commit, now: str) -> Commit:
        was = commit.metadata.topic_id
        if was and now and was != now:
            raise recreated(commit.place, commit.offset, self._group)
        return commit._replace(metadata=commit.metadata._replace(topic_id=now or was))


def out_of_range(place: Place, offset: int, bounds: tuple[int, int], group: str) -> KafkaStateError:
    """The end of a process whose committed offset does not exist; `bounds` are the first offset and the end."""
    (topic, partition), (first, end) = place, bounds
    name, reset = f"{topic}[{partition}]", partial(reset_command, group, f"{topic}:{partition}")
    if offset < first:
        return KafkaStateError(
            f"{name}: the committed offset {offset} no longer exists, the first one is {first}: records were "
            "deleted before they were scored. Raise the topic's retention, stop all members, move the group on "
            f"with {reset('--to-earliest')}, and start again"
        )
    return KafkaStateError(
        f"{name}: the committed offset {offset} lies beyond the end of the partition, {end}: it has lost records "
        "(an unclean leader election), or the offset was set by hand. Stop all members. To go on with what comes: "
        f"{reset('--to-latest')}. To score again what is there: the same with --to-earliest or --to-offset N. "
        "Then start again"
    )


def recreated(place: Place, committed: int, group: str) -> KafkaStateError:
    """The end of a process that finds a topic deleted and created again, and offsets of the old one committed."""
    topic, partition = place
    return KafkaStateError(
        f"the topic {topic} was deleted and created again while offset {committed} of its partition {partition} "
        "was in use: what the new topic has before that offset would not be scored. To score the new topic from "
        f"its start, stop all members, run {reset_command(group, topic, '--to-earliest')}, then start again"
    )


def named(places: Sequence[Place]) -> list[str]:
    """The first NAMED_AT_MOST partitions, and how many more there are."""
    shown = [f"{topic}-{partition}" for topic, partition in places[:NAMED_AT_MOST]]
    return shown if len(places) <= NAMED_AT_MOST else [*shown, f"and {len(places) - NAMED_AT_MOST} more"]
