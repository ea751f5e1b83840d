"""Classifies messages of the client: a record, the end of a partition, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, KafkaException

if TYPE_CHECKING:
    from confluent_kafka import Message

    from shared.messages import Headers


def headers_of(message: Message) -> Headers | None:
    """The headers, unchanged; None if the client cannot read them.

    The protocol requires names in UTF-8, but not every producer complies, and confluent-kafka 2.16 raises a
    SystemError for any other name. For a record with more than 100,000 headers librdkafka returns none.
    """
    try:
        # A consumed message has a list of names and bytes; the declared type is the one for `produce`.
        return tuple(cast("list[tuple[str, bytes | None]]", message.headers() or ()))
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
