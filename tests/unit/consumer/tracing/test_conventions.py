"""The names of attributes are those of the conventions that the pinned package has."""

from __future__ import annotations

from opentelemetry.semconv._incubating.attributes import messaging_attributes
from opentelemetry.semconv.attributes import error_attributes
from opentelemetry.semconv.schemas import Schemas

from consumer.tracing import conventions


def test_names_are_those_of_version_1_44() -> None:
    """Given the package's names, then ours are the same."""
    assert Schemas.V1_44_0.value == conventions.SCHEMA
    package = messaging_attributes
    assert [
        conventions.SYSTEM,
        conventions.OPERATION_NAME,
        conventions.OPERATION_TYPE,
        conventions.DESTINATION,
        conventions.PARTITION,
        conventions.GROUP,
        conventions.CLIENT,
        conventions.COUNT,
        conventions.OFFSET,
        conventions.ERROR,
    ] == [
        package.MESSAGING_SYSTEM,
        package.MESSAGING_OPERATION_NAME,
        package.MESSAGING_OPERATION_TYPE,
        package.MESSAGING_DESTINATION_NAME,
        package.MESSAGING_DESTINATION_PARTITION_ID,
        package.MESSAGING_CONSUMER_GROUP_NAME,
        package.MESSAGING_CLIENT_ID,
        package.MESSAGING_BATCH_MESSAGE_COUNT,
        package.MESSAGING_KAFKA_OFFSET,
        error_attributes.ERROR_TYPE,
    ]
