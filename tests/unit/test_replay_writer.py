"""How a replay's transaction ends when the client or the broker fails; no broker is needed for that."""

# ruff: noqa: SLF001 - the client's public constants

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from consumer import replay_writer as module
from consumer.dead_letters import Letter, Place
from consumer.replay_writer import RETRY_BACKOFF_MS, TransactionalWriter
from consumer.settings import ConsumerSettings
from shared.errors import KafkaRefused, KafkaStateError, RecoveriesExhausted, SentimentError
from tests.support.fakes import FakeClock
from tests.unit.test_dead_letters import envelope

if TYPE_CHECKING:
    from collections.abc import Callable

LETTERS = [(Letter(envelope(Place(0, n), n), b"k", b"v" * n, (("h", None),), ()), "texts") for n in range(3)]
PARTITIONS = {"texts": 1}


def raised(code: int, *, retriable: bool = False) -> KafkaException:
    """An exception of the client."""
    return KafkaException(KafkaError(code, None, False, retriable))


class ScriptedProducer:
    """A producer whose calls fail as told, in that order, and whose deliveries fail with `undelivered` codes."""

    def __init__(self, **failures: list[Exception]) -> None:
        self.calls: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.undelivered: list[int] = []
        self.unacknowledged = 0
        self.on_commit: Callable[[], object] = lambda: None
        self._failures = failures

    def init_transactions(self, _timeout_s: float) -> None:
        """Takes over."""
        self._call("init")

    def begin_transaction(self) -> None:
        """Opens a transaction."""
        self._call("begin")

    def produce(self, **record: Any) -> None:
        """Queues."""
        self._call("produce")
        self.records.append(record)

    def poll(self, _timeout_s: float) -> int:
        """Makes room."""
        self._call("poll")
        return 0

    def flush(self, _timeout_s: float) -> int:
        """Reports the deliveries that fail."""
        self._call("flush")
        for record, code in zip(self.records, self.undelivered, strict=False):
            record["on_delivery"](KafkaError(code), None)
        return self.unacknowledged

    def commit_transaction(self) -> None:
        """Commits."""
        self.on_commit()
        self._call("commit")

    def abort_transaction(self, _timeout_s: float) -> None:
        """Takes back."""
        self._call("abort")

    def purge(self) -> None:
        """Drops what is queued."""
        self._call("purge")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self._failures.get(name):
            raise self._failures[name].pop(0)


def write(monkeypatch: pytest.MonkeyPatch, producer: ScriptedProducer) -> TransactionalWriter:
    """Takes over and writes the letters."""
    monkeypatch.setattr(module, "Producer", lambda _config: producer)
    with TransactionalWriter(ConsumerSettings()) as writer:
        writer.write(LETTERS, PARTITIONS)
    return writer


def test_each_input_is_followed_by_its_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given letters, when written, then input and receipt of each stand in one transaction."""
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
        ({"produce": [raised(KafkaError.MSG_SIZE_TOO_LARGE)]}, RecoveriesExhausted, "the letter 0:0 with 2 bytes"),
        ({"produce": [raised(KafkaError._UNKNOWN_TOPIC)]}, KafkaStateError, "_UNKNOWN_TOPIC"),
    ],
)
def test_a_failing_call_ends_the_replay_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, failures: dict[str, list[Exception]], error: type[SentimentError], said: str
) -> None:
    """Given a call that fails, when written, then the error fits, nothing is committed and all is taken back."""
    producer = ScriptedProducer(**failures)
    with pytest.raises(error, match=said):
        write(monkeypatch, producer)

    assert ("abort" in producer.calls) == ("begin" in producer.calls)
    assert producer.calls.count("commit") == ("commit" in failures)
    assert "purge" in producer.calls


@pytest.mark.parametrize(
    ("undelivered", "error", "said"),
    [
        (
            [KafkaError._PURGE_QUEUE] * 4 + [KafkaError.MSG_SIZE_TOO_LARGE] * 2,
            RecoveriesExhausted,
            "letter 0:2 with",
        ),
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


def test_what_is_not_acknowledged_is_not_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a flush that does not empty, when written, then the replay ends without a commit."""
    producer = ScriptedProducer()
    producer.unacknowledged = 2
    with pytest.raises(RecoveriesExhausted, match="2 records were not acknowledged"):
        write(monkeypatch, producer)

    assert "commit" not in producer.calls


def test_a_full_queue_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a queue that is full twice, when written, then the client is served and all is written."""
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
    monkeypatch.setattr("consumer.replay_writer.time", SimpleNamespace(monotonic=clock))
    producer = ScriptedProducer(commit=commit)

    def pass_time() -> None:
        clock.now_s += seconds

    producer.on_commit = pass_time

    assert write(monkeypatch, producer).suspect is suspect
