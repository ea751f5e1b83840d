"""What a caller learns when a label is acknowledged, refused or late; needs no broker."""

# ruff: noqa: SLF001 - the client's public constants

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException

from shared.errors import KafkaRefused, KafkaStateError, KafkaUnreachable, SentimentError
from shared.kafka.labels import writer as module
from shared.kafka.labels.writer import LabelWriter
from shared.kafka.settings import KafkaSettings
from tests.support.labels import label

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWER = KafkaError | None


class FakeProducer:
    """Reports each record with the next of `answers` when it is polled; without one it stays silent."""

    def __init__(self, answers: list[ANSWER], raises: Exception | None = None) -> None:
        self.answers = answers
        self.raises = raises
        self.records: list[tuple[str, bytes | None, bytes, int]] = []
        self.purged = False
        self._waiting: list[Callable[[ANSWER, None], None]] = []

    def produce(
        self, topic: str, value: bytes | None, key: bytes, *, partition: int, on_delivery: Callable[..., None]
    ) -> None:
        """Queues a record."""
        if self.raises is not None:
            raise self.raises
        self.records.append((topic, value, key, partition))
        self._waiting.append(on_delivery)

    def poll(self, _timeout_s: float) -> int:
        """Reports one record."""
        if self._waiting and self.answers:
            self._waiting.pop(0)(self.answers.pop(0), None)
        return 0

    def purge(self) -> None:
        """Drops what waits."""
        self.purged = True

    def flush(self, _timeout_s: float) -> int:
        """Reports what was dropped."""
        for report in self._waiting:
            report(KafkaError(KafkaError._PURGE_QUEUE), None)
        return 0


@pytest.fixture
def ensured(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The topics that were made sure of."""
    found: list[str] = []
    monkeypatch.setattr(module, "ensure_topic", lambda _kafka, topic: found.append(topic))
    return found


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch, ensured: list[str]) -> list[FakeProducer]:
    """The producers that are built next; the last configuration is checked."""
    del ensured
    queue: list[FakeProducer] = []

    def build(config: dict[str, Any]) -> FakeProducer:
        assert (config["acks"], config["enable.idempotence"]) == ("all", True)
        assert (config["delivery.report.only.error"], config["allow.auto.create.topics"]) == (False, False)
        return queue.pop(0)

    monkeypatch.setattr(module, "Producer", build)
    return queue


def written(producers: list[FakeProducer], *fakes: FakeProducer, **more: float) -> LabelWriter:
    """A writer of these producers."""
    producers.extend(fakes)
    return LabelWriter(KafkaSettings(), "labels", **more)


def test_a_label_and_its_undo_have_one_key(producers: list[FakeProducer]) -> None:
    """And return once they are acknowledged; the value of an undo is null."""
    fake = FakeProducer([None, None])
    with written(producers, fake) as writer:
        writer.write(label())
        writer.undo(label().key)
    assert fake.records == [
        ("labels", label().encode(), b"texts-0-7|ann", 0),
        ("labels", None, b"texts-0-7|ann", 0),
    ]


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (KafkaError._MSG_TIMED_OUT, KafkaUnreachable, "it may be saved or not: write it again"),
        (KafkaError._PURGE_QUEUE, KafkaUnreachable, "write it again"),
        (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaRefused, "denies WRITE on topic labels"),
        (KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaRefused, "denies WRITE on topic labels"),
        (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaStateError, "topic labels does not exist any more"),
        (KafkaError._UNKNOWN_TOPIC, KafkaStateError, "topic labels does not exist any more"),
        (KafkaError.MSG_SIZE_TOO_LARGE, KafkaStateError, "MSG_SIZE_TOO_LARGE"),
    ],
)
def test_what_was_not_acknowledged_is_an_error_that_says_why(
    code: int, kind: type[SentimentError], words: str, producers: list[FakeProducer]
) -> None:
    """Reported, or raised at once by the client."""
    fakes = FakeProducer([KafkaError(code)]), FakeProducer([], KafkaException(KafkaError(code)))
    for fake in fakes:
        with pytest.raises(kind, match=words):
            written(producers, fake).write(label())


def test_a_refused_login_is_said_in_place_of_the_silence(producers: list[FakeProducer]) -> None:
    """The record only times out; the client's error callback knows why. It is forgotten once a label is saved."""
    late = KafkaError(KafkaError._MSG_TIMED_OUT)
    writer = written(producers, FakeProducer([late]), FakeProducer([None, late]))
    writer._errors(KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED))
    with pytest.raises(KafkaRefused, match="refuses the credentials"):
        writer.write(label())
    writer.write(label())
    with pytest.raises(KafkaUnreachable, match="did not acknowledge"):
        writer.write(label())


@pytest.mark.parametrize("code", [KafkaError._FATAL, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._MSG_TIMED_OUT])
def test_a_producer_that_cannot_go_on_is_replaced(
    code: int, producers: list[FakeProducer], ensured: list[str]
) -> None:
    """For the next label the topic is made sure of again, and the producer is a new one."""
    first, second = FakeProducer([KafkaError(code)]), FakeProducer([None])
    writer = written(producers, first, second)
    with pytest.raises((KafkaStateError, KafkaUnreachable)):
        writer.write(label())
    writer.write(label())
    assert (first.purged, len(second.records), ensured) == (True, 1, ["labels", "labels"])


def test_a_fatal_error_of_the_client_is_not_a_crash(producers: list[FakeProducer]) -> None:
    """confluent-kafka raises SystemError for it."""
    writer = written(producers, FakeProducer([], SystemError()), FakeProducer([None]))
    with pytest.raises(KafkaStateError):
        writer.write(label())
    writer.write(label())


def test_a_report_that_never_comes_ends_the_wait(
    producers: list[FakeProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the producer with it: the label must not be written after it was reported as not saved."""
    monkeypatch.setattr(module, "_REPORT_S", 0.0)
    silent = FakeProducer([])
    writer = written(producers, silent, FakeProducer([None]), timeout_s=0.01)
    with pytest.raises(KafkaUnreachable):
        writer.write(label())
    assert silent.purged
    writer.write(label())


def test_a_full_queue_is_an_error(producers: list[FakeProducer]) -> None:
    """Not an endless wait."""
    with pytest.raises(KafkaUnreachable, match="too many labels wait"):
        written(producers, FakeProducer([], BufferError())).write(label())


def test_a_closed_writer_ends_what_waits_and_writes_no_more(producers: list[FakeProducer]) -> None:
    """A call in another thread is ended by the close."""
    silent = FakeProducer([])
    writer = written(producers, silent)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            writer.write(label())
        except SentimentError as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    while not silent.records:
        pass
    with writer:
        pass
    thread.join(10)
    assert [type(failure) for failure in failures] == [KafkaUnreachable]
    producers.append(FakeProducer([None]))
    with pytest.raises(KafkaStateError, match="is closed"):
        writer.write(label())
