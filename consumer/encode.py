"""Document and score, or dead letter, to the bytes of an output record. Pure but for the clock it is given."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pydantic_core import to_json

from consumer.records import DeadLetter, Outgoing
from shared import __version__
from shared.messages import (
    REASON_BYTES,
    SCHEMA_HEADER,
    SCHEMA_VERSION,
    DeadLetterHeaders,
    ModelRef,
    Result,
    SourceRef,
)

if TYPE_CHECKING:
    from datetime import datetime

    from consumer.records import Document, Record, Score

FUTURE_MS: Final = 3_000_000
"""A timestamp further ahead than this (50 min) is replaced by the time of writing: brokers refuse one that
is more than an hour ahead (`message.timestamp.after.max.ms`), and one such record would block its partition."""

_SCHEMA: Final = (SCHEMA_HEADER, str(SCHEMA_VERSION).encode())
_BOOLEANS: Final = (b"false", b"true")


def answer(
    score: Score,
    *,
    identity: str,
    source: SourceRef | None,
    labels: tuple[str, ...],
    model: ModelRef,
    at: datetime,
    uncertain_below: float,
) -> Result:
    """Says what a score means: the most probable label and all that goes with it, without the text."""
    best = max(range(len(labels)), key=score.probabilities.__getitem__)
    return Result(
        id=identity,
        label=labels[best],
        score=score.probabilities[best],
        probabilities=dict(zip(labels, score.probabilities, strict=True)),
        uncertain=score.probabilities[best] < uncertain_below,
        truncated=score.truncated,
        tokens=score.tokens,
        model=model,
        source=source,
        scored_at=at,
    )


class Moment(NamedTuple):
    """The time of writing, as the results of one publish share it."""

    json: bytes
    """As pydantic writes it, quotes included."""
    future_ms: float
    """Epoch milliseconds from which on a timestamp is one of the far future."""

    @classmethod
    def of(cls, at: datetime) -> Moment:
        """Of an aware time."""
        return cls(to_json(at), at.timestamp() * 1000 + FUTURE_MS)


@dataclass(frozen=True)
class Encoder:
    """Writes results and dead letters as records."""

    labels: tuple[str, ...]
    model: ModelRef
    include_text: bool
    uncertain_below: float
    timestamps: Literal["input", "now"]
    max_bytes: int

    def result(self, document: Document, score: Score, at: Moment) -> Outgoing | DeadLetter:
        """Encodes one result; one too large to be written is a dead letter."""
        record = document.record
        value = self._value(document, score, at)
        outgoing = Outgoing(record, value, (*record.headers, _SCHEMA), self._timestamp_ms(record, at))
        if outgoing.size > self.max_bytes:
            reason = f"the result with the input's key and headers has {outgoing.size} bytes, more than the limit"
            return DeadLetter(record, "encode", "RecordTooLarge", f"{reason} of {self.max_bytes}")
        return outgoing

    def _value(self, document: Document, score: Score, at: Moment) -> bytes:
        """The JSON of the `Result` that `answer` makes, byte for byte, at a quarter of its time."""
        record, shares = document.record, score.probabilities
        numbers = to_json(shares)[1:-1].split(b",")
        best = max(shares)
        place = shares.index(best)
        return self._template % (
            to_json(document.id),
            *((to_json(document.text),) if self.include_text else ()),
            self._names[place],
            numbers[place],
            *numbers,
            _BOOLEANS[best < self.uncertain_below],
            _BOOLEANS[score.truncated],
            score.tokens,
            to_json(record.topic),
            record.partition,
            record.offset,
            to_json(record.timestamp_ms),
            at.json,
        )

    @cached_property
    def _names(self) -> tuple[bytes, ...]:
        return tuple(map(to_json, self.labels))

    @cached_property
    def _template(self) -> bytes:
        """The JSON of every `Result`, with places for what differs from one to the next."""
        model = to_json({"name": self.model.name, "version": self.model.version})
        return b"".join(
            (
                b'{"schema_version":%d,"id":%%b' % SCHEMA_VERSION,
                b',"text":%b' if self.include_text else b"",
                b',"label":%b,"score":%b,"probabilities":{',
                b",".join(name.replace(b"%", b"%%") + b":%b" for name in self._names),
                b'},"uncertain":%b,"truncated":%b,"tokens":%d,"model":',
                model.replace(b"%", b"%%"),
                b',"source":{"topic":%b,"partition":%d,"offset":%d,"timestamp":%b},"scored_at":%b}',
            )
        )

    def dead_letter(self, letter: DeadLetter) -> Outgoing:
        """Encodes a dead letter: the input byte for byte, plus headers that say why.

        What is too large to be written stays behind: the value, of which the letter then carries size and
        digest, and where that is not enough key and headers too. The record itself is still where the
        letter's headers say, until the input topic's retention takes it.
        """
        record, why = letter.record, self._reason(letter)
        whole = Outgoing(record, record.value, (*record.headers, *why.as_headers()), 0)
        if whole.size <= self.max_bytes:
            return whole
        value = record.value
        if value is not None:
            digest = hashlib.sha256(value).hexdigest()
            why = why.model_copy(update={"value_bytes": str(len(value)), "value_sha256": digest})
            value = b""
        pointer = Outgoing(record, value, (*record.headers, *why.as_headers()), 0)
        if pointer.size <= self.max_bytes:
            return pointer
        if value is None:  # nothing of it stayed behind, but the letter must not look whole
            why = why.model_copy(update={"value_bytes": "0"})
        return Outgoing(record._replace(key=None), value, why.as_headers(), 0)

    def _reason(self, letter: DeadLetter) -> DeadLetterHeaders:
        record = letter.record
        return DeadLetterHeaders(
            topic=record.topic,
            partition=str(record.partition),
            offset=str(record.offset),
            stage=letter.stage,
            class_name="sentiment.consumer",
            exception=letter.error,
            message=letter.reason.encode()[:REASON_BYTES].decode(errors="ignore"),
            original_timestamp=None if record.timestamp_ms is None else str(record.timestamp_ms),
            service_version=__version__,
            model_version=self.model.version,
        )

    def _timestamp_ms(self, record: Record, at: Moment) -> int:
        if self.timestamps == "now" or record.timestamp_ms is None:
            return 0
        # One that the broker refuses fails its whole batch, and -1 means "none" to it.
        return record.timestamp_ms if 0 <= record.timestamp_ms < at.future_ms else 0
