"""The end of a replay's transaction if the client or the broker fails; needs no broker."""

# ruff: noqa: SLF001 - the client's public constants

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer.dlq import replay_writer as module
from consumer.dlq.replay_targets import Target
from consumer.dlq.replay_writer import RecordRefused, TransactionalWriter
from consumer.preflight.topic_config import TopicConfig
from consumer.settings import ConsumerSettings
from shared.dlq.letters import Letter, Place
from shared.errors import KafkaRefused, KafkaStateError, KafkaUnreachable, RecoveriesExhausted, SentimentError
from shared.kafka.transactions import RETRY_BACKOFF_MS
from tests.support.fakes import FakeClock
from tests.unit.consumer.dlq.test_letters import envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

TEXTS = Target("texts", 1, TopicConfig("texts"))
LETTERS = [Letter(envelope(Place(0, n), n), b"k", b"v" * n, (("h", None),), ()) for n in range(3)]


def raised(code: int, *, retriable: bool = False) -> KafkaException:
    """An exception of the client."""
    return KafkaException(KafkaError(code, None, False, retriable))


class ScriptedProducer:
    """A producer whose calls fail in the given order.

    Deliveries of the first transaction fail with `undelivered` codes, those of later ones with `then`.
    """

    def __init__(self, **failures: list[Exception]) -> None:
        self.calls: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.undelivered: list[int] = []
        self.then: list[list[int]] = []
        self.unacknowledged = 0
        self.on_commit: Callable[[], object] = lambda: None
        self._failures = failures

    def init_transactions(self, _timeout_s: float) -> None:
        """Takes over."""
        self._call("init")

    def begin_transaction(self) -> None:
        """Opens a transaction."""
        self._call("begin")
        self.records = []

    def produce(self, **record: Any) -> None:
        """Queues a record."""
        self._call("produce")
        self.records.append(record)

    def poll(self, _timeout_s: float) -> int:
        """Serves the queue."""
        self._call("poll")
        return 0

    def flush(self, _timeout_s: float) -> int:
        """Reports the deliveries that fail."""
        self._call("flush")
        for record, code in zip(self.records, self.undelivered, strict=False):
            record["on_delivery"](KafkaError(code), None)
        self.undelivered = []
        return self.unacknowledged

    def commit_transaction(self) -> None:
        """Commits."""
        self.on_commit()
        self._call("commit")

    def abort_transaction(self, _timeout_s: float | None = None) -> None:
        """Aborts."""
        self._call("abort")
        self.undelivered = self.then.pop(0) if self.then else []

    def purge(self) -> None:
        """Drops the queued records."""
        self._call("purge")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self._failures.get(name):
            raise self._failures[name].pop(0)


def write(
    monkeypatch: pytest.MonkeyPatch, producer: ScriptedProducer, letters: Sequence[Letter] = LETTERS
) -> TransactionalWriter:
    """Takes over and writes the letters."""
    monkeypatch.setattr(module, "Producer", lambda _config: producer)
    with TransactionalWriter(ConsumerSettings()) as writer:
        writer.write([(letter, TEXTS) for letter in letters])
    return writer


def test_each_input_is_followed_by_its_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given letters, when written, then input and receipt of each are in one transaction."""
    producer = ScriptedProducer()
    write(monkeypatch, producer)

    assert producer.calls == ["init", "begin", *["produce"] * 6, "flush", "commit", "purge", "flush"]
    sent, receipt = ({k: v for k, v in one.items() if k != "on_delivery"} for one in producer.records[2:4])
    assert sent == {
        "topic": "texts",
        "partition": 0,
        "key": b"k",
        "value": b"v",
        "headers": [("h", None)],
        "timestamp": 9,
    }
    assert receipt == {
        "topic": "sentiments.dlq",
        "partition": 0,
        "key": b"sentiment.replayed:0:1",
        "value": b"",
        "headers": [("sentiment.replayed_to", b"texts")],
    }


@pytest.mark.parametrize(
    ("failures", "error", "said"),
    [
        ({"init": [raised(KafkaError.UNSUPPORTED_VERSION)]}, KafkaStateError, "has no transactions"),
        (
            {"init": [raised(KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)]},
            KafkaRefused,
            "WRITE on transactional id",
        ),
        ({"begin": [raised(KafkaError._FENCED)]}, KafkaStateError, "another replay of sentiments.dlq has taken"),
        ({"commit": [raised(KafkaError.INVALID_PRODUCER_EPOCH)]}, KafkaStateError, "another replay"),
        ({"flush": [SystemError()]}, RecoveriesExhausted, "failed for good"),
        ({"produce": [raised(KafkaError._UNKNOWN_TOPIC)]}, KafkaStateError, "_UNKNOWN_TOPIC"),
    ],
)
def test_a_failing_call_ends_the_replay_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, failures: dict[str, list[Exception]], error: type[SentimentError], said: str
) -> None:
    """Given a call that fails, when written, then the error fits, nothing is committed and all is aborted."""
    producer = ScriptedProducer(**failures)
    with pytest.raises(error, match=said):
        write(monkeypatch, producer)

    assert ("abort" in producer.calls) == ("begin" in producer.calls)
    assert producer.calls.count("commit") == ("commit" in failures)
    assert "purge" in producer.calls


@pytest.mark.parametrize(
    ("undelivered", "error", "said"),
    [
        ([KafkaError._PURGE_INFLIGHT, KafkaError.INVALID_PRODUCER_EPOCH], KafkaStateError, "another replay"),
        ([KafkaError.TOPIC_AUTHORIZATION_FAILED], KafkaRefused, "WRITE on sentiments.dlq or"),
        ([KafkaError._PURGE_QUEUE], RecoveriesExhausted, "_PURGE_QUEUE"),
        ([KafkaError._MSG_TIMED_OUT], RecoveriesExhausted, "the same command does the rest"),
    ],
)
def test_the_cause_of_a_failed_delivery_is_told(
    monkeypatch: pytest.MonkeyPatch, undelivered: list[int], error: type[SentimentError], said: str
) -> None:
    """Given records that failed and others purged after them, when written, then the error is of the former."""
    producer = ScriptedProducer()
    producer.undelivered = undelivered
    with pytest.raises(error, match=said):
        write(monkeypatch, producer)

    assert "commit" not in producer.calls


@pytest.mark.parametrize(
    ("letters", "undelivered", "said"),
    [
        (
            LETTERS,
            [KafkaError._PURGE_QUEUE] * 4 + [KafkaError.MSG_SIZE_TOO_LARGE] * 2,
            "texts refuses its 4 bytes",
        ),
        (
            LETTERS,
            [KafkaError._INVALID_DIFFERENT_RECORD, KafkaError._PURGE_QUEUE, KafkaError.INVALID_RECORD],
            "texts refuses it: INVALID_RECORD",
        ),
        (LETTERS[:1], [KafkaError.INVALID_TIMESTAMP], "texts refuses its timestamp 9;"),
        (LETTERS, [KafkaError._PURGE_QUEUE, KafkaError.INVALID_RECORD], "sentiments.dlq refuses it"),
    ],
)
def test_a_refused_record_is_told_apart_from_a_failure(
    monkeypatch: pytest.MonkeyPatch, letters: Sequence[Letter], undelivered: list[int], said: str
) -> None:
    """Given a record that Kafka always refuses, when written, then everything is aborted and the record is named.

    Other records of its batch and transaction fail because of it, and are not blamed.
    """
    producer = ScriptedProducer()
    producer.undelivered = undelivered
    with pytest.raises(RecordRefused, match=said):
        write(monkeypatch, producer, letters)

    assert producer.calls[-3:] == ["abort", "purge", "flush"]
    assert "commit" not in producer.calls


def test_what_the_client_refuses_is_refused_as_by_the_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an input larger than the client sends, when written, then it is a refused record like any other."""
    producer = ScriptedProducer(produce=[raised(KafkaError.MSG_SIZE_TOO_LARGE)])
    with pytest.raises(RecordRefused, match="texts refuses its 2 bytes as too large"):
        write(monkeypatch, producer)

    assert "commit" not in producer.calls


def test_a_producer_is_as_good_as_before_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a refused letter, when others are written next, then one failure of the client is tolerated.

    The letters are written again after it. A second failure ends the replay.
    """
    producer = ScriptedProducer()
    monkeypatch.setattr(module, "Producer", lambda _config: producer)
    producer.undelivered = [KafkaError.INVALID_RECORD, KafkaError._PURGE_QUEUE]
    producer.then = [[KafkaError._PURGE_QUEUE] * 4]
    with TransactionalWriter(ConsumerSettings()) as writer:
        with pytest.raises(RecordRefused):
            writer.write([(LETTERS[0], TEXTS)])
        writer.write([(letter, TEXTS) for letter in LETTERS[1:]])
        assert producer.calls.count("abort") == 2
        assert producer.calls[-1] == "commit"
        assert [one["value"] for one in producer.records] == [b"v", b"", b"vv", b""]
        producer.undelivered = [KafkaError._PURGE_QUEUE]
        with pytest.raises(RecoveriesExhausted, match="_PURGE_QUEUE"):
            writer.write([(LETTERS[0], TEXTS)])


def test_a_refusal_that_comes_while_others_are_queued_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a large chunk whose first record is refused early, when written, then the letters are refused."""
    producer = ScriptedProducer()
    monkeypatch.setattr(producer, "produce", refuse_first(producer))
    with pytest.raises(RecordRefused, match="texts refuses it: INVALID_RECORD"):
        write(monkeypatch, producer)


def refuse_first(producer: ScriptedProducer) -> Callable[..., None]:
    """A `produce` that takes the first record, which the broker refuses, and no further one."""

    def produce(**record: Any) -> None:
        if producer.records:
            raise raised(KafkaError._STATE)
        producer.records.append(record)
        producer.undelivered = [KafkaError.INVALID_RECORD]

    return produce


@pytest.mark.parametrize(
    ("error", "said"),
    [(KafkaError._FENCED, "another replay"), (KafkaError._TIMED_OUT, "does not answer")],
)
def test_a_transaction_that_cannot_be_taken_back_ends_the_replay(
    monkeypatch: pytest.MonkeyPatch, error: int, said: str
) -> None:
    """Given a refused letter and an abort that fails, when written, then the replay ends with the reason."""
    producer = ScriptedProducer(abort=[raised(error)])
    producer.undelivered = [KafkaError.INVALID_RECORD]
    with pytest.raises((KafkaStateError, KafkaUnreachable), match=said):
        write(monkeypatch, producer)


def test_a_topic_that_takes_no_receipts_ends_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a refused receipt of one letter, when written, then the replay ends: no letter is to blame."""
    producer = ScriptedProducer()
    producer.undelivered = [KafkaError._PURGE_QUEUE, KafkaError.INVALID_RECORD]
    with pytest.raises(KafkaStateError, match=r"sentiments\.dlq refuses receipts"):
        write(monkeypatch, producer, LETTERS[:1])


def test_what_is_not_acknowledged_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a flush that leaves records, when written, then the replay ends without a commit."""
    monkeypatch.setattr("consumer.dlq.replay_writer.time", SimpleNamespace(monotonic=FakeClock(step_s=5.0)))
    producer = ScriptedProducer()
    producer.unacknowledged = 2
    with pytest.raises(RecoveriesExhausted, match="2 records were not acknowledged"):
        write(monkeypatch, producer)

    assert "commit" not in producer.calls


def test_a_full_queue_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a queue that is full twice, when written, then the client is polled and all is written."""
    producer = ScriptedProducer(produce=[BufferError(), BufferError()])
    write(monkeypatch, producer)

    assert producer.calls.count("poll") == 2
    assert len(producer.records) == 6


@pytest.mark.parametrize(
    ("commit", "seconds", "suspect"),
    [
        ([], 0.0, False),
        ([], 0.8 * RETRY_BACKOFF_MS / 1000, True),
        ([raised(KafkaError._TIMED_OUT, retriable=True)], 0.0, True),
    ],
)
def test_a_commit_that_may_have_been_sent_twice_is_suspect(
    monkeypatch: pytest.MonkeyPatch, commit: list[Exception], seconds: float, *, suspect: bool
) -> None:
    """Given a commit that was retried or took as long as a retry, when written, then the writer is suspect."""
    clock = FakeClock()
    monkeypatch.setattr("shared.kafka.transactions.time", SimpleNamespace(monotonic=clock))
    producer = ScriptedProducer(commit=commit)

    def pass_time() -> None:
        clock.now_s += seconds

    producer.on_commit = pass_time

    assert write(monkeypatch, producer).suspect is suspect
