"""A record that ends the process again and again is found and condemned; its neighbours are not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.decode import decode
from consumer.records import DeadLetter, Document, Ownership, Record
from consumer.suspects import (
    ALONE_DEATHS,
    Commit,
    Place,
    Suspects,
    as_metadata,
    carried,
    from_metadata,
)
from shared.messages import InputFormat
from tests.support.fakes import record

DEATHS = 3
REACH = 6
PLACES = (("texts", 0), ("texts", 1))


class Group:
    """Committed offsets with their counts, and a log of ten records a partition."""

    def __init__(self) -> None:
        self.committed: dict[Place, Commit] = {}
        self.letters: list[tuple[int, int]] = []
        self.published: list[tuple[int, int]] = []
        self.deaths = 0

    def ask(self, places: list[Place]) -> list[Commit]:
        """What is committed; below 0 where nothing is."""
        return [self.committed.get(place, Commit(place, -1, 0)) for place in places]

    def commit(self, commits: list[Commit]) -> None:
        """Moves the group."""
        for one in commits:
            self.committed[one.place] = one

    def live(self, killers: set[tuple[int, int]], batch: int) -> bool:
        """One life of a process that dies at a killer; tells whether it got to the end."""
        owners = {place: Ownership() for place in PLACES}
        suspects = Suspects(deaths=DEATHS, reach=REACH, committed=self.ask, commit=self.commit)
        for place in PLACES:
            begin = max(0, self.ask([place])[0].offset)
            suspects.add([record(partition=place[1], offset=o, owner=owners[place]) for o in range(begin, 10)])
        while suspects.waiting:
            records = suspects.take(batch, alone=suspects.careful)
            decoded = [decode(one, InputFormat()) for one in records]
            if any(isinstance(one, Document) and _key(one.record) in killers for one in decoded):
                self.deaths += 1
                return False
            for one in decoded:
                place = (one.record.topic, one.record.partition)
                (self.letters if isinstance(one, DeadLetter) else self.published).append(_key(one.record))
                self.committed[place] = Commit(place, one.record.offset + 1, carried(one.record))
        return True


def _key(one: Record) -> tuple[int, int]:
    return one.partition, one.offset


@settings(max_examples=200)
@given(killers=st.sets(st.tuples(st.integers(0, 1), st.integers(0, 9)), max_size=3), batch=st.integers(1, REACH))
def test_exactly_the_killers_are_condemned(killers: set[tuple[int, int]], batch: int) -> None:
    """Given records that end any process that scores them, when it is started again and again, then all ends well.

    The killers are dead-lettered, everything else is published once, and the deaths are bounded.
    """
    group = Group()
    for _ in range(60):
        if group.live(killers, batch):
            break
    assert sorted(group.letters) == sorted(killers)
    assert sorted(group.published) == sorted({(p, o) for p in (0, 1) for o in range(10)} - killers)
    assert group.deaths <= (DEATHS + ALONE_DEATHS) * len(killers)


def test_deaths_elsewhere_condemn_nothing() -> None:
    """Given a process that dies often but elsewhere than in a text, when restarted, then none is condemned."""
    group = Group()
    for _ in range(DEATHS + ALONE_DEATHS + 3):
        owner = Ownership()
        suspects = Suspects(deaths=DEATHS, reach=REACH, committed=group.ask, commit=group.commit)
        suspects.add([record(offset=o, owner=owner) for o in range(3)])  # and dies before it takes one

    assert group.committed["texts", 0] == Commit(("texts", 0), 0, DEATHS - 1)
    (first,) = suspects.take(10, alone=True)
    assert isinstance(decode(first, InputFormat()), Document)


def test_a_suspect_waits_until_nothing_else_is_in_hand() -> None:
    """Given a suspect behind a good record, when taken not alone, then only the good one is handed out."""
    group = Group()
    group.committed["texts", 1] = Commit(("texts", 1), 0, DEATHS - 1)
    suspects = Suspects(deaths=DEATHS, reach=REACH, committed=group.ask, commit=group.commit)
    good, bad = Ownership(), Ownership()
    suspects.add([record(offset=0, owner=good), record(partition=1, offset=0, owner=bad)])

    assert [one.partition for one in suspects.take(10, alone=suspects.careful)] == [0]
    assert suspects.careful
    assert suspects.take(10, alone=False) == []
    assert [one.partition for one in suspects.take(10, alone=True)] == [1]
    assert group.committed["texts", 1].attempts == DEATHS


def test_the_same_record_again_in_one_process_counts_once() -> None:
    """Given a failed publish, when its record is handed out again, then that is no further death."""
    group = Group()
    group.committed["texts", 0] = Commit(("texts", 0), 0, DEATHS - 1)
    suspects = Suspects(deaths=DEATHS, reach=REACH, committed=group.ask, commit=group.commit)
    owner = Ownership()
    for _ in range(4):
        suspects.add([record(offset=0, owner=owner)])
        suspects.take(1, alone=True)
        owner = Ownership(0, owner.caution)

    assert group.committed["texts", 0].attempts == DEATHS


def test_what_was_revoked_is_not_handed_out() -> None:
    """Given records of an assignment that ended, when taken, then they are gone."""
    group = Group()
    owner = Ownership()
    suspects = Suspects(deaths=DEATHS, reach=REACH, committed=group.ask, commit=group.commit)
    suspects.add([record(offset=0, owner=owner)])
    owner.held = False

    assert not suspects.waiting
    assert suspects.take(1, alone=True) == []


@pytest.mark.parametrize(
    ("metadata", "attempts"),
    [
        ("attempts=2", 2),
        ("", 0),
        (None, 0),
        ("attempts=", 0),
        ("attempts=-1", 0),
        ("other", 0),
        ("attempts=9x", 0),
    ],
)
def test_metadata_of_others_counts_nothing(metadata: str | None, attempts: int) -> None:
    """Given metadata of ours or of somebody else, when read, then only ours counts."""
    assert from_metadata(metadata) == attempts
    assert from_metadata(as_metadata(attempts)) == attempts
