"""The behaviour of the outboxes if the client or the broker fails; needs no broker."""

# ruff: noqa: SLF001 - the client's public constants

from __future__ import annotations

import struct
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from hypothesis import settings

from consumer.events import OutputWritten, TransactionChanged
from consumer.kafka.commit_metadata import Commit
from consumer.kafka.outbox import AtLeastOnceOutbox, ExactlyOnceOutbox, require_membership
from consumer.kafka.sender import Sender
from consumer.kafka.source import KafkaSource
from consumer.settings import ConsumerSettings, Limits
from consumer.stream.records import Outgoing, PublishFailed
from shared.errors import KafkaRefused, KafkaStateError, RecoveriesExhausted, SentimentError, SettingsError
from shared.kafka.settings import KafkaSettings
from tests.support.fakes import FakeClock, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.events import Event
    from consumer.stream.records import Outbox, Record

NOBODY = "127.0.0.1:1"
"""An address where no broker listens."""
RECORDS = [record(b"a", offset=4), record(b"b", offset=5)]
COMMITS = [Commit(("texts", 0), 6)]


def outgoing(records: Sequence[Record] = RECORDS) -> list[Outgoing]:
    """One output for each record."""
    return [Outgoing(one, one.value, (), 0) for one in records]


def config(**properties: int) -> ConsumerSettings:
    """Settings for a Kafka that is not there."""
    kafka = KafkaSettings(bootstrap_servers=NOBODY, properties=dict(properties))
    return ConsumerSettings(kafka=kafka, limits=Limits(commit_timeout_s=0.2))


def metadata(generation: int = 3, member: bytes = b"member-1", start: bytes = b"CGMDv2:") -> bytes:
    """Group metadata in the form that librdkafka serialises."""
    return start + struct.pack("=i", generation) + b"group\0" + member + b"\0\0"


def kafka_error(code: int, *, retriable: bool = False) -> KafkaException:
    """An exception of the client."""
    return KafkaException(KafkaError(code, None, False, retriable))


class ScriptedProducer:
    """A transactional producer whose calls fail in the given order, and succeed after that."""

    def __init__(self, clock: FakeClock, **failures: list[KafkaException]) -> None:
        self.calls: list[str] = []
        self.commit_s = 0.0
        self.held: threading.Event | None = None
        """Set when the request for offsets may be answered."""
        self._clock = clock
        self._failures = failures

    def init_transactions(self, _timeout: float) -> None:
        """Begins a new epoch."""
        self._call("init")

    def begin_transaction(self) -> None:
        """Opens a transaction."""
        self._call("begin")

    def send_offsets_to_transaction(self, _offsets: object, _metadata: object) -> None:
        """Adds offsets."""
        if self.held is not None:
            self.held.wait()
        self._call("offsets")

    def commit_transaction(self) -> None:
        """Takes the configured time."""
        self._clock.now_s += self.commit_s
        self._call("commit")

    def abort_transaction(self, _timeout: float) -> None:
        """Aborts the transaction."""
        self._call("abort")

    def fail_next(self, name: str, failure: KafkaException) -> None:
        """Makes the next call of that name fail."""
        self._failures.setdefault(name, []).insert(0, failure)

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self._failures.get(name):
            raise self._failures[name].pop(0)


class ScriptedSender:
    """A sender that writes nothing and counts the replacements of its producer."""

    def __init__(self, producer: ScriptedProducer) -> None:
        self.producer = producer
        self.closed = 0
        self.sent = 0
        self.replaced = 0
        self.abandoned = 0
        self.deadline_s = 0.2

    def send(self, results: Iterable[Outgoing], dead_letters: Iterable[Outgoing]) -> None:
        """Counts."""
        self.sent += len([*results, *dead_letters])

    def flush(self) -> None:
        """Nothing is queued."""

    def replace(self) -> None:
        """Counts."""
        self.replaced += 1

    def close(self) -> None:
        """Counts."""
        self.closed += 1

    def abandon(self) -> None:
        """Accepts a producer that answers."""
        self.abandoned += 1
        self.producer.held = None

    def failed(self, error: KafkaError, _read: object = ()) -> Exception:
        """Always worth a recovery."""
        return PublishFailed(error.name())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The clock by which the outbox judges a slow commit."""
    found = FakeClock()
    monkeypatch.setattr("shared.kafka.transactions.time", SimpleNamespace(monotonic=found))
    return found


def scripted(
    clock: FakeClock, **failures: list[KafkaException]
) -> tuple[ExactlyOnceOutbox, ScriptedSender, ScriptedProducer]:
    """An exactly-once outbox on a scripted producer."""
    producer = ScriptedProducer(clock, **failures)
    sender: Any = ScriptedSender(producer)
    return ExactlyOnceOutbox(sender, metadata), sender, producer


def test_a_publish_is_one_transaction(clock: FakeClock) -> None:
    """Given no failures, when published twice, then each is one transaction by the same producer."""
    outbox, sender, producer = scripted(clock)

    outbox.publish(outgoing(), [], COMMITS)
    outbox.publish([], outgoing(), COMMITS)

    assert producer.calls == ["init", *["begin", "offsets", "commit"] * 2]
    assert (sender.sent, sender.replaced) == (4, 0)


@pytest.mark.parametrize("step", ["send", "offsets", "commit"])
def test_a_transaction_that_is_open_at_the_end_is_taken_back(clock: FakeClock, step: str) -> None:
    """Given a publish that fails at any step, when the process ends.

    Then no read_committed reader waits for it.
    """
    outbox, sender, producer = scripted(clock)
    if step == "send":
        sender.flush = lambda: (_ for _ in ()).throw(PublishFailed("no"))  # type: ignore[method-assign]
    else:
        producer.fail_next(step, kafka_error(KafkaError._FAIL))
    with pytest.raises(PublishFailed):
        outbox.publish(outgoing(), [], COMMITS)

    outbox.close()

    assert producer.calls[-1] == "abort"
    assert sender.closed == 1


def test_no_transaction_is_taken_back_that_was_committed(clock: FakeClock) -> None:
    """Given a publish that succeeded, when the process ends, then nothing is aborted."""
    outbox, _, producer = scripted(clock)
    outbox.publish(outgoing(), [], COMMITS)

    outbox.close()

    assert "abort" not in producer.calls


def test_every_transaction_is_told_to_its_end(clock: FakeClock) -> None:
    """Given a publish, one that fails and is recovered, and one that is open at the end.

    Then each was begun, and is either committed or aborted, once.
    """
    events: list[Event] = []
    producer = ScriptedProducer(clock)
    sender: Any = ScriptedSender(producer)
    outbox = ExactlyOnceOutbox(sender, metadata, events.append)
    outbox.publish(outgoing(), [], COMMITS)
    for finish in (outbox.reset, outbox.close):
        producer.fail_next("commit", kafka_error(KafkaError._FAIL))
        with pytest.raises(PublishFailed):
            outbox.publish(outgoing(), [], COMMITS)
        finish()
    outbox.close()

    states = [one.state for one in events if isinstance(one, TransactionChanged)]
    assert states == ["begun", "committed", "begun", "aborted", "begun", "aborted"]


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_what_is_written_is_told_before_its_commit(*, delivery: str, clock: FakeClock) -> None:
    """Given a publish, then what was acknowledged is told before its offsets are committed."""
    events: list[Event] = []
    sender: Any = ScriptedSender(ScriptedProducer(clock))
    outbox: Outbox = (
        ExactlyOnceOutbox(sender, metadata, events.append)
        if delivery == "exactly-once"
        else AtLeastOnceOutbox(sender, lambda _: events.append(TransactionChanged("committed")), events.append)
    )

    outbox.publish(outgoing(), outgoing(RECORDS[1:]), COMMITS)

    written, committed = events[-2:]
    assert isinstance(written, OutputWritten)
    assert (written.results, written.dead_letters, written.places) == (2, RECORDS[1:], [("texts", 0)])
    assert written.send_s >= 0
    assert committed == TransactionChanged("committed")


def test_a_call_that_does_not_return_is_left_behind(clock: FakeClock) -> None:
    """Given offsets that are never answered, when published, then it fails in time and abandons the producer."""
    outbox, sender, producer = scripted(clock)
    producer.held = release = threading.Event()

    with pytest.raises(PublishFailed, match="coordinator"):
        outbox.publish(outgoing(), [], COMMITS)
    assert sender.abandoned == 1
    outbox.reset()
    outbox.publish(outgoing(), [], COMMITS)

    assert producer.calls == ["init", "begin", "abort", "init", "begin", "offsets", "commit"]
    release.set()


@pytest.mark.parametrize(("commit_s", "replaced"), [(0.23, 0), (0.25, 1)])
def test_a_slow_commit_costs_the_producer(clock: FakeClock, commit_s: float, replaced: int) -> None:
    """Given a commit that takes as long as a hidden retry, when publishing continues, then with a new producer."""
    outbox, sender, producer = scripted(clock)
    producer.commit_s = commit_s

    outbox.publish(outgoing(), [], COMMITS)
    producer.commit_s = 0
    outbox.publish(outgoing(), [], COMMITS)
    outbox.publish(outgoing(), [], COMMITS)

    assert sender.replaced == replaced
    assert producer.calls.count("init") == 1 + replaced


def test_a_retriable_commit_is_repeated_and_then_suspect(clock: FakeClock) -> None:
    """Given a commit that may be retried, when it is, then it succeeds, and the next has a new producer."""
    outbox, sender, producer = scripted(
        clock,
        offsets=[kafka_error(KafkaError._TIMED_OUT, retriable=True)] * 2,
        commit=[kafka_error(KafkaError._TIMED_OUT, retriable=True)],
    )

    outbox.publish(outgoing(), [], COMMITS)
    assert producer.calls == ["init", "begin", *["offsets"] * 3, *["commit"] * 2]
    outbox.publish(outgoing(), [], COMMITS)

    assert sender.replaced == 1


@pytest.mark.parametrize("call", ["begin", "offsets", "commit"])
def test_a_transaction_that_fails_is_to_be_recovered(clock: FakeClock, call: str) -> None:
    """Given a call that fails for good, when published, then PublishFailed says why; a reset aborts and renews."""
    outbox, sender, producer = scripted(
        clock,
        **{call: [kafka_error(KafkaError.ILLEGAL_GENERATION)]},
        abort=[kafka_error(KafkaError._STATE)],
    )

    with pytest.raises(PublishFailed, match="ILLEGAL_GENERATION"):
        outbox.publish(outgoing(), [], COMMITS)
    outbox.reset()
    outbox.publish(outgoing(), [], COMMITS)

    assert sender.replaced == 1
    assert producer.calls[-5:] == ["abort", "init", "begin", "offsets", "commit"]


def test_the_transaction_is_asked_why_its_records_were_purged(clock: FakeClock) -> None:
    """Given deliveries that report only a purge, when published, then the failure is the transaction's own."""
    outbox, sender, producer = scripted(clock)

    def purged() -> None:
        denial = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, txn_requires_abort=True)
        producer.fail_next("begin", KafkaException(denial))
        raise PublishFailed("_PURGE_QUEUE")

    sender.flush = purged  # type: ignore[method-assign]

    with pytest.raises(PublishFailed, match="TOPIC_AUTHORIZATION_FAILED"):
        outbox.publish(outgoing(), [], COMMITS)


def test_a_new_producer_waits_for_its_predecessors_end(clock: FakeClock) -> None:
    """Given a broker that is still ending the last transaction, when begun, then the begin is retried."""
    _, _, producer = scripted(clock, init=[kafka_error(KafkaError._TIMED_OUT, retriable=True)] * 3)

    assert producer.calls == ["init"] * 4


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (kafka_error(KafkaError._UNSUPPORTED_FEATURE), KafkaStateError, "--delivery at-least-once"),
        (kafka_error(KafkaError.UNSUPPORTED_VERSION), KafkaStateError, "--delivery at-least-once"),
        (kafka_error(KafkaError._FENCED), RecoveriesExhausted, "_FENCED"),
    ],
)
def test_transactions_that_cannot_begin_say_why(
    clock: FakeClock, error: KafkaException, kind: type[Exception], said: str
) -> None:
    """Given a broker without transactions or a fenced producer, when begun, then the error says so."""
    with pytest.raises(kind, match=said):
        scripted(clock, init=[error])


def test_metadata_of_a_member_is_sent() -> None:
    """Given the metadata of a member, when checked, then it is returned unchanged."""
    assert require_membership(metadata()) == metadata()


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (metadata(generation=-1), PublishFailed),
        (metadata(member=b""), PublishFailed),
        (metadata(start=b"CGMDv9:"), KafkaStateError),
    ],
)
def test_metadata_that_no_broker_would_fence_is_refused(raw: bytes, kind: type[Exception]) -> None:
    """Given no generation, no member or an unknown form, when checked, then it is never sent."""
    with pytest.raises(kind):
        require_membership(raw)


@settings(deadline=None)
def at_least_once(committed: list[Sequence[Commit]]) -> tuple[AtLeastOnceOutbox, Sender]:
    """An outbox whose Kafka does not answer."""
    sender = Sender(config(), {"sentiments": 1, "sentiments.dlq": 1}, transactional=False)
    return AtLeastOnceOutbox(sender, committed.append), sender


def test_a_commit_that_fails_says_that_all_is_written(clock: FakeClock) -> None:
    """Given a commit that a rebalance refuses, then the failure says that all is written."""

    def commit(_: Sequence[Commit]) -> None:
        raise PublishFailed("ILLEGAL_GENERATION")

    sender: Any = ScriptedSender(ScriptedProducer(clock))

    with pytest.raises(PublishFailed, match="ILLEGAL_GENERATION") as failed:
        AtLeastOnceOutbox(sender, commit).publish(outgoing(), [], COMMITS)

    assert failed.value.is_written


def test_nothing_is_committed_that_was_not_acknowledged() -> None:
    """Given no broker, when published, then that fails within `commit_timeout_s` and nothing is committed."""
    committed: list[Sequence[Commit]] = []
    outbox, sender = at_least_once(committed)

    with pytest.raises(PublishFailed) as failed:
        outbox.publish(outgoing(), outgoing(), COMMITS)

    assert not failed.value.is_written
    assert committed == []
    spoilt = sender.producer
    outbox.reset()
    assert sender.producer is not spoilt
    outbox.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (KafkaError._MSG_TIMED_OUT, PublishFailed),
        (KafkaError.NOT_ENOUGH_REPLICAS, PublishFailed),
        (KafkaError.MSG_SIZE_TOO_LARGE, PublishFailed),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaRefused),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaStateError),
        (KafkaError._UNKNOWN_TOPIC, KafkaStateError),
    ],
)
def test_only_errors_that_would_come_again_end_the_process(code: int, kind: type[Exception]) -> None:
    """Given an error of a delivery, when judged, then it causes a recovery or ends the process."""
    outbox, sender = at_least_once([])

    found = sender.failed(KafkaError(code))
    outbox.close()

    assert type(found) is kind
    assert isinstance(found, PublishFailed | SentimentError)


@pytest.mark.parametrize(
    "build",
    [KafkaSource, lambda found: Sender(found, {}, transactional=False)],
    ids=["source", "sender"],
)
def test_what_the_client_refuses_is_named(build: Callable[[ConsumerSettings], object]) -> None:
    """Given a file that does not exist, when a client is built, then the error names its key."""
    with pytest.raises(SettingsError, match=r"ssl\.ca\.location"):
        build(ConsumerSettings(kafka=KafkaSettings(ssl_ca_location="/nowhere", security_protocol="ssl")))
