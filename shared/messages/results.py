"""Values of the topics that the consumer reads and writes: input and result."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

SCHEMA_VERSION: Final = 1
SCHEMA_HEADER: Final = "sentiment.schema"
"""Header of every result: the schema version as text. It follows the headers of the input and occurs once."""

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
    truncated: bool = Field(description="the text was longer than the model reads, with all segments")
    tokens: int = Field(ge=0, description="tokens the model read, special tokens included")
    unknown_share: Probability | None = Field(
        default=None,
        exclude_if=lambda share: share is None,
        description="share of `tokens` that the model does not know, special tokens left out, in three decimals; "
        "only above the consumer's `max_unknown_share`",
    )
    segments: int | None = Field(
        default=None,
        gt=1,
        exclude_if=lambda segments: segments is None,
        description="parts in which a text was read that is longer than the model reads at once; their "
        "probabilities are pooled, and `tokens` has those of all",
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
