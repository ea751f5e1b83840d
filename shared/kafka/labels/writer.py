"""Writes labels and takes them back; each call returns once Kafka has acknowledged, or raises."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import KafkaError, KafkaException, Producer

from shared.errors import KafkaStateError, KafkaUnreachable, SentimentError
from shared.kafka.errors import HOPELESS, ClientErrors, explain, refused_configuration
from shared.kafka.labels.topic import PARTITION, ensure_topic
from shared.kafka.transactions import PURGED, drop, producer_config
from shared.messages.labels import MAX_LABEL_BYTES

if TYPE_CHECKING:
    from confluent_kafka import Message

    from shared.kafka.settings import KafkaSettings
    from shared.messages.labels import Label, LabelKey

ACKNOWLEDGE_S: Final = 10.0
"""Seconds in which all in-sync replicas have to acknowledge a label, unless the caller says otherwise."""
_REPORT_S: Final = 5.0
"""Seconds after that in which the client reports; it looks for records that are overdue once a second."""
_POLL_S: Final = 0.05
"""Another thread may be the one that is called with the report of this one, which then looks after this time."""
_GONE: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001 - the client's public constants
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
    }
)
_LATE: Final = PURGED | {KafkaError._MSG_TIMED_OUT}  # noqa: SLF001


class LabelWriter:
    """An idempotent producer of labels, acknowledged by all in-sync replicas; used by any number of threads.

    Labels of one key are written in the order of the calls. After an error a label may be in the topic or not:
    write it again, or take it back; both can be repeated. A call waits for `timeout_s`, and up to 5 s more for the
    client's report; one that follows a failure looks at the topic again first, seconds more without a broker.
    """

    def __init__(self, kafka: KafkaSettings, topic: str, *, timeout_s: float = ACKNOWLEDGE_S) -> None:
        """Makes sure of the topic, as `ensure_topic` does; raises an explained error."""
        self._kafka = kafka
        self._topic = topic
        self._timeout_s = timeout_s
        self._errors = ClientErrors()
        self._lock = threading.Lock()
        """Held for the two fields below, and never while something is awaited."""
        self._closed = False
        self._producer: Producer | None = None
        self._ready()

    def __enter__(self) -> Self:
        """Returns the writer."""
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the connections; calls that still wait in other threads raise."""
        with self._lock:
            self._closed = True
            producer = self._producer
        if producer is not None:
            drop(producer)

    def write(self, label: Label) -> None:
        """Writes a label, in place of an earlier one of its key; raises an explained error."""
        self._send(label.key, label.encode())

    def undo(self, key: LabelKey) -> None:
        """Takes the label of a key back, also if there is none; raises an explained error."""
        self._send(key, None)

    def _send(self, key: LabelKey, value: bytes | None) -> None:
        producer = self._ready()
        report: SimpleQueue[KafkaError | None] = SimpleQueue()

        def delivered(error: KafkaError | None, _message: Message) -> None:
            report.put(error)

        try:
            producer.produce(self._topic, value, key.encode(), partition=PARTITION, on_delivery=delivered)
            error = self._reported(producer, report)
        except BufferError:
            raise KafkaUnreachable(f"too many labels wait for Kafka at {self._kafka.bootstrap_servers}") from None
        except KafkaException as raised:
            error = raised.args[0]
        except SystemError:  # what confluent-kafka 2.16 makes of an error that is fatal to the producer
            error = KafkaError(KafkaError._FATAL)  # noqa: SLF001
        if error is not None:
            raise self._failed(producer, error)
        self._errors.last = None  # an error that has passed must not explain a later one

    def _reported(self, producer: Producer, report: SimpleQueue[KafkaError | None]) -> KafkaError | None:
        """Waits for what became of a record: None, or an error."""
        deadline = time.monotonic() + self._timeout_s + _REPORT_S
        while report.empty():
            if time.monotonic() > deadline:
                self._give_up(producer)  # else it might still send the label later
                return KafkaError(KafkaError._MSG_TIMED_OUT)  # noqa: SLF001
            producer.poll(_POLL_S)
        return report.get()

    def _ready(self) -> Producer:
        """The producer; a new one where there is none, for which the topic is made sure of first."""
        with self._lock:
            if self._producer is not None and not self._closed:
                return self._producer
        ensure_topic(self._kafka, self._topic)
        fresh = self._new_producer()
        with self._lock:
            if self._closed:
                raise KafkaStateError("the writer of labels is closed; the label was not written")
            # Another thread may have been faster.
            self._producer = self._producer or fresh
            return self._producer

    def _new_producer(self) -> Producer:
        config = producer_config(
            self._kafka,
            self._errors,
            client_id="sentiment-labels",
            transactional_id=None,
            timeout_s=self._timeout_s,
            max_record_bytes=2 * MAX_LABEL_BYTES,
        )
        ours = {
            "acks": "all",
            "delivery.report.only.error": False,
            # A topic that was deleted would come back with the broker's defaults, and those are not compacted.
            "allow.auto.create.topics": False,
        }
        try:
            return Producer(config | ours)
        except KafkaException as error:
            raise refused_configuration(error) from None

    def _failed(self, producer: Producer, error: KafkaError) -> SentimentError:
        """Explains a failure; a producer that cannot go on is given up, and the next call makes a new one."""
        code = error.code()
        # Late is also how the client reports a topic that was deleted, for 30 s: so the topic is looked at again.
        if code in _GONE | _LATE or error.fatal() or code == KafkaError._FATAL:  # noqa: SLF001
            self._give_up(producer)
        if code in _GONE:
            return KafkaStateError(
                f"topic {self._topic} does not exist any more, and its labels are gone with it; write the label "
                "again, which creates the topic, and find out who deleted it"
            )
        last = self._errors.last
        if code in _LATE and last is not None and last.code() in HOPELESS:
            error, code = last, last.code()
        if code in _LATE:
            return KafkaUnreachable(
                f"Kafka at {self._kafka.bootstrap_servers} did not acknowledge the label within "
                f"{self._timeout_s:g} s, so it may be saved or not: write it again; check that the brokers run "
                f"and that topic {self._topic} has as many replicas in sync as its min.insync.replicas"
            )
        right = f"WRITE on topic {self._topic}"
        rights = {KafkaError.TOPIC_AUTHORIZATION_FAILED: right, KafkaError.CLUSTER_AUTHORIZATION_FAILED: right}
        return explain(error, self._kafka.bootstrap_servers, rights)

    def _give_up(self, producer: Producer) -> None:
        with self._lock:
            if self._producer is producer:
                self._producer = None
        drop(producer)
