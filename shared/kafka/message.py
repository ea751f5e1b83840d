"""What a message of the client is: a record, the end of its partition, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from confluent_kafka import KafkaError, KafkaException

if TYPE_CHECKING:
    from confluent_kafka import Message

    from shared.messages import Headers


def headers_of(message: Message) -> Headers | None:
    """The headers as they are; None where the client cannot read them.

    The protocol wants names in UTF-8, not every producer keeps to it, and confluent-kafka 2.16 raises a
    SystemError at such a name. Of a record with more than 100,000 headers librdkafka hands over none.
    """
    try:
        # Names and bytes in a list, as of every message that was read; the declared type is that of `produce`.
        return tuple(cast("list[tuple[str, bytes | None]]", message.headers() or ()))
    except (SystemError, UnicodeDecodeError):
        return None


def is_about_the_group(message: Message) -> bool:
    """Whether the client complains that it may not use its group, which it names but never joins."""
    error = message.error()
    return error is not None and error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def is_partition_end(message: Message) -> bool:
    """Whether the message says that the end of its partition is reached; raises KafkaException for an error."""
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's public constants
        return True
    raise KafkaException(error)
