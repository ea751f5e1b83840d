"""Message models of the topics: input, result, dead letter and replay receipt.

The models are the contract; `python -m shared.messages FOLDER` writes their JSON Schemas.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

SCHEMA_VERSION: Final = 1
SCHEMA_HEADER: Final = "sentiment.schema"
"""Header of every result: the schema version as text. It follows the headers of the input and occurs once."""

REASON_BYTES: Final = 1024
"""Maximum length of a dead letter's reason, in bytes of UTF-8."""
RECEIPT_KEY: Final = "sentiment.replayed:"
"""Prefix of a replay receipt's key, before the partition, a colon and the offset of the letter."""

Headers = tuple[tuple[str, bytes | None], ...]
Probability = Annotated[float, Field(ge=0, le=1)]


class InputMessage(BaseModel):
    """Value of the input topic. Only `id` and `text` are read; other fields are ignored.

    `--text-field` and `--id-field` say where else text and id are, and `--format` what else a value is: see
    docs/formats.md.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    text: str = Field(min_length=1, description="the text to score; not blank, also after normalisation")
    id: str | int | None = Field(default=None, description="default, and for other types: topic-partition-offset")
    source: str | None = Field(default=None, description="where the text comes from; for the archive")
    created_at: AwareDatetime | None = Field(default=None, description="RFC 3339; for the archive")


class ModelRef(BaseModel, frozen=True):
    """The model that computed a result."""

    name: str
    version: str = Field(description="digest of the weights, the tokenizer and all that shapes a score")


class SourceRef(BaseModel, frozen=True):
    """Coordinates of the scored record in Kafka; unique, so that a reader can remove duplicates by them."""

    topic: str
    partition: int
    offset: int
    timestamp: int | None = Field(description="the record's own timestamp in epoch milliseconds")


class Result(BaseModel, frozen=True):
    """Value of the results topic. Key, headers and timestamp of the record are the input's.

    With `--on-null forward` the value is null if the input deletes the row of that key.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    id: str
    text: str | None = Field(default=None, description="only with --include-text")
    label: str = Field(
        description="that of the largest product of probability and the model's decision weight; with weights it "
        "need not have the largest probability"
    )
    score: Probability = Field(description="the probability of `label`")
    probabilities: dict[str, Probability] = Field(
        description="six decimals; they sum to 1 within 1e-5. Of a calibrated model each of them is: of texts "
        "like its calibration rows with 0.7 for a label, about 70 % have that label"
    )
    uncertain: bool = Field(
        description="the score, before rounding, is below the consumer's `uncertain_below`, or else the model's "
        "own threshold; or `unknown_share` is there"
    )
    truncated: bool = Field(description="the text was longer than the model reads")
    tokens: int = Field(ge=0, description="tokens the model read, special tokens included")
    unknown_share: Probability | None = Field(
        default=None,
        exclude_if=lambda share: share is None,
        description="share of `tokens` that the model does not know, special tokens left out, in three decimals; "
        "only above the consumer's `max_unknown_share`",
    )
    model: ModelRef
    source: SourceRef | None = Field(description="null when scored without Kafka")
    scored_at: AwareDatetime


def is_result(value: bytes) -> bool:
    """Whether a value is a valid `Result` of this service."""
    # The schema header is not enough: programs copy headers to what they make of a result.
    try:
        Result.model_validate_json(value)
    except ValidationError:
        return False
    return True


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


def schemas() -> dict[str, str]:
    """JSON Schemas by file name, as committed in docs/schemas/."""
    models: dict[str, type[BaseModel]] = {
        "input": InputMessage,
        "result": Result,
        "dead-letter-headers": DeadLetterHeaders,
        "replay-receipt-headers": ReplayReceiptHeaders,
    }
    return {
        f"{name}.schema.json": json.dumps(model.model_json_schema(by_alias=True), indent=2) + "\n"
        for name, model in models.items()
    }


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for file_name, schema in schemas().items():
        (folder / file_name).write_text(schema, encoding="utf-8")
