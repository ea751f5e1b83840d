"""Lag in records is against the commit, and in seconds that of the oldest record that is not committed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.metrics import INFLIGHT_BYTES, INFLIGHT_ROWS, LAG_RECORDS, LAG_SECONDS, MAX_SERIES, OTHER
from consumer.monitoring.lag import ENDS_S, FIND_S, InHand, Lag
from tests.support.fakes import FakeClock, record

if TYPE_CHECKING:
    from collections.abc import Collection

    from consumer.kafka.commit_metadata import Place
    from consumer.metrics import Metric

NOW_S: Final = 1_700_000_100.0
HERE: Final = ("texts", 0)
THERE: Final = ("texts", 1)


class Brokers:
    """Partitions of records, each with the seconds since its timestamp; None for a marker."""

    def __init__(self, **partitions: list[float | None]) -> None:
        self.logs = {("texts", int(name[1:])): log for name, log in partitions.items()}
        self.away: set[Place] = set()
        """Partitions whose leader does not answer."""
        self.asked: list[Place] = []
        """Partitions of which a record was looked up."""
        self.in_hand = InHand()
        self.timer = FakeClock()
        self.lag = Lag(self.in_hand, self.ends, self.find, clock=lambda: NOW_S, timer=self.timer)

    def ends(self, places: Collection[Place], within_s: float) -> dict[Place, int]:
        """The lengths."""
        assert within_s == ENDS_S
        return {place: len(self.logs[place]) for place in places if place not in self.away}

    def find(self, place: Place, offset: int, within_s: float) -> int | None:
        """The timestamp of the first record."""
        assert within_s <= FIND_S
        assert place not in self.away
        self.asked.append(place)
        return next((_ms(age) for age in self.logs[place][offset:] if age is not None), None)

    def submit(self, place: Place, *offsets: int) -> None:
        """Reads records."""
        ages = [(offset, self.logs[place][offset]) for offset in offsets]
        records = [
            record(topic=place[0], partition=place[1], offset=offset, timestamp_ms=_ms(age))
            for offset, age in ages
            if age is not None
        ]
        self.in_hand.submit(records, size=10 * len(records))

    def scrape(self, metric: Metric) -> dict[tuple[str, ...], float]:
        """The series of one metric."""
        return {one.labels: one.value for one in self.lag() if one.metric is metric}

    def seconds(self) -> dict[int, float]:
        """Lag in seconds by the number of the partition."""
        return {int(labels[1]): value for labels, value in self.scrape(LAG_SECONDS).items()}

    def records(self) -> dict[int, float]:
        """Lag in records by the number of the partition."""
        return {int(labels[1]): value for labels, value in self.scrape(LAG_RECORDS).items()}


def _ms(age_s: float) -> int:
    return int((NOW_S - age_s) * 1000)


def test_nothing_is_behind_a_commit_at_the_end() -> None:
    """Given a partition that is read out, also past the marker of a transaction, then its lag is 0 in both."""
    brokers = Brokers(p0=[9.0, 8.0, None])
    brokers.in_hand.begin({HERE: 0})
    brokers.submit(HERE, 0, 1)
    brokers.in_hand.commit({HERE: 3})
    brokers.in_hand.end(1)

    assert (brokers.records(), brokers.seconds(), brokers.asked) == ({0: 0}, {0: 0}, [])


def test_a_marker_that_is_not_committed_is_behind_but_has_no_age() -> None:
    """Given a commit before the marker at the end, then the lag is 1 record, as Kafka's tool shows it, and 0 s."""
    brokers = Brokers(p0=[9.0, None])
    brokers.in_hand.begin({HERE: 1})

    assert (brokers.records(), brokers.seconds()) == ({0: 1}, {0: 0})


def test_records_in_hand_are_not_committed() -> None:
    """Given records in hand, then the oldest of each partition counts, without a question to the brokers.

    After a commit it is the next, and an older one of another partition does not matter.
    """
    brokers = Brokers(p0=[50.0, 40.0, 30.0], p1=[99.0, 7.0])
    brokers.in_hand.begin({HERE: 0, THERE: 1})
    brokers.submit(HERE, 0, 1)
    brokers.submit(THERE, 1)
    brokers.submit(HERE, 2)
    assert (brokers.records(), brokers.seconds()) == ({0: 3, 1: 1}, {0: 50, 1: 7})
    assert brokers.scrape(INFLIGHT_ROWS) == {(): 4}
    assert brokers.scrape(INFLIGHT_BYTES) == {(): 40}

    brokers.in_hand.commit({HERE: 2})
    brokers.in_hand.end(1)

    assert (brokers.records(), brokers.seconds(), brokers.asked) == ({0: 1, 1: 1}, {0: 30, 1: 7}, [])


def test_a_record_that_nobody_has_in_hand_is_looked_up_once() -> None:
    """Given a partition that waits behind others, when scraped twice, then its age is true, and asked for once."""
    brokers = Brokers(p0=[50.0], p1=[None, 70.0])
    brokers.in_hand.begin({HERE: 0, THERE: 0})
    brokers.submit(HERE, 0)

    assert [brokers.seconds(), brokers.seconds()] == [{0: 50, 1: 70}] * 2
    assert brokers.asked == [THERE]


def test_the_age_survives_a_recovery() -> None:
    """Given a recovery that drops what is in hand, when scraped, then the oldest record is as old as before."""
    brokers = Brokers(p0=[50.0, 40.0])
    brokers.in_hand.begin({HERE: 0})
    brokers.submit(HERE, 0, 1)
    brokers.in_hand.clear()
    brokers.in_hand.begin({HERE: 1})

    assert brokers.seconds() == {0: 40}
    assert brokers.scrape(INFLIGHT_ROWS) == {(): 0}


def test_what_is_not_known_is_absent() -> None:
    """Given leaders that do not answer, then only the age of what is in hand is there."""
    brokers = Brokers(p0=[50.0], p1=[70.0], p2=[5.0])
    brokers.in_hand.begin({HERE: 0, THERE: 0, ("texts", 2): 0})
    brokers.submit(HERE, 0)
    brokers.away = {HERE, THERE}

    assert (brokers.records(), brokers.seconds()) == ({2: 1}, {0: 50, 2: 5})


def test_a_slow_look_up_does_not_hold_the_scrape_up() -> None:
    """Given look-ups that time out, when the time for them is used, then the other partitions are not asked."""
    brokers = Brokers(p0=[50.0], p1=[70.0])
    brokers.in_hand.begin({HERE: 0, THERE: 0})

    def find(place: Place, _offset: int, within_s: float) -> int | None:
        brokers.asked.append(place)
        brokers.timer.now_s += within_s
        raise TimeoutError

    lag = Lag(brokers.in_hand, brokers.ends, find, clock=lambda: NOW_S, timer=brokers.timer)

    assert {one.labels for one in lag() if one.metric is LAG_RECORDS} == {("texts", "0"), ("texts", "1")}
    assert not [one for one in lag() if one.metric is LAG_SECONDS]
    assert len(brokers.asked) == 2, "one look-up a scrape"


def test_a_revoked_partition_is_gone() -> None:
    """Given a partition that another member has now, when a late commit is noted, then it has no series here."""
    brokers = Brokers(p0=[50.0], p1=[70.0])
    brokers.in_hand.begin({HERE: 0, THERE: 0})
    brokers.in_hand.revoke([HERE])
    brokers.in_hand.commit({HERE: 1, THERE: 1})

    assert (brokers.records(), brokers.seconds()) == ({1: 0}, {1: 0})


def test_partitions_beyond_the_bound_are_one_series() -> None:
    """Given more partitions than MAX_SERIES, then the largest have names, and the rest is one sum and maximum."""
    count = MAX_SERIES + 50
    logs: dict[str, list[float | None]] = {f"p{number}": [float(number)] * (number + 1) for number in range(count)}
    brokers = Brokers(**logs)
    brokers.in_hand.begin({("texts", number): 0 for number in range(count)})
    for number in range(count):
        brokers.submit(("texts", number), 0)

    records, seconds = brokers.scrape(LAG_RECORDS), brokers.scrape(LAG_SECONDS)
    assert (len(records), len(seconds)) == (MAX_SERIES, MAX_SERIES)
    assert sum(records.values()) == count * (count + 1) / 2
    assert records["texts", str(count - 1)] == count
    assert seconds[OTHER, OTHER] == 50


@given(
    length=st.integers(0, 12),
    steps=st.lists(st.sampled_from(["read", "publish", "recover"]), max_size=30),
    size=st.integers(1, 4),
)
@settings(deadline=None)
def test_the_lag_is_always_that_of_the_commit(length: int, steps: list[str], size: int) -> None:
    """Given any order of reads, publishes and recoveries, then both lags follow from log and commit alone."""
    ages: list[float | None] = [100.0 - number for number in range(length)]
    brokers = Brokers(p0=ages)
    brokers.in_hand.begin({HERE: 0})
    committed, read = 0, [0]
    for step in ["scrape", *steps]:
        if step == "read" and read[-1] < length:
            read.append(min(read[-1] + size, length))
            brokers.submit(HERE, *range(read[-2], read[-1]))
        elif step == "publish" and len(read) > 1:
            committed = read[1]
            brokers.in_hand.commit({HERE: committed})
            brokers.in_hand.end(1)
            read = read[1:]
        elif step == "recover":
            brokers.in_hand.clear()
            brokers.in_hand.begin({HERE: committed})
            read = [committed]

        assert brokers.records() == {0: length - committed}
        assert brokers.seconds() == {0: pytest.approx(100 - committed if committed < length else 0)}
