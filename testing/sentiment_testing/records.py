"""What is written to the consumer's input topic, and what is read from its output topics."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, Producer, TopicPartition

from sentiment_testing.errors import BrokerError, NotInTimeError
from sentiment_testing.kafka.mock import FETCH_WAIT_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sentiment_testing.kafka.broker import Broker

FLUSH_S: Final = 60.0
POLL_S: Final = 0.1
ERROR_HEADER: Final = "__connect.errors.exception.class.name"
REASON_HEADER: Final = "__connect.errors.exception.message"


@dataclass(frozen=True, slots=True)
class Result:
    """A result as it is in the topic."""

    id: str
    label: str
    score: float
    """The probability of the label."""
    value: dict[str, Any]
    """All fields; docs/schemas/result.schema.json describes them."""
    key: bytes | None
    headers: dict[str, bytes | None]

    @classmethod
    def of(cls, message: Message) -> Self:
        """Reads a record of the results topic."""
        value = json.loads(message.value() or b"")
        return cls(value["id"], value["label"], value["score"], value, message.key(), headers_of(message))


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: an input that has no result, byte for byte, and why."""

    value: bytes | None
    key: bytes | None
    error: str
    """The class, such as BadRecord."""
    reason: str
    headers: dict[str, bytes | None]

    @classmethod
    def of(cls, message: Message) -> Self:
        """Reads a record of the dead-letter topic."""
        headers = headers_of(message)
        error, reason = ((headers[name] or b"").decode() for name in (ERROR_HEADER, REASON_HEADER))
        return cls(message.value(), message.key(), error, reason, headers)


def headers_of(message: Message) -> dict[str, bytes | None]:
    """The headers by name; of several of a name, the last."""
    return dict(message.headers() or ())  # type: ignore[arg-type]  # a value that was read is bytes


class TopicWriter:
    """Writes inputs, and knows the ids of their results."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})

    def send(self, inputs: Sequence[tuple[str | None, bytes | None]]) -> list[str]:
        """Writes (id, value) in order and waits for their acknowledgement; raises BrokerError without it.

        Records of one id go to one partition. Returns the ids of the results: of an input without an id, its
        coordinates.
        """
        ids = ["" for _ in inputs]
        failures: list[str] = []

        def delivered(index: int, given: str | None) -> Callable[[Any, Message], None]:
            def callback(error: Any, message: Message) -> None:
                if error is not None:
                    failures.append(str(error))
                ids[index] = given or f"{self._topic}-{message.partition()}-{message.offset()}"

            return callback

        for index, (given, value) in enumerate(inputs):
            self._producer.produce(self._topic, value=value, key=given, on_delivery=delivered(index, given))
            self._producer.poll(0)
        left = self._producer.flush(FLUSH_S)
        if left or failures:
            raise BrokerError(
                f"{left + len(failures)} of {len(ids)} records were not acknowledged by Kafka in {FLUSH_S:.0f} s "
                f"({', '.join(sorted(set(failures))) or 'no answer'}); does the broker still run?"
            )
        return ids


class TopicReader:
    """Reads a whole topic from its beginning, committed records only, in order per partition."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._name = topic
        settings = {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": f"reader-of-{topic}",  # nothing is committed
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "log_level": 0,
        }
        if broker.is_mock:
            settings["fetch.wait.max.ms"] = FETCH_WAIT_MS
        self._consumer = Consumer(settings)
        partitions = self._consumer.list_topics(topic, timeout=FLUSH_S).topics[topic].partitions
        self._places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions]
        self._consumer.assign(self._places)
        self.messages: list[Message] = []
        """All records so far; those without a value too."""

    def poll(self) -> None:
        """Reads what has arrived; waits POLL_S at most for the first record."""
        for message in self._consumer.consume(1_000, POLL_S):
            if (error := message.error()) is not None:
                raise BrokerError(f"topic {self._name} cannot be read: {error}")
            self.messages.append(message)

    def read_to_end(self, timeout_s: float) -> None:
        """Reads all that is in the topic now; raises NotInTimeError."""
        try:
            ends = {
                place.partition: self._consumer.get_watermark_offsets(place, timeout=timeout_s)[1]
                for place in self._places
            }
        except KafkaException as error:
            raise BrokerError(f"the end of topic {self._name} is not known: {error}") from None
        deadline = time.monotonic() + timeout_s
        while not self._has_reached(ends):
            if time.monotonic() > deadline:
                raise NotInTimeError(f"topic {self._name} was not read to its end within {timeout_s:.0f} s")
            self.poll()

    def close(self) -> None:
        """Leaves the topic."""
        self._consumer.close()

    def _has_reached(self, ends: dict[int, int]) -> bool:
        return all(
            max(place.offset, 0) >= ends[place.partition] for place in self._consumer.position(self._places)
        )
