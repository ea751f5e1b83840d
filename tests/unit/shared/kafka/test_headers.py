"""Headers as the client returns them, of a record that only another client can write."""

from __future__ import annotations

import ctypes
from pathlib import Path

import confluent_kafka
import pytest
from confluent_kafka import Consumer, Message, TopicPartition

from demo.broker import EmbeddedBroker
from shared.kafka.message import headers_of

TOPIC = "texts"
READ_S = 20.0
HOT = 1_000
"""Calls after which CPython has specialised a call; it takes some ten."""
# Tags of the arguments of rd_kafka_producev, from rdkafka.h.
END, TO_TOPIC, VALUE, HEADER = 0, 1, 4, 9


def write_raw(address: str, name: bytes) -> None:
    """Writes one record with a header of any name through librdkafka itself; the Python client takes text only."""
    folder = Path(confluent_kafka.__file__).parents[1] / "confluent_kafka.libs"
    found = sorted(folder.glob("librdkafka*.so*"))
    if not found:
        pytest.skip("this confluent-kafka does not bring its own librdkafka")
    library = ctypes.CDLL(str(found[0]))
    library.rd_kafka_conf_new.restype = library.rd_kafka_new.restype = ctypes.c_void_p
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    error = ctypes.create_string_buffer(512)
    config = pointer(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(config, text(b"bootstrap.servers"), text(address.encode()), error, size(512))
    producer = pointer(library.rd_kafka_new(0, config, error, size(512)))
    record = (TO_TOPIC, text(TOPIC.encode()), VALUE, text(b"x"), size(1))
    assert library.rd_kafka_producev(producer, *record, HEADER, text(name), text(b"v"), size(1), END) == 0
    assert library.rd_kafka_flush(producer, 10_000) == 0
    library.rd_kafka_destroy(producer)


def read_one(address: str, partition_count: int) -> Message:
    """The one record of the topic, from any partition."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "g", "log_level": 0})
    consumer.assign([TopicPartition(TOPIC, number, 0) for number in range(partition_count)])
    message = consumer.poll(READ_S)
    assert message is not None
    assert message.error() is None
    consumer.close()
    return message


@pytest.mark.parametrize(
    ("name", "expected"),
    [(b"trace", (("trace", b"v"),)), ("\u4e16".encode(), (("\u4e16", b"v"),)), (b"\xff", None)],
)
def test_headers_are_read_or_said_to_be_lost(name: bytes, expected: object) -> None:
    """Given a header whose name is UTF-8 or is not, when read, then it is there, or None says that it cannot be.

    When it was not handled, the client's SystemError ended the process at that record after every restart.
    """
    with EmbeddedBroker([TOPIC]) as broker:
        write_raw(broker.address, name)
        message = read_one(broker.address, 4)

    # As in a consumer that has read for a while: at a call that is hot, CPython does not look for an error.
    for _ in range(HOT):
        assert headers_of(Message()) == ()
    assert headers_of(message) == expected
    assert message.value() == b"x"
