"""Headers of the dead-letter topic: of a dead letter and of a replay receipt."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

REASON_BYTES: Final = 1024
"""Maximum length of a dead letter's reason, in bytes of UTF-8."""
RECEIPT_KEY: Final = "sentiment.replayed:"
"""Prefix of a replay receipt's key, before the partition, a colon and the offset of the letter."""

Headers = tuple[tuple[str, bytes | None], ...]


class DeadLetterHeaders(BaseModel):
    """Headers added to a dead letter, all as text; its key, value and other headers are the input's.

    The `__connect.errors.*` names are those of Kafka Connect, so that its tools can read them.
    """

    model_config = ConfigDict(frozen=True, serialize_by_alias=True, validate_by_name=True)

    topic: str = Field(alias="__connect.errors.topic")
    partition: str = Field(alias="__connect.errors.partition")
    offset: str = Field(alias="__connect.errors.offset")
    stage: str = Field(alias="__connect.errors.stage")
    class_name: str = Field(alias="__connect.errors.class.name")
    exception: str = Field(alias="__connect.errors.exception.class.name")
    message: str = Field(
        alias="__connect.errors.exception.message", description="why; at most 1 KiB, never the payload"
    )
    original_timestamp: str | None = Field(
        default=None,
        alias="sentiment.original_timestamp",
        description="epoch milliseconds of the input record",
    )
    service_version: str = Field(alias="sentiment.service_version")
    model_version: str = Field(alias="sentiment.model_version")
    value_bytes: str | None = Field(
        default=None,
        alias="sentiment.value_bytes",
        description="only if the record was too large to copy: size of the value; the value of the letter is then "
        "empty (or null, with 0 here, if the input's was null), and key and headers may be missing too",
    )
    value_sha256: str | None = Field(
        default=None,
        alias="sentiment.value_sha256",
        description="digest of the value; only with sentiment.value_bytes, and not for a null value",
    )

    def as_headers(self) -> Headers:
        """Encodes the set fields in the order above."""
        fields: dict[str, str] = self.model_dump(exclude_none=True)
        return tuple((name, value.encode()) for name, value in fields.items())


class ReplayReceiptHeaders(BaseModel):
    """The only header of a replay receipt: a record in the dead-letter topic that says that a letter was replayed.

    The receipt's key is `sentiment.replayed:<partition>:<offset>` of the letter, and its value is empty. It is in
    the partition of the letter, after it. A letter cannot look like a receipt: its last headers are its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, validate_by_name=True)

    replayed_to: str = Field(alias="sentiment.replayed_to", description="the topic it was replayed to")

    def as_headers(self) -> Headers:
        """Encodes the header."""
        fields: dict[str, str] = self.model_dump()
        return tuple((name, value.encode()) for name, value in fields.items())
