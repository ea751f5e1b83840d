"""What ends the process without a word is found and condemned; its neighbours, and ends in order, are not."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.commit_metadata import Commit, CommitMetadata, Place
from consumer.crash_loop import ALONE_CRASHES, CrashLoop
from consumer.quarantine import Quarantine
from consumer.records import Ownership, PublishFailed, Record
from shared.errors import KafkaStateError
from tests.support.fakes import record

MAX_CRASHES = 3
REACH = 6
LENGTH = 10
PLACES = (("texts", 0), ("texts", 1))
LIVES = 200
"""More lives than any of these groups needs."""

Key = tuple[int, int]
"""Partition and offset."""


class Crashed(Exception):  # noqa: N818
    """The process ends without a word."""


@dataclass
class Group:
    """Committed offsets, ten records a partition, and what became of them over many lives."""

    killers: frozenset[Key] = frozenset()
    """Records that end any process that scores them."""
    bombs: frozenset[Key] = frozenset()
    """Records that end any process that fetches them."""
    committed: dict[Place, Commit] = field(default_factory=dict)
    letters: list[Key] = field(default_factory=list)
    published: list[Key] = field(default_factory=list)
    crashes: int = 0
    away: bool = False
    """Whether the coordinator answers nothing."""

    def ask(self, places: list[Place]) -> list[Commit]:
        """What is committed; below 0 where nothing is."""
        if self.away:
            raise PublishFailed("away")
        return [self.committed.get(place, Commit(place, -1)) for place in places]

    def commit(self, commits: list[Commit]) -> None:
        """Moves the group."""
        if self.away:
            raise PublishFailed("away")
        for one in commits:
            self.committed[one.place] = one

    def move_past(self, error: str) -> Key:
        """Does what the command of the error does; returns the record that the error names."""
        (found,) = (one for one in self.committed.values() if one.metadata.fetching >= MAX_CRASHES)
        topic, partition = found.place
        assert f"{topic}[{partition}]" in error
        assert f"--to-offset {found.offset + 1}," in error
        self.committed[found.place] = Commit(found.place, found.offset + 1)
        return partition, found.offset


class Life:
    """One process, in the steps of the loop; every step may be its last."""

    def __init__(self, group: Group, batch: int = REACH) -> None:
        self.group = group
        self.batch = batch
        self.loop = CrashLoop(max_crashes=MAX_CRASHES, reach=REACH, group="g", ask=group.ask, commit=group.commit)
        self.quarantine = Quarantine(self.loop, reach=REACH)
        self.owners = {place: Ownership() for place in PLACES}
        self.positions: dict[Place, int] = {}

    def begin(self) -> None:
        """Begins what is not begun, as far as the loop lets it."""
        waiting = [one for one in self.group.ask(list(PLACES)) if one.place not in self.positions]
        found = [one._replace(offset=max(0, one.offset)) for one in waiting]
        begun = set(self.loop.begin(found))
        self.positions |= {one.place: one.offset for one in found if one.place in begun}

    def read(self) -> None:
        """Fetches a batch of each partition, or learns that it is at its end."""
        for place, position in self.positions.items():
            ahead = range(position, min(LENGTH, position + self.batch))
            if (place[1], position) in self.group.bombs:
                raise Crashed
            bombs = [offset for offset in ahead if (place[1], offset) in self.group.bombs]
            ahead = range(position, min(bombs, default=ahead.stop))
            if ahead:
                owner = self.owners[place]
                self.quarantine.add([record(partition=place[1], offset=o, owner=owner) for o in ahead])
                self.positions[place] = ahead[-1] + 1
            else:
                self.loop.reached_end(place)
        self.loop.settle()

    def score(self) -> list[Record]:
        """Takes what may be scored and scores it."""
        taken = self.quarantine.take(self.batch, alone=True)
        condemned = {
            (letter.record.partition, letter.record.offset) for letter in self.quarantine.condemned(taken)
        }
        if any(_key(one) in self.group.killers - condemned for one in taken):
            raise Crashed
        return taken

    def publish(self, taken: list[Record]) -> None:
        """Publishes and commits."""
        self.quarantine.scored(taken)
        condemned = {_key(letter.record) for letter in self.quarantine.condemned(taken)}
        last = {(one.topic, one.partition): one for one in taken}
        self.group.commit([Commit(place, one.offset + 1, self.loop.carried(one)) for place, one in last.items()])
        for one in taken:
            (self.group.letters if _key(one) in condemned else self.group.published).append(_key(one))
        for one in last.values():
            self.loop.published(one)

    def end_in_order(self) -> None:
        """Ends as a signal, exit code 75 or a rebalance do."""
        self.loop.withdraw(PLACES)

    def run(self, steps: int = 10_000) -> bool:
        """Lives for so many steps, then ends in order; tells whether all was done before."""
        for _ in range(steps):
            self.begin()
            self.read()
            taken = self.score()
            self.publish(taken)
            is_read_out = list(self.positions.values()) == [LENGTH] * len(PLACES)
            if is_read_out and not taken and not self.quarantine.is_careful:
                return True
        self.end_in_order()
        return False


def _key(one: Record) -> Key:
    return one.partition, one.offset


keys = st.tuples(st.integers(0, 1), st.integers(0, LENGTH - 1))


@settings(max_examples=200, deadline=None)
@given(
    killers=st.frozensets(keys, max_size=3),
    batch=st.integers(1, REACH),
    in_order=st.lists(st.integers(0, 3), max_size=30),
)
def test_exactly_the_killers_are_condemned(killers: frozenset[Key], batch: int, in_order: list[int]) -> None:
    """Given records that end any process that scores them, and lives that end in order after a few steps between.

    When the process is started again and again, then the killers are dead-lettered, all else is published once,
    and the crashes of lives that got no further are bounded.
    """
    group = Group(killers=killers)
    for steps in [*in_order, *[10_000] * LIVES]:
        published = len(group.published)
        try:
            if Life(group, batch).run(steps):
                break
        except Crashed:
            group.crashes += len(group.published) == published
    assert sorted(group.letters) == sorted(killers)
    assert sorted(group.published) == sorted({(p, o) for p in (0, 1) for o in range(LENGTH)} - killers)
    assert group.crashes <= (MAX_CRASHES + ALONE_CRASHES) * len(killers)


@settings(max_examples=200, deadline=None)
@given(
    bombs=st.frozensets(keys, max_size=2),
    batch=st.integers(1, REACH),
    in_order=st.lists(st.integers(0, 2), max_size=20),
)
def test_a_record_that_cannot_be_fetched_halts_and_blames_nobody(
    bombs: frozenset[Key], batch: int, in_order: list[int]
) -> None:
    """Given records that end any process that fetches them, when started again and again, then each is named.

    No letter is written, and once the group has been moved past them everything else is published once.
    """
    group = Group(bombs=bombs)
    named: list[Key] = []
    for steps in [*in_order, *[10_000] * LIVES]:
        try:
            if Life(group, batch).run(steps):
                break
        except Crashed:
            group.crashes += 1
        except KafkaStateError as error:
            named.append(group.move_past(str(error)))
    assert sorted(named) == sorted(bombs)
    assert group.letters == []
    assert sorted(group.published) == sorted({(p, o) for p in (0, 1) for o in range(LENGTH)} - bombs)


@pytest.mark.parametrize("step", ["begin", "read", "score"])
def test_ends_in_order_count_nothing(step: str) -> None:
    """Given any number of lives that end in order before they publish, when the next begins.

    Then none is counted.
    """
    group = Group()
    for _ in range(20):
        life = Life(group)
        life.begin()
        if step != "begin":
            life.read()
        if step == "score":
            life.score()
        life.end_in_order()

    assert all(one.metadata == CommitMetadata() for one in group.committed.values())


def test_a_crash_after_the_pass_blames_nobody() -> None:
    """Given a suspect that has its score, when its process ends each time before the publish, it is not condemned.

    Only its pass is held against it.
    """
    group = Group(committed={PLACES[0]: Commit(PLACES[0], 0, CommitMetadata(crashes=MAX_CRASHES))})
    for _ in range(10):
        life = Life(group)
        life.begin()
        life.read()
        life.quarantine.scored(life.score())  # and it ends while it publishes

    assert group.committed[PLACES[0]].metadata.alone == 0


def test_a_suspect_is_not_published_before_the_group_knows_that_it_was_survived() -> None:
    """Given a coordinator that is away when a suspect has its score, then the publish fails and is tried again."""
    group = Group(committed={PLACES[0]: Commit(PLACES[0], 0, CommitMetadata(crashes=MAX_CRASHES))})
    life = Life(group)
    life.begin()
    life.read()
    taken = life.score()
    group.away = True

    with pytest.raises(PublishFailed):
        life.publish(taken)
    assert group.published == []

    group.away = False
    life.end_in_order()
    assert group.committed[PLACES[0]].metadata.alone == 0


def test_an_outcome_that_is_not_known_is_not_taken_back() -> None:
    """Given a commit that went through although it seemed to fail, when ended in order.

    Then the group stays there.
    """
    group = Group()
    life = Life(group)
    life.begin()
    life.read()
    moved = Commit(PLACES[0], 7)
    group.committed[PLACES[0]] = moved

    life.end_in_order()

    assert group.committed[PLACES[0]] == moved


def test_a_suspect_waits_until_nothing_else_is_in_hand() -> None:
    """Given a suspect behind a good record, when taken not alone, then only the good one is handed out."""
    group = Group(committed={PLACES[1]: Commit(PLACES[1], 0, CommitMetadata(crashes=MAX_CRASHES))})
    life = Life(group, batch=1)
    life.begin()
    life.read()

    assert [one.partition for one in life.quarantine.take(10, alone=False)] == [0]
    assert life.quarantine.is_careful
    assert life.quarantine.take(10, alone=False) == []
    assert [one.partition for one in life.quarantine.take(10, alone=True)] == [1]
    assert group.committed[PLACES[1]].metadata.alone == 1


def test_what_was_revoked_is_not_handed_out() -> None:
    """Given records of an assignment that ended, when taken, then they are gone."""
    life = Life(Group())
    life.begin()
    life.read()
    for owner in life.owners.values():
        owner.held = False

    assert not life.quarantine.is_careful
    assert life.quarantine.take(10, alone=True) == []


@pytest.mark.parametrize(
    "text",
    [None, "", "attempts=2", "[]", "3", "{", '{"crashes":-1}', '{"crashes":true}', '{"topic_id":3}', "[" * 5000],
)
def test_metadata_of_others_says_nothing(text: str | None) -> None:
    """Given metadata of another tool, when read, then it counts nothing."""
    assert CommitMetadata.decode(text) == CommitMetadata()


@given(st.builds(CommitMetadata, st.text(max_size=30), *[st.integers(0, 2**31 - 1)] * 6))
def test_metadata_reads_what_it_wrote(metadata: CommitMetadata) -> None:
    """Given any metadata, when written and read, then it is the same."""
    assert CommitMetadata.decode(metadata.encode()) == metadata
