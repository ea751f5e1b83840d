"""The guarantees that the loop needs from any transport, tested on the fakes and on a real Kafka alike."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition

from consumer.stream.records import PublishFailed
from shared.errors import KafkaStateError
from tests.contract.transports import (
    DEADLINE_S,
    MAX_BYTES,
    FakeTransport,
    KafkaTransport,
    answers,
    placed,
)
from tests.support.fakes import TIMESTAMP_MS
from tests.support.topics import Sent, hold_commits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka.admin import AdminClient

    from consumer.stream.records import Record
    from sentiment_testing.kafka import Broker, MakeTopic
    from tests.contract.transports import Member, Transport
    from tests.support.fakes import Written

AWKWARD = [
    Sent(b"plain", key=b"key", headers=(("trace", b"\x00\xff"),), timestamp_ms=TIMESTAMP_MS),
    Sent(b"no key", timestamp_ms=TIMESTAMP_MS - 1),
    Sent(None, key=b"tombstone", timestamp_ms=TIMESTAMP_MS),
    Sent(b"", key=b"", timestamp_ms=TIMESTAMP_MS),
    Sent(b"twice", headers=(("same", b"1"), ("same", b"2"), ("other", b"3")), timestamp_ms=TIMESTAMP_MS),
    Sent(b"null header", headers=(("nothing", None), ("empty", b"")), timestamp_ms=TIMESTAMP_MS),
    Sent(b"not \xff utf-8", timestamp_ms=1),
]


@pytest.fixture(
    params=[
        "fake",
        pytest.param("at-least-once", marks=pytest.mark.kafka),
        pytest.param("exactly-once", marks=pytest.mark.kafka),
    ]
)
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    """Each transport in turn."""
    found: Transport = FakeTransport() if request.param == "fake" else real(request, request.param)
    yield found
    found.close()


@pytest.fixture
def exactly_once(kafka: Broker, topic: MakeTopic) -> Iterator[KafkaTransport]:
    """Kafka with transactions."""
    found = KafkaTransport(kafka, topic, "exactly-once")
    yield found
    found.close()


def real(request: pytest.FixtureRequest, delivery: str) -> KafkaTransport:
    """Requests the broker only if the test needs it."""
    return KafkaTransport(request.getfixturevalue("kafka"), request.getfixturevalue("topic"), delivery)


def numbered(count: int, partition: int = 0) -> list[Sent]:
    """Records with distinct values."""
    return [Sent(f"{partition}/{number}".encode(), partition=partition) for number in range(count)]


def values(records: list[Record]) -> list[bytes | None]:
    """Only the values."""
    return [one.value for one in records]


def test_records_arrive_once_in_order_and_intact(transport: Transport) -> None:
    """Given awkward records on two partitions, when read, then each comes once, in order, unchanged."""
    transport.produce(*AWKWARD, *(replace(one, partition=1) for one in AWKWARD))

    records = transport.join().read_all(2 * len(AWKWARD))

    for partition in (0, 1):
        found = [one for one in records if one.partition == partition]
        assert [one.offset for one in found] == list(range(len(AWKWARD)))
        assert [(one.key, one.value, one.headers, one.timestamp_ms) for one in found] == [
            (one.key, one.value, one.headers, one.timestamp_ms) for one in AWKWARD
        ]


def test_a_read_returns_no_more_than_asked(transport: Transport) -> None:
    """Given 20 records, when at most 7 are requested, then no read has more and none is lost."""
    transport.produce(*numbered(20))
    member = transport.join()
    sizes: list[int] = []
    deadline = time.monotonic() + DEADLINE_S

    while sum(sizes) < 20 and time.monotonic() < deadline:
        member.source.begin(alone=True)
        sizes.append(len(member.source.read(7, 0.1)))

    assert sum(sizes) == 20
    assert max(sizes) <= 7


def test_published_records_keep_key_headers_timestamp_and_order(transport: Transport) -> None:
    """Given records of three partitions, when published, then each output has the place its input determines."""
    transport.produce(*(replace(one, partition=number) for number in range(3) for one in AWKWARD))
    member = transport.join()
    records = member.read(3 * len(AWKWARD))

    member.publish(answers(records), answers(records, b"letter of "), records)

    results, letters = transport.results(len(records)), transport.letters(len(records))
    assert len(results) == len(letters) == len(records)
    for partition in (0, 1):
        of_even = [one for one in records if one.partition % 2 == partition]
        assert [written(one) for one in placed(results, partition)] == [
            (one.source.key, one.value, one.headers, one.timestamp_ms) for one in answers(of_even)
        ]
    assert {one.partition for one in letters} == {0}
    assert [one.value for one in letters] == [one.value for one in answers(records, b"letter of ")]


def written(one: Written) -> tuple[object, ...]:
    """The fields that a reader finds, without the place."""
    return one.key, one.value, one.headers, one.timestamp_ms


def test_a_timestamp_of_zero_means_now(transport: Transport) -> None:
    """Given an old record, when its result requests the time of writing, then it carries that time."""
    transport.produce(Sent(b"old", timestamp_ms=TIMESTAMP_MS))
    member = transport.join()
    records = member.read(1)

    member.publish([one._replace(timestamp_ms=0) for one in answers(records)], [], records)

    (result,) = transport.results(1)
    assert abs(time.time() * 1000 - result.timestamp_ms) < 60_000


def test_a_publish_commits_what_it_consumed(transport: Transport) -> None:
    """Given 6 records of which 4 are published, when a second member takes over, then it reads the other 2."""
    transport.produce(*numbered(6))
    first = transport.join()
    records = first.read(6)
    first.publish(answers(records[:2]), [], records[:2])
    first.publish([], answers(records[2:4]), records[2:4])
    first.leave()

    assert values(transport.join().read_all(2)) == [b"0/4", b"0/5"]


def test_what_was_not_published_is_read_again(transport: Transport) -> None:
    """Given a member that leaves without publishing, when another joins, then it reads all from the start."""
    transport.produce(*numbered(3), *numbered(2, partition=1))
    first = transport.join()
    assert len(first.read(5)) == 5
    first.leave()

    again = transport.join().read_all(5)

    assert sorted(values(again), key=repr) == [b"0/0", b"0/1", b"0/2", b"1/0", b"1/1"]


def test_a_rewind_repeats_what_is_uncommitted_and_nothing_else(transport: Transport) -> None:
    """Given 2 of 5 records committed, when rewound, then the other 3 come again and the old ones are stale."""
    transport.produce(*numbered(5))
    member = transport.join()
    records = member.read(5)
    member.publish(answers(records[:2]), [], records[:2])
    assert all(one.owner.held for one in records)

    member.source.rewind()
    again = member.read_all(3)

    assert values(again) == [b"0/2", b"0/3", b"0/4"]
    assert all(one.owner.held for one in again)
    assert not any(one.owner.held for one in records)


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_a_rewind_without_a_commit_goes_back_to_the_beginning(transport: Transport, start: str) -> None:
    """Given nothing committed, when rewound, then everything that this member has read comes again."""
    member = transport.join(start=start)
    assert member.read_while_quiet() == []
    transport.produce(*numbered(3))
    assert values(member.read(3)) == [b"0/0", b"0/1", b"0/2"]

    member.source.rewind()

    assert values(member.read_all(3)) == [b"0/0", b"0/1", b"0/2"]


@pytest.mark.parametrize(("start", "expected"), [("earliest", [b"old", b"new"]), ("latest", [b"new"])])
def test_a_new_group_starts_where_it_was_told(transport: Transport, start: str, expected: list[bytes]) -> None:
    """Given a record older than the group, when it joins, then it reads that one only with `earliest`."""
    transport.produce(Sent(b"old"))
    member = transport.join(start=start)
    before = member.read_all(len(expected) - 1)
    transport.produce(Sent(b"new"))

    assert values(before + member.read_all(1)) == expected


def test_a_pause_yields_nothing_and_loses_nothing(transport: Transport) -> None:
    """Given a paused member, when records arrive, then reads find none until it resumes, and then all."""
    transport.produce(*numbered(10))
    member = transport.join()
    begun = member.read(4)

    member.source.pause()
    transport.produce(*numbered(3, partition=1))
    assert member.read_while_quiet() == []
    member.source.resume()

    rest = member.read_all(9)
    found = values(begun + rest)
    assert [value for value in found if value and value.startswith(b"0/")] == [b"0/%d" % n for n in range(10)]
    assert [value for value in found if value and value.startswith(b"1/")] == [b"1/%d" % n for n in range(3)]


def test_a_pause_holds_for_partitions_assigned_later(transport: Transport) -> None:
    """Given a member that pauses before it has partitions, when they are assigned, then it reads none of them."""
    transport.produce(*numbered(2))
    member = transport.join()
    member.source.pause()

    assert member.read_while_quiet() == []
    assert member.source.joined
    member.source.resume()
    assert values(member.read_all(2)) == [b"0/0", b"0/1"]


def test_the_lag_is_what_remains_to_be_read(transport: Transport) -> None:
    """Given 5 records of which 2 were read, when the lag is requested, then it is 3."""
    transport.produce(*numbered(5))
    member = transport.join()
    member.read(2)

    assert member.source.lag_records() == 3


def test_a_member_has_caught_up_when_all_is_read(transport: Transport) -> None:
    """Given 3 records, when 2 are read, then it has not caught up; then it has, until another is written."""
    transport.produce(*numbered(3))
    member = transport.join()
    member.read(2)
    assert not member.source.caught_up()

    member.read_all(1)
    assert member.source.caught_up()
    transport.produce(*numbered(1, partition=2))
    assert not member.source.caught_up()


def test_nothing_is_caught_up_while_a_beginning_is_unknown(exactly_once: KafkaTransport, kafka: Broker) -> None:
    """Given a commit held back by an open transaction, when the member finds nothing, then it has not caught up.

    Of a partition that it does not fetch it knows no end; it reads it when the broker has aborted the other's.
    """
    exactly_once.produce(*numbered(2))
    texts, group = exactly_once.topics["texts"], f"group-{exactly_once.run}"
    held = hold_commits(kafka.bootstrap_servers, group, {(texts, 0): 1}, for_s=5)
    member = exactly_once.join()

    assert member.read_while_quiet() == []
    assert not member.source.caught_up()
    assert values(member.read_all(2)) == [b"0/0", b"0/1"]
    assert member.source.caught_up()
    del held


def test_a_revoked_partition_is_no_longer_owned(transport: Transport) -> None:
    """Given a member that read three partitions, when a second joins, then it owns only those that it kept."""
    transport.produce(*(one for partition in range(3) for one in numbered(2, partition)))
    first = transport.join()
    records = first.read(6)
    second = transport.join()

    taken = read_both(first, second)

    moved = {one.partition for one in taken}
    assert 1 <= len(moved) <= 2
    assert all(one.owner.held for one in taken)
    for one in records:
        assert one.owner.held == (one.partition not in moved)


def test_a_partition_that_was_taken_away_during_a_pause_is_read_again(transport: Transport) -> None:
    """Given partitions that a paused member loses, when it resumes and gets them back, then it reads them."""
    transport.produce(*(one for partition in range(3) for one in numbered(2, partition)))
    first = transport.join()
    first.read(6)
    first.source.pause()
    second = transport.join()
    taken = read_both(first, second)

    first.source.resume()
    second.source.close(None)

    again = first.read_all(len(taken))
    assert {(one.partition, one.offset) for one in again} == {(one.partition, one.offset) for one in taken}


def read_both(first: Member, second: Member) -> list[Record]:
    """Reads with both members until the second has records and neither gets more."""
    taken: list[Record] = []
    deadline = time.monotonic() + DEADLINE_S
    while not taken and time.monotonic() < deadline:
        for member in (first, second):
            member.source.begin(alone=True)
        assert first.source.read(100, 0.1) == []
        taken += second.source.read(100, 0.1)
    return taken + second.read_while_quiet()


def test_a_failed_publish_commits_nothing_and_a_reset_mends_it(transport: Transport) -> None:
    """Given a result that the topic refuses, when published, then it fails; after a reset it succeeds.

    The letter of the same batch, which the broker did accept, may be seen twice only at least once.
    """
    transport.produce(*numbered(3))
    member = transport.join()
    records = member.read(3)
    too_large = [one._replace(value=os.urandom(2 * MAX_BYTES)) for one in answers(records[:1])]

    with pytest.raises(PublishFailed):
        member.publish(too_large, answers(records[1:2]), records)
    member.outbox.reset()
    member.source.rewind()
    again = member.read(3)
    member.publish(answers(again[:1]), answers(again[1:]), again)

    assert values(again) == values(records)
    assert [one.value for one in transport.results(1)] == [b"answer to 0/0"]
    letters = [one.value for one in transport.letters(2)]
    assert letters[-2:] == [b"answer to 0/1", b"answer to 0/2"]
    if not isinstance(transport, KafkaTransport) or transport.exactly_once:
        assert len(letters) == 2


def test_what_was_taken_back_is_only_seen_uncommitted(exactly_once: KafkaTransport) -> None:
    """Given a transaction in which a letter was written, when it fails, then only read_uncommitted sees it."""
    exactly_once.produce(*numbered(2))
    member = exactly_once.join()
    records = member.read(2)
    outsider = exactly_once.join(subscribe=False)
    with pytest.raises(PublishFailed):
        outsider.publish([], answers(records[:1], b"taken back "), records)
    outsider.outbox.reset()
    member.publish([], answers(records[:1], b"kept "), records)

    assert [one.value for one in exactly_once.letters(1)] == [b"kept 0/0"]
    assert [one.value for one in exactly_once.letters(2, committed=False)] == [b"taken back 0/0", b"kept 0/0"]


def test_one_who_is_no_member_commits_nothing(transport: Transport) -> None:
    """Given a consumer outside of the group, when it publishes, then it is refused and nothing is committed."""
    transport.produce(*numbered(1))
    member = transport.join()
    records = member.read(1)
    outsider = transport.join(subscribe=False)

    with pytest.raises(PublishFailed):
        outsider.publish([], answers(records), records)
    outsider.outbox.reset()
    outsider.leave()
    member.leave()

    assert values(transport.join().read_all(1)) == [b"0/0"]


def test_group_metadata_of_no_member_is_never_sent(exactly_once: KafkaTransport) -> None:
    """Given a consumer outside of the group, when it publishes, then its letter is aborted."""
    exactly_once.produce(*numbered(1))
    records = exactly_once.join().read(1)
    outsider = exactly_once.join(subscribe=False)

    with pytest.raises(PublishFailed, match="between two memberships"):
        outsider.publish([], answers(records), records)
    outsider.outbox.reset()
    outsider.leave()

    assert exactly_once.letters(0) == []
    assert len(exactly_once.letters(1, committed=False)) == 1


def test_a_batch_larger_than_the_queue_of_the_client_is_published(exactly_once: KafkaTransport) -> None:
    """Given a client that queues 10 records, when 500 are published at once, then all arrive in order."""
    exactly_once.produce(*numbered(500))
    member = exactly_once.join(properties={"queue.buffering.max.messages": 10})
    records = member.read(500)

    member.publish(answers(records), [], records)

    assert [one.value for one in exactly_once.results(500)] == [one.value for one in answers(records)]


def test_a_second_process_of_the_same_instance_id_fences_the_first(exactly_once: KafkaTransport) -> None:
    """Given two outboxes of one instance_id, when the older one publishes, then it fails until it is reset."""
    exactly_once.produce(*numbered(1))
    member = exactly_once.join(instance_id="twin")
    records = member.read(1)
    exactly_once.join(instance_id="twin", group="other", subscribe=False)
    exactly_once.join(instance_id="twin", subscribe=False)

    with pytest.raises(PublishFailed):
        member.publish([], answers(records), records)
    member.outbox.reset()
    member.publish([], answers(records, b"second try "), records)

    assert [one.value for one in exactly_once.letters(1)] == [b"second try 0/0"]


def test_records_deleted_before_they_were_read_halt_loudly(
    exactly_once: KafkaTransport, kafka_admin: AdminClient
) -> None:
    """Given a commit below the first record that still exists, when a member joins, then it stops."""
    exactly_once.produce(*numbered(6))
    first = exactly_once.join()
    records = first.read(6)
    first.publish(answers(records[:2]), [], records[:2])
    first.leave()
    place = TopicPartition(exactly_once.topics["texts"], 0, 4)
    for deleted in kafka_admin.delete_records([place]).values():
        deleted.result()

    with pytest.raises(KafkaStateError, match="committed offset 2 no longer exists, the first one is 4"):
        exactly_once.join().read(1)
