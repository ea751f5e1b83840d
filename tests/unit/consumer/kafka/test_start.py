"""Where partitions begin: no change of topics or members, under any setting, skips a text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.kafka.commit_metadata import Commit, CommitMetadata, Place
from consumer.kafka.start import StartPolicy
from shared.errors import KafkaStateError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.kafka.start import Reset


@dataclass
class Topics:
    """A broker: topics with their ids and partitions, each with its records, and the commits of one group."""

    ends: dict[Place, int] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    commits: dict[Place, Commit] = field(default_factory=dict)

    def create(self, topic: str, partitions: int, records: int = 0) -> None:
        """Creates a topic with `records` records per partition."""
        self.ids[topic] = f"{topic}-{len(self.ids)}-{sum(self.ends.values())}"
        self.ends |= {(topic, number): records for number in range(partitions)}

    def committed(self, places: Collection[Place]) -> list[Commit]:
        """The group's commits."""
        return [self.commits.get(place, Commit(place, -1)) for place in places]

    def commit(self, commits: Sequence[Commit]) -> None:
        """Commits."""
        self.commits |= {one.place: one for one in commits}

    def all_places(self) -> list[Place]:
        """All partitions."""
        return list(self.ends)

    def bounds(self, place: Place) -> tuple[int, int]:
        """From 0 to its end."""
        return 0, self.ends[place]

    def topic_ids(self, topics: Collection[str]) -> Mapping[str, str]:
        """The current ids."""
        return {topic: self.ids[topic] for topic in topics}


class Member:
    """A member that reads its partitions to the end on demand."""

    def __init__(self, topics: Topics, reset: Reset) -> None:
        self._topics = topics
        self._policy = StartPolicy(topics, reset, "g")
        self.positions: dict[Place, int] = {}

    def own(self, places: Collection[Place]) -> None:
        """Takes exactly these partitions, and begins the new ones."""
        self.positions = {place: offset for place, offset in self.positions.items() if place in places}
        new = [place for place in places if place not in self.positions]
        for one in self._policy.beginnings(new, places) if new else []:
            self.positions[one.commit.place] = one.commit.offset
            self._topics.commit([one.commit])  # like the crash loop

    def read(self) -> set[tuple[Place, int]]:
        """Reads and commits everything."""
        read = {
            (place, offset)
            for place, position in self.positions.items()
            for offset in range(position, self._topics.ends[place])
        }
        for place in self.positions:
            self.positions[place] = self._topics.ends[place]
            self._topics.commit([Commit(place, self._topics.ends[place])])
        return read


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("produce"), st.integers(0, 5)),
        st.tuples(st.just("partition"), st.just(0)),
        st.tuples(st.just("topic"), st.integers(0, 2)),
        st.tuples(st.just("rebalance"), st.integers(1, 3)),
        st.tuples(st.just("restart"), st.integers(1, 3)),
        st.tuples(st.just("read"), st.just(0)),
    ),
    max_size=14,
)


@settings(max_examples=300, deadline=None)
@given(
    steps=STEPS, reset=st.sampled_from(["earliest", "latest"]), members=st.integers(1, 3), old=st.integers(0, 3)
)
def test_what_comes_after_the_group_has_begun_is_read_once(
    steps: list[tuple[str, int]], reset: Reset, members: int, old: int
) -> None:
    """Given a group that begins, and then records, partitions, topics, rebalances and restarts in any order.

    When everything is read, then every record that came after the beginning was read exactly once, and those
    before it only under `earliest`.
    """
    topics = Topics()
    topics.create("b", 2, old)
    group = [Member(topics, reset) for _ in range(members)]
    wanted = {(place, offset) for place in topics.ends for offset in range(old if reset == "earliest" else 0)}
    found: list[tuple[Place, int]] = []

    def share() -> None:
        places = sorted(topics.ends)
        # The owner of the first partition may come last: the others have to wait for it.
        for _ in range(2):
            for number, member in reversed(list(enumerate(group))):
                member.own([place for at, place in enumerate(places) if at % len(group) == number])

    share()
    for step, number in steps:
        if step == "produce":
            place = sorted(topics.ends)[number % len(topics.ends)]
            topics.ends[place] += 1
            wanted.add((place, topics.ends[place] - 1))
        elif step == "partition":
            place = ("b", sum(topic == "b" for topic, _ in topics.ends))
            topics.ends[place] = 2
            wanted |= {(place, 0), (place, 1)}
        elif step == "topic" and f"{'ac'[number % 2]}" not in topics.ids:
            topics.create("ac"[number % 2], 1, 3)
            wanted |= {(("ac"[number % 2], 0), offset) for offset in range(3)}
        elif step == "rebalance":
            group = group[:number] + [Member(topics, reset) for _ in range(number - len(group))]
            share()
        elif step == "restart":
            group = [Member(topics, reset) for _ in range(number)]
            share()
        else:
            found += [one for member in group for one in member.read()]
    share()
    found += [one for member in group for one in member.read()]

    assert sorted(found) == sorted(wanted)


def test_a_group_without_commits_ends_the_process_where_it_must_not_begin() -> None:
    """Given `none`, when no partition has a commit, then the process ends; if another has one, it continues."""
    topics = Topics()
    topics.create("a", 1, 5)
    with pytest.raises(KafkaStateError, match=r"no committed offsets.*auto_offset_reset is none"):
        Member(topics, "none").own([("a", 0)])

    topics.commit([Commit(("a", 0), 5)])
    topics.create("b", 1, 5)
    member = Member(topics, "none")
    member.own([("a", 0), ("b", 0)])
    assert member.positions == {("a", 0): 5, ("b", 0): 0}


def test_a_commit_of_a_topic_of_that_name_that_was_deleted_halts() -> None:
    """Given a commit with the id of a topic, when the topic has another id, then the process says what to do."""
    topics = Topics()
    topics.create("a", 1, 9)
    topics.commit([Commit(("a", 0), 4, CommitMetadata(topic_id="old"))])
    with pytest.raises(KafkaStateError, match=r"deleted and created again.*--group g --topic a .*--to-earliest"):
        Member(topics, "earliest").own([("a", 0)])


def test_the_id_of_a_topic_goes_with_its_beginning() -> None:
    """Given a topic with an id, when it is begun, then its first commit carries the id."""
    topics = Topics()
    topics.create("a", 1)
    Member(topics, "earliest").own([("a", 0)])

    assert topics.commits["a", 0].metadata.topic_id == topics.ids["a"]
