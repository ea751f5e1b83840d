"""What a group stores about the lives of its processes, on a real Kafka, in both group protocols."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import TopicPartition

from consumer.kafka.commit_metadata import CommitMetadata
from consumer.kafka.source import KafkaSource
from shared.errors import KafkaStateError
from tests.contract.transports import DEADLINE_S, KafkaTransport
from tests.support.topics import Sent, group_commits

if TYPE_CHECKING:
    from consumer.stream.records import Record
    from sentiment_testing.kafka import Broker
    from tests.contract.transports import Member

pytestmark = pytest.mark.kafka

both_deliveries = pytest.mark.parametrize("transport", ["at-least-once", "exactly-once"], indirect=True)


def metadata(kafka: Broker, transport: KafkaTransport) -> CommitMetadata:
    """The commit metadata of the first partition."""
    place = (transport.topics["texts"], 0)
    (found,) = group_commits(kafka.bootstrap_servers, f"group-{transport.run}", [place])
    return CommitMetadata.decode(found.metadata)


def crash(member: Member) -> None:
    """Ends a member without a word; it leaves the group only so that the test can go on at once."""
    member.source.close(None)
    member.outbox.close()


def test_lives_that_end_before_a_first_record_halt_and_name_it(
    transport: KafkaTransport, protocol: str, kafka: Broker
) -> None:
    """Given as many lives as the limit that end while they fetch, then the next one names the fetched record."""
    transport.produce(Sent(b"whatever it unpacks to"))
    for life in range(3):
        member = transport.join(group_protocol=protocol)
        deadline = time.monotonic() + DEADLINE_S
        while metadata(kafka, transport).fetching <= life:
            assert time.monotonic() < deadline
            member.source.begin(alone=True)
            if metadata(kafka, transport).fetching <= life:
                member.source.read(1, 0.05)
        crash(member)

    member = transport.join(group_protocol=protocol)
    with pytest.raises(KafkaStateError, match=rf"{transport.topics['texts']}\[0\].*offset 0.*--to-offset 1,"):
        member.read(1)


def test_a_late_beginning_skips_nothing(transport: KafkaTransport, protocol: str) -> None:
    """Given partitions that begin a while after their assignment, when read slowly, then nothing is skipped."""
    transport.produce(*(Sent(b"%d" % number, partition=number % 3) for number in range(150)))
    member = transport.join(group_protocol=protocol)
    deadline = time.monotonic() + DEADLINE_S
    while not member.source.joined:
        assert time.monotonic() < deadline
        member.source.read(1, 0.05)
    member.source.read(1, 0.05)

    records: list[Record] = []
    while len(records) < 150:
        assert time.monotonic() < deadline
        member.source.begin(alone=True)
        records += member.source.read(1, 0.01)
        time.sleep(0.01)  # longer than the client's timers, the longest of which waits half a second
    for number in range(3):
        assert [one.offset for one in records if one.partition == number] == list(range(50))


def test_a_client_that_fetches_nothing_is_replaced(
    transport: KafkaTransport, protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a client that fetches nothing from a partition with records, then another client reads them."""
    monkeypatch.setattr("consumer.kafka.topics.changes.SILENT_S", 1.0)
    transport.produce(Sent(b"text"))
    member = transport.join(group_protocol=protocol)
    assert isinstance(member.source, KafkaSource)
    deadline = time.monotonic() + DEADLINE_S
    while not member.source.begin(alone=True):
        assert time.monotonic() < deadline
        assert not member.source.read(1, 0.05)
    client = vars(member.source)["_consumer"]
    client.pause([TopicPartition(transport.topics["texts"], 0)])  # unnoticed by the source

    assert [one.value for one in member.read(1)] == [b"text"]
    assert vars(member.source)["_consumer"] is not client


@both_deliveries
def test_ends_in_order_leave_no_count(transport: KafkaTransport, protocol: str, kafka: Broker) -> None:
    """Given lives that end cleanly with a record in flight, when the next begins, then none of them is counted."""
    transport.produce(Sent(b"text"))
    for _ in range(4):
        member = transport.join(group_protocol=protocol)
        (record,) = member.read(1)
        member.crash_loop.read([record])
        assert metadata(kafka, transport).crashes == 1
        member.leave()
        assert metadata(kafka, transport)._replace(topic_id="") == CommitMetadata()


def test_a_rebalance_leaves_no_count(transport: KafkaTransport, kafka: Broker) -> None:
    """Given a record in flight, when its partition moves to another member and back, then no life is counted."""
    transport.produce(*(Sent(b"text", partition=number) for number in range(3)))
    first = transport.join()
    first.crash_loop.read(first.read(3))
    for _ in range(2):
        second = transport.join()
        deadline = time.monotonic() + DEADLINE_S
        while not second.source.begin(alone=True):
            assert time.monotonic() < deadline
            first.source.read(1, 0.05)
            second.source.read(1, 0.05)
        second.leave()
        first.crash_loop.read(first.read_while_quiet())
    first.leave()

    assert metadata(kafka, transport)._replace(topic_id="") == CommitMetadata()
