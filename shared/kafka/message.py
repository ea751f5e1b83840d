"""Classifies messages of the client: a record, the end of a partition, or an error."""

from __future__ import annotations

from operator import methodcaller
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, KafkaException, Message

if TYPE_CHECKING:
    from shared.messages import Headers


KafkaMessage: TypeAlias = Message
"""The type of a record, for packages that read through `shared.kafka` only."""


# Not `message.headers()`: once a call is hot, CPython 3.11 specialises it and no longer looks whether the method
# has set an error. Then names that are missing are read later, which is a segmentation fault. 46 ns a record.
_headers: Final = methodcaller("headers")


def headers_of(message: Message) -> Headers | None:
    """The headers, unchanged; None if the client cannot read them.

    The protocol requires names in UTF-8, but not every producer complies, and confluent-kafka 2.16 raises a
    SystemError for any other name. For a record with more than 100,000 headers librdkafka returns none.

    Call it once for a message: after an error the client keeps what it had built, with names that crash the
    process when they are read.
    """
    try:
        # A consumed message has a list of names and bytes; the declared type is the one for `produce`.
        return tuple(cast("list[tuple[str, bytes | None]]", _headers(message) or ()))
    except (SystemError, UnicodeDecodeError):
        return None


def is_about_the_group(message: Message) -> bool:
    """Whether the message is an authorization error of the group, which the client names but never joins."""
    error = message.error()
    return error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def is_partition_end(message: Message) -> bool:
    """Whether the message marks the end of its partition; raises KafkaException for an error."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public constants
        return True
    raise KafkaException(error)


def place_of(message: Message) -> tuple[str, int, int]:
    """Topic, partition and offset of a record."""
    partition, offset = message.partition(), message.offset()
    return message.topic() or "", -1 if partition is None else partition, -1 if offset is None else offset


def timestamp_of(message: Message) -> int | None:
    """The timestamp in epoch milliseconds; None for a record without one."""
    kind, stamp_ms = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else stamp_ms
