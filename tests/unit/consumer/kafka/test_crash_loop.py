"""A record that crashes the process is found and condemned; its neighbours, and clean ends, are not counted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.events import CrashLoopFound, Event
from consumer.kafka.commit_metadata import Commit, CommitMetadata, Place
from consumer.kafka.crash_loop import ALONE_CRASHES, PROBE_S, CrashLoop
from consumer.stream.quarantine import Quarantine
from consumer.stream.records import Ownership, PublishFailed, Record
from shared.errors import KafkaStateError
from tests.support.fakes import record

MAX_CRASHES = 3
REACH = 6
LENGTH = 10
PLACES = (("texts", 0), ("texts", 1), ("texts", 2))
LIVES = 300
"""More lives than any of these groups needs."""
SURE = 3
"""Commits after a lost answer that are not lost: a count costs at most one of them."""
TURNS = 5_000
"""More turns than any life needs."""

Key = tuple[int, int]
"""Partition and offset."""

ALL = {(partition, offset) for _, partition in PLACES for offset in range(LENGTH)}


class Prompt(Random):
    """A group whose broker answers every request at once."""

    def random(self) -> float:
        """The smallest share."""
        return 0.0


class Crashed(Exception):  # noqa: N818
    """The process crashes."""


@dataclass
class Group:
    """Committed offsets, ten records a partition, and their outcome over many lives."""

    killers: frozenset[Key] = frozenset()
    """Records that end any process that scores them."""
    bombs: frozenset[Key] = frozenset()
    """Records that end any process that fetches them."""
    random: Random = field(default_factory=Prompt)
    lost_answers: float = 0.0
    """The share of commits that seem to fail, never one soon after another; half of these succeed."""
    sure: int = 0
    """The next commits, whose answers are not lost."""
    committed: dict[Place, Commit] = field(default_factory=dict)
    letters: list[Key] = field(default_factory=list)
    published: list[Key] = field(default_factory=list)
    named: list[Key] = field(default_factory=list)
    crashes: int = 0
    away: bool = False
    """Whether the coordinator does not answer."""
    leaderless: frozenset[Place] = frozenset()
    """Partitions whose leader does not answer."""

    def ask(self, places: list[Place]) -> list[Commit]:
        """The committed offset; negative if there is none."""
        if self.away:
            raise PublishFailed("away")
        return [self.committed.get(place, Commit(place, -1)) for place in places]

    def commit(self, commits: list[Commit]) -> None:
        """Commits for the group."""
        self.publish(commits, [], [])

    def publish(self, commits: list[Commit], published: list[Key], letters: list[Key]) -> None:
        """Writes and commits in one transaction."""
        is_lost = self.away or (self.sure <= 0 and self.random.random() < self.lost_answers)
        self.sure = SURE if is_lost else self.sure - 1
        if not is_lost or (not self.away and self.random.random() < 0.5):
            self.committed |= {one.place: one for one in commits}
            self.published += published
            self.letters += letters
        if is_lost:
            raise PublishFailed("lost")

    def move_past(self, error: str) -> None:
        """Runs the command of the error, and collects the record that the error names."""
        found = next(one for one in self.committed.values() if _named(one) in error)
        assert found.metadata.fetching >= MAX_CRASHES
        assert f"--to-offset {found.offset + 1}," in error
        self.committed[found.place] = Commit(found.place, found.offset + 1)
        self.named.append((found.place[1], found.offset))


class Life:
    """One process, in the turns of the loop; fetches and passes take their time, and each may be its last."""

    def __init__(self, group: Group, batch: int = REACH) -> None:
        self.group = group
        self.batch = batch
        self.now = 0.0
        self.loop = CrashLoop(
            max_crashes=MAX_CRASHES,
            reach=REACH,
            group="g",
            ask=group.ask,
            commit=group.commit,
            ends=lambda places: dict.fromkeys(set(places) - group.leaderless, LENGTH),
            clock=lambda: self.now,
        )
        self.quarantine = Quarantine(self.loop, reach=REACH)
        self.owners = {place: Ownership() for place in PLACES}
        self.positions: dict[Place, int] = {}
        self.began: dict[Place, int] = {}
        self.in_hand: deque[list[Record]] = deque()
        self.probed: set[Place] = set()
        """The partition that is fetched alone, or waits for it."""

    def begin(self) -> None:
        """Begins partitions, as far as the loop allows."""
        self.loop.settle()
        waiting = [one for one in self.group.ask(list(PLACES)) if one.place not in self.positions]
        found = [one._replace(offset=max(0, one.offset)) for one in waiting]
        begun = set(self.loop.begin(found, alone=not self.in_hand))
        if self.loop.is_probing:
            self.probed = begun or self.probed
        else:
            self.probed = {one.place for one in found if one.metadata.fetching} - begun
        self.began |= {one.place: one.offset for one in found if one.place in begun}
        self.positions |= {place: self.began[place] for place in begun}

    def fetch(self, place: Place) -> None:
        """Fetches a batch of a partition, or learns that it is at its end."""
        position = self.positions[place]
        ahead = range(position, min(LENGTH, position + self.batch))
        if place in self.group.leaderless:
            return
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

    def read(self) -> None:
        """Fetches from partitions that have begun, in any order; sometimes an answer is late."""
        for place in self.group.random.sample(sorted(self.positions), len(self.positions)):
            if self.group.random.random() < 0.7:
                self.fetch(place)

    def take(self) -> None:
        """Hands out records that may be scored now."""
        if self.quarantine.is_careful:
            taken = [] if self.in_hand else self.quarantine.take_alone()
        else:
            taken = self.quarantine.take(self.batch)
        if taken:
            self.in_hand.append(taken)

    def score(self) -> None:
        """Scores the oldest record in flight."""
        if any(_key(one) in self.group.killers - self._condemned(self.in_hand[0]) for one in self.in_hand[0]):
            raise Crashed

    def publish(self) -> None:
        """Publishes the oldest record in flight, and commits."""
        taken = self.in_hand[0]
        self.quarantine.scored(taken)
        condemned = self._condemned(taken)
        last = {(one.topic, one.partition): one for one in taken}
        commits = [Commit(place, one.offset + 1, self.loop.carried(one)) for place, one in last.items()]
        keys = {_key(one) for one in taken}
        self.group.publish(commits, sorted(keys - condemned), sorted(condemned))
        self.loop.published(commits, last.values())
        self.in_hand.popleft()

    def rewind(self) -> None:
        """Goes back to the last commit, as a recovery does."""
        self.in_hand.clear()
        self.quarantine.clear()
        for place in self.positions:
            found = self.group.committed.get(place, Commit(place, -1))
            self.positions[place] = found.offset if found.offset >= 0 else self.began[place]

    def end_in_order(self) -> None:
        """Ends as it does on a signal, with exit code 75 or in a rebalance."""
        was, self.group.lost_answers = self.group.lost_answers, 0.0
        self.loop.withdraw(PLACES)
        self.group.lost_answers = was

    def turn(self) -> None:
        """One turn of the loop."""
        self.now += 1.0
        try:
            self.begin()
        except PublishFailed:
            return
        if self.probed:
            for place in self.probed & self.positions.keys():
                if self.group.random.random() < 0.7:
                    self.fetch(place)
        elif self.quarantine.is_careful:
            self.take()
        else:
            self.read()
            self.take()
        if self.in_hand and self.group.random.random() < 0.7:
            self.score()
            try:
                self.publish()
            except PublishFailed:
                self.rewind()

    def run(self, turns: int = TURNS) -> bool:
        """Runs at most `turns` turns of the loop, then ends cleanly; returns whether everything was committed."""
        for _ in range(turns):
            self.turn()
            if all(self._is_done(place) for place in PLACES):
                return True
        self.end_in_order()
        return False

    def _is_done(self, place: Place) -> bool:
        return self.group.committed.get(place, Commit(place, 0)).offset == LENGTH

    def _condemned(self, taken: list[Record]) -> set[Key]:
        return {_key(letter.record) for letter in self.quarantine.condemned(taken)}


def _key(one: Record) -> Key:
    return one.partition, one.offset


def _named(one: Commit) -> str:
    """The form of a position in an error."""
    return f"{one.place[0]}[{one.place[1]}]: {one.metadata.fetching} processes"


keys = st.tuples(st.integers(0, len(PLACES) - 1), st.integers(0, LENGTH - 1))


@settings(max_examples=300, deadline=None)
@given(
    killers=st.frozensets(keys, max_size=3),
    bombs=st.frozensets(keys, max_size=3),
    batch=st.integers(1, REACH),
    lives=st.lists(
        st.tuples(
            st.integers(0, 8) | st.just(4 * int(PROBE_S)), st.frozensets(st.sampled_from(PLACES), max_size=2)
        ),
        max_size=30,
    ),
    # Not `st.randoms`, whose draws took 60 % of the time.
    random=st.integers(0, 2**32).map(Random),
)
def test_exactly_the_culprits_are_blamed(
    killers: frozenset[Key],
    bombs: frozenset[Key],
    batch: int,
    lives: list[tuple[int, frozenset[Place]]],
    random: Random,
) -> None:
    """Given records that end any process that scores them, and others that end any that fetches them.

    When the process is restarted again and again, after lives that end cleanly within a few turns, with
    unavailable leaders and commits whose answer is lost, then the first kind are dead-lettered, the second kind
    are named by an error, one by one, and everything else is published once.
    """
    killers -= bombs
    group = Group(killers=killers, bombs=bombs, random=random, lost_answers=random.choice([0.0, 0.05, 0.3]))
    for turns, group.leaderless in [*lives, *[(TURNS, frozenset[Place]())] * LIVES]:
        published = len(group.published)
        try:
            if Life(group, batch).run(turns):
                break
        except Crashed:
            group.crashes += len(group.published) == published
        except KafkaStateError as error:
            group.move_past(str(error))
    assert sorted(group.letters) == sorted(killers)
    assert sorted(group.named) == sorted(bombs)
    assert sorted(group.published) == sorted(ALL - killers - bombs)
    if not bombs and not group.lost_answers and not any(away for _, away in lives):
        assert group.crashes <= (MAX_CRASHES + ALONE_CRASHES) * len(killers)


@pytest.mark.parametrize("step", ["begin", "read", "score"])
def test_ends_in_order_count_nothing(step: str) -> None:
    """Given any number of lives that end cleanly before they publish, when the next begins.

    Then none is counted.
    """
    group = Group()
    for _ in range(20):
        life = Life(group)
        life.begin()
        if step != "begin":
            life.read()
        if step == "score":
            life.take()
            life.score()
        life.end_in_order()

    assert all(one.metadata == CommitMetadata() for one in group.committed.values())


def test_a_crash_after_the_pass_blames_nobody() -> None:
    """Given a scored suspect, when its process ends each time before the publish, then it is not condemned.

    Only its pass counts against it.
    """
    group = Group(committed={PLACES[0]: Commit(PLACES[0], 0, CommitMetadata(crashes=MAX_CRASHES))})
    for _ in range(10):
        life = Life(group)
        life.begin()
        life.read()
        life.take()
        life.score()
        life.quarantine.scored(life.in_hand[0])  # and the process ends while it publishes

    assert group.committed[PLACES[0]].metadata.alone == 0


def test_a_suspect_is_not_published_before_the_group_knows_that_it_was_survived() -> None:
    """Given a coordinator that is away when a suspect has its score, then the publish fails and is retried."""
    group = Group(committed={PLACES[0]: Commit(PLACES[0], 0, CommitMetadata(crashes=MAX_CRASHES))})
    life = Life(group)
    life.begin()
    life.read()
    life.take()
    life.score()
    group.away = True

    with pytest.raises(PublishFailed):
        life.publish()
    assert group.published == []

    group.away = False
    life.end_in_order()
    assert group.committed[PLACES[0]].metadata.alone == 0


def test_an_outcome_that_is_not_known_is_not_taken_back() -> None:
    """Given a commit that succeeded although it seemed to fail, when the process ends cleanly.

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
    """Given a suspect behind a good record, when taken, then first the good one, then only the suspect."""
    group = Group(committed={PLACES[1]: Commit(PLACES[1], 0, CommitMetadata(crashes=MAX_CRASHES))})
    life = Life(group)
    life.begin()
    for place in PLACES:
        life.quarantine.add([record(partition=place[1], offset=0, owner=life.owners[place])])
    quarantine = life.quarantine

    assert [one.partition for one in quarantine.take(10)] == [0]
    assert quarantine.is_careful
    assert quarantine.take(10) == []
    suspects = quarantine.take_alone()
    assert [one.partition for one in suspects] == [1]
    assert group.committed[PLACES[1]].metadata.alone == 1
    assert quarantine.is_careful
    assert quarantine.take(10) == []
    quarantine.scored(suspects)
    assert not quarantine.is_careful
    assert [one.partition for one in quarantine.take(10)] == [2]


def test_a_partition_is_probed_with_nothing_in_hand_and_nothing_else_begun() -> None:
    """Given partitions where lives ended before a first record, when begun, then one by one, the others after."""
    marks = {place: Commit(place, 0, CommitMetadata(fetching=1)) for place in PLACES[:2]}
    group = Group(committed=dict(marks))
    life = Life(group)
    offered = group.ask(list(PLACES))

    assert life.loop.begin(offered, alone=False) == []
    for place in PLACES[:2]:
        assert life.loop.begin(offered, alone=True) == [place]
        assert group.committed[place].metadata.fetching == 2
        assert life.loop.is_probing
        assert life.loop.begin(offered, alone=True) == []
        life.loop.read([record(partition=place[1], offset=0, owner=life.owners[place])])
        assert not life.loop.is_probing
        assert group.committed[place].metadata == CommitMetadata(crashes=1)
        offered = [one for one in offered if one.place != place]
    assert life.loop.begin(offered, alone=True) == [PLACES[2]]


def test_a_leader_that_is_away_keeps_nobody_waiting() -> None:
    """Given leaders that do not answer, before or during a probe, then the others begin and nothing is counted."""
    marks = {place: Commit(place, 0, CommitMetadata(fetching=1)) for place in PLACES[:2]}
    group = Group(committed=dict(marks), leaderless=frozenset(PLACES[:1]))
    life = Life(group)

    assert life.loop.begin(group.ask(list(PLACES)), alone=True) == [PLACES[1]]
    life.now += PROBE_S + 1
    life.loop.settle()

    assert not life.loop.is_probing
    assert life.loop.begin(group.ask([PLACES[0], PLACES[2]]), alone=True) == [PLACES[0], PLACES[2]]
    assert {place: group.committed[place] for place in marks} == marks


def test_a_probe_without_an_answer_is_settled_even_if_the_first_commit_fails() -> None:
    """Given a silent leader and a commit that fails once, when settled again, then nothing is counted."""
    marks = {PLACES[0]: Commit(PLACES[0], 0, CommitMetadata(fetching=1))}
    group = Group(committed=dict(marks))
    life = Life(group)
    life.loop.begin(group.ask([PLACES[0]]), alone=True)
    life.now += PROBE_S + 1

    group.away = True
    with pytest.raises(PublishFailed):
        life.loop.settle()
    assert life.loop.is_probing
    group.away = False
    life.loop.settle()

    assert not life.loop.is_probing
    assert {place: group.committed[place] for place in marks} == marks


def test_a_count_whose_answer_is_lost_is_not_counted_twice() -> None:
    """Given a count that is committed although it seemed to fail, when retried, then it is still one life."""
    group = Group(lost_answers=1.0)
    life = Life(group)
    for _ in range(2):
        with pytest.raises(PublishFailed):
            life.begin()
        group.sure = 0
    life.end_in_order()

    assert all(one.metadata == CommitMetadata() for one in group.committed.values())
    assert len(group.committed) == len(PLACES)


def test_what_was_revoked_is_not_handed_out() -> None:
    """Given records of an assignment that ended, when records are taken, then these are gone."""
    life = Life(Group())
    life.begin()
    life.read()
    for owner in life.owners.values():
        owner.held = False

    assert not life.quarantine.is_careful
    assert life.quarantine.take(10) == []


def test_revoked_records_between_others_are_not_handed_out() -> None:
    """Given records of two partitions in turn, when one is revoked, then only those of the other are taken."""
    gone, kept = Ownership(), Ownership()
    quarantine = Life(Group()).quarantine
    quarantine.add(
        [record(partition=number % 2, offset=number, owner=(kept, gone)[number % 2]) for number in range(8)]
    )
    gone.held = False

    assert [one.offset for one in quarantine.take(3)] == [0, 2, 4]
    assert [one.offset for one in quarantine.take(3)] == [6]


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


@pytest.mark.parametrize("alone", [0, ALONE_CRASHES])
def test_a_crash_loop_is_told_to_the_observer(alone: int) -> None:
    """Given a commit with the counts of crashed runs, when its first record is read, then an event has them.

    After ALONE_CRASHES runs that scored it alone it is condemned.
    """
    events: list[Event] = []
    place = PLACES[1]
    loop = CrashLoop(
        max_crashes=MAX_CRASHES,
        reach=REACH,
        group="g",
        ask=lambda _: [],
        commit=lambda _: None,
        ends=lambda _: {},
        observer=events.append,
    )
    loop.begin([Commit(place, 4, CommitMetadata(crashes=MAX_CRASHES - 1, alone=alone))], alone=True)

    loop.read([record(topic=place[0], partition=place[1], offset=4)])

    condemned = alone >= ALONE_CRASHES
    assert events == [CrashLoopFound(place, 4, MAX_CRASHES - 1, alone, is_condemned=condemned)]
