"""Document and score, or dead letter, to the bytes of an output record. Pure but for the clock it is given."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

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


@dataclass(frozen=True, slots=True)
class Encoder:
    """Writes results and dead letters as records."""

    labels: tuple[str, ...]
    model: ModelRef
    include_text: bool
    uncertain_below: float
    timestamps: Literal["input", "now"]
    max_bytes: int

    def result(self, document: Document, score: Score, at: datetime) -> Outgoing | DeadLetter:
        """Encodes one result; one too large to be written is a dead letter."""
        record = document.record
        value = self._value(document, score, at)
        outgoing = Outgoing(record, value, (*record.headers, _SCHEMA), self._timestamp_ms(record, at))
        if outgoing.size > self.max_bytes:
            reason = f"the result with the input's key and headers has {outgoing.size} bytes, more than the limit"
            return DeadLetter(record, "encode", "RecordTooLarge", f"{reason} of {self.max_bytes}")
        return outgoing

    def _value(self, document: Document, score: Score, at: datetime) -> bytes:
        """The JSON of the `Result` that `answer` makes, byte for byte, at a quarter of its time."""
        record = document.record
        best = max(score.probabilities)
        return to_json(
            {
                "schema_version": SCHEMA_VERSION,
                "id": document.id,
                **({"text": document.text} if self.include_text else {}),
                "label": self.labels[score.probabilities.index(best)],
                "score": best,
                "probabilities": dict(zip(self.labels, score.probabilities, strict=True)),
                "uncertain": best < self.uncertain_below,
                "truncated": score.truncated,
                "tokens": score.tokens,
                "model": {"name": self.model.name, "version": self.model.version},
                "source": {
                    "topic": record.topic,
                    "partition": record.partition,
                    "offset": record.offset,
                    "timestamp": record.timestamp_ms,
                },
                "scored_at": at,
            }
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
        return Outgoing(replace(record, key=None), value, why.as_headers(), 0)

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

    def _timestamp_ms(self, record: Record, at: datetime) -> int:
        if self.timestamps == "now" or record.timestamp_ms is None:
            return 0
        # One that the broker refuses fails its whole batch, and -1 means "none" to it.
        return record.timestamp_ms if 0 <= record.timestamp_ms < at.timestamp() * 1000 + FUTURE_MS else 0
