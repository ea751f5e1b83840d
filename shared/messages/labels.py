"""The label that a person gives to a record of an input topic: key and value of the labels topic.

The latest record of a key counts, and one without a value takes the label back; docs/labels.md is the contract.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from shared.text import normalise

LABEL_SCHEMA_VERSION: Final = 1
UNSURE: Final = "unsure"
"""The verdict of a person who cannot tell."""
MAX_LABEL_BYTES: Final = 16_384
"""Maximum bytes of a label's value that is read. The fields at their bounds take less than half of it."""

_TOPIC: Final = r"[A-Za-z0-9._-]{1,249}"
_MAX_PARTITION: Final = 2**31 - 1
_MAX_OFFSET: Final = 2**63 - 1
# A topic has no "|", so the first one ends the source, and the numbers are what follows its last two hyphens.
_KEY: Final = re.compile(rf"({_TOPIC})-(0|[1-9][0-9]{{0,9}})-(0|[1-9][0-9]{{0,18}})\|(.+)", re.DOTALL)
_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class BadLabel(ValueError):  # noqa: N818 - a value, like BadRecord
    """A record of the labels topic is no label; the message never quotes the record."""


def _one_line(text: str) -> str:
    if text.isspace() or any(unicodedata.category(char) in _CONTROLS for char in text):
        raise ValueError("must be one line of text without control characters, and not blank")
    return text


def _annotator(name: str) -> str:
    """Two names that look alike would be two annotators, so that one person could vote twice."""
    if unicodedata.normalize("NFC", name) != name or name.strip() != name:
        raise ValueError("must be in Unicode NFC, without white space at its ends")
    if any(unicodedata.category(char) == "Cf" for char in _one_line(name)):
        raise ValueError("must have no invisible characters, such as direction marks and zero-width joiners")
    return name


Annotator = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_annotator)]
Verdict = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]
Name = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_one_line)]


class LabelledRecord(BaseModel):
    """Coordinates of the labelled record in Kafka."""

    model_config = ConfigDict(frozen=True, from_attributes=True)  # takes the `source` of a result as it is

    topic: str = Field(pattern=f"^{_TOPIC}$")
    partition: int = Field(ge=0, le=_MAX_PARTITION)
    offset: int = Field(ge=0, le=_MAX_OFFSET)


class SeenModel(BaseModel):
    """The model whose result the annotator saw."""

    model_config = ConfigDict(frozen=True, from_attributes=True)  # takes the `model` of a result as it is

    name: Name
    version: Name = Field(description="the version in the result")


class LabelKey(NamedTuple):
    """Key of a label: one annotator has one label for a record."""

    topic: str
    partition: int
    offset: int
    annotator: str

    def encode(self) -> bytes:
        """The key in Kafka: `topic-partition-offset|annotator` in UTF-8."""
        return f"{self.topic}-{self.partition}-{self.offset}|{self.annotator}".encode()

    @classmethod
    def decode(cls, key: bytes | None) -> Self:
        """Parses a key; raises BadLabel for anything that `encode` does not return."""
        try:
            parts = _KEY.fullmatch((key or b"").decode())
        except UnicodeDecodeError:
            parts = None
        if parts is None:
            raise BadLabel("the key is not topic-partition-offset|annotator")
        try:
            label = _KeyFields(
                source=LabelledRecord(topic=parts[1], partition=int(parts[2]), offset=int(parts[3])),
                annotator=parts[4],
            )
        except ValidationError as error:
            raise BadLabel(f"the key is not topic-partition-offset|annotator: {_where(error)}") from None
        return cls(label.source.topic, label.source.partition, label.source.offset, label.annotator)


class _KeyFields(BaseModel, frozen=True):
    source: LabelledRecord
    annotator: Annotator


class Label(BaseModel, frozen=True):
    """Value of the labels topic: what one annotator says of one record. No value (a tombstone) takes it back."""

    schema_version: Literal[1] = LABEL_SCHEMA_VERSION
    source: LabelledRecord
    verdict: Verdict = Field(
        description='the label, as the results write it, or "unsure" if the annotator cannot tell'
    )
    text_sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the normalised text in UTF-8, in hexadecimal; it shows whether the record at "
        "`source` is still the one that was labelled",
    )
    annotator: Annotator = Field(
        description="who labelled: one line of visible characters in Unicode NFC, without white space at its ends"
    )
    purpose: Literal["audit", "queue", "free"] = Field(
        description="why this record: `audit`, drawn at random; `queue`, proposed because its label helps most; "
        "`free`, chosen by the annotator"
    )
    selection_probability: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="probability with which the record was drawn; always there for `audit`"
    )
    model: SeenModel | None = Field(default=None, description="null if the annotator saw no result")
    labelled_at: AwareDatetime = Field(description="RFC 3339; for people, the order in the topic decides")

    @model_validator(mode="after")
    def _audit_has_a_probability(self) -> Self:
        if self.purpose == "audit" and self.selection_probability is None:
            raise ValueError("a label of purpose audit needs its selection_probability")
        return self

    @property
    def key(self) -> LabelKey:
        """The key of this label."""
        return LabelKey(self.source.topic, self.source.partition, self.source.offset, self.annotator)

    def encode(self) -> bytes:
        """The value in Kafka: JSON in UTF-8."""
        return self.model_dump_json().encode()

    @classmethod
    def decode(cls, key: LabelKey, value: bytes) -> Self:
        """Parses the value of a key; raises BadLabel if it is no label, or that of another key."""
        if len(value) > MAX_LABEL_BYTES:
            raise BadLabel(f"the value has {len(value)} bytes, more than the limit of {MAX_LABEL_BYTES}")
        try:
            label = cls.model_validate_json(value)
        except ValidationError as error:
            raise BadLabel(f"the value is not a label: {_where(error)}") from None
        if label.key != key:
            raise BadLabel("source or annotator of the value are not those of its key")
        return label


def text_sha256(text: str) -> str:
    """The digest of a text for `Label.text_sha256`, by the normaliser with its default options."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()


def _where(error: ValidationError) -> str:
    """The fields that are wrong and how, without their values."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'value'} ({one['type']})" for one in faults[:3])
