"""Document and score, deletion or dead letter to the bytes of an output record. Pure but for the given clock."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pydantic_core import to_json

from consumer.stream.records import DeadLetter, Outgoing
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
from shared.reasons import Reason, Stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from consumer.preflight.topic_config import Targets
    from consumer.stream.records import Deletion, Document, Record
    from shared.inference.types import ModelIdentity, Score
    from shared.messages import Headers

_SCHEMA: Final = (SCHEMA_HEADER, str(SCHEMA_VERSION).encode())
_BOOLEANS: Final = (b"false", b"true")

MIN_DECIMALS: Final = 6
SHARE_DECIMALS: Final = 3
_UNKNOWN: Final = b',"unknown_share":%%.%df' % SHARE_DECIMALS
_SEGMENTS: Final = b',"segments":%d'
SUM_TOLERANCE: Final = 1e-5
"""Written probabilities sum to 1 within this."""


def decimals(labels: int) -> int:
    """Decimals of a written probability: six, and more above 20 labels, as each may be half a unit off."""
    return max(MIN_DECIMALS, math.ceil(math.log10(labels / 2 / SUM_TOLERANCE)))


def answer(
    score: Score,
    *,
    identity: str,
    source: SourceRef | None,
    at: datetime,
    uncertain_below: float | None,
    max_unknown_share: float,
) -> Result:
    """Says what a score means: the label and all that goes with it, without the text.

    `uncertain_below` is the user's, or None for the model's own.
    """
    labels = score.model.labels
    is_unknown = score.unknown_share > max_unknown_share
    sure, places = score.probabilities[score.label], decimals(len(labels))
    below = score.model.uncertain_below if uncertain_below is None else uncertain_below
    return Result(
        id=identity,
        label=labels[score.label],
        score=round(sure, places),
        probabilities={
            label: round(share, places) for label, share in zip(labels, score.probabilities, strict=True)
        },
        uncertain=is_unknown or sure < below,
        truncated=score.truncated,
        tokens=score.tokens,
        unknown_share=round(score.unknown_share, SHARE_DECIMALS) if is_unknown else None,
        segments=score.segments if score.segments > 1 else None,
        model=ModelRef(name=score.model.name, version=score.model.version),
        source=source,
        scored_at=at,
    )


class Moment(NamedTuple):
    """The time of writing, as the results of one publish share it."""

    json: bytes
    """As pydantic writes it, quotes included."""
    epoch_ms: int

    @classmethod
    def of(cls, at: datetime) -> Moment:
        """Of an aware time."""
        return cls(to_json(at), int(at.timestamp() * 1000))


# Without slots: `cached_property` needs the instance's dictionary.
@dataclass(frozen=True)
class Encoder:
    """Writes results, deletions and dead letters as records that `targets` take."""

    model_version: str
    """Of the model that serves, for dead letters: a result has that of its score."""
    include_text: bool
    uncertain_below: float | None
    """Set by the user; None: the threshold of the model that gave the score."""
    max_unknown_share: float
    timestamps: Literal["input", "now"]
    on_null: Literal["skip", "forward", "dead-letter"]
    max_bytes: int
    targets: Targets
    trace_headers: Callable[[Record], Headers] | None = None
    """The headers of a record with the trace context of its result; None: as they are."""

    def result(self, document: Document, score: Score, at: Moment) -> Outgoing | DeadLetter:
        """Encodes one result; one that the output topic would refuse is a dead letter."""
        return self._output(document.record, self._value(document, score, at), at)

    def is_unknown(self, score: Score) -> bool:
        """Whether the model does not know enough of the text, so that its result has `unknown_share`."""
        return score.unknown_share > self.max_unknown_share

    def is_uncertain(self, score: Score) -> bool:
        """Whether its result is marked uncertain."""
        below = score.model.uncertain_below if self.uncertain_below is None else self.uncertain_below
        return score.probabilities[score.label] < below or score.unknown_share > self.max_unknown_share

    def deletion(self, deletion: Deletion, at: Moment) -> Outgoing | DeadLetter | None:
        """Encodes what `on_null` makes of a deletion: nothing, a null with its key, or a dead letter.

        A null keeps its place among the results of its partition: it deletes those before it. One that has been
        forwarded before is a dead letter, as two instances that feed each other would forward it without end.
        """
        record = deletion.record
        if self.on_null == "skip":
            return None
        if self.on_null == "dead-letter":
            return DeadLetter(record, Stage.DECODE, Reason.NULL_RECORD, deletion.reason)
        if record.value is None and any(name == SCHEMA_HEADER for name, _ in record.headers):
            reason = "it is a null that this service forwarded, so forwarding it could go round in a loop"
            return DeadLetter(record, Stage.ENCODE, Reason.ALREADY_SCORED, reason)
        return self._output(record, None, at)

    def _output(self, record: Record, value: bytes | None, at: Moment) -> Outgoing | DeadLetter:
        output, limit = self.targets.output, self._max_output_bytes
        # Before it is written: a refused record fails its whole batch, which is then read again one by one.
        if output.compacted and record.key is None:
            reason = f"{output.name} is compacted and takes no record without a key"
            return DeadLetter(record, Stage.ENCODE, Reason.RECORD_WITHOUT_KEY, reason)
        headers = record.headers if self.trace_headers is None else self.trace_headers(record)
        outgoing = Outgoing(record, value, _with_schema(headers), self._timestamp_ms(record, at))
        if outgoing.size > limit:
            reason = f"the result with the input's key and headers has {outgoing.size} bytes, more than the limit"
            return DeadLetter(record, Stage.ENCODE, Reason.RECORD_TOO_LARGE, f"{reason} of {limit}")
        return outgoing

    def _value(self, document: Document, score: Score, at: Moment) -> bytes:
        """The JSON of the `Result` that `answer` makes, at a quarter of its time."""
        record, shares = document.record, score.probabilities
        sure, is_unknown = shares[score.label], score.unknown_share > self.max_unknown_share
        below = score.model.uncertain_below if self.uncertain_below is None else self.uncertain_below
        template, names = _template(score.model, self.include_text)
        return template % (
            to_json(document.id),
            *((to_json(document.text),) if self.include_text else ()),
            names[score.label],
            sure,
            *shares,
            _BOOLEANS[is_unknown or sure < below],
            _BOOLEANS[score.truncated],
            score.tokens,
            _UNKNOWN % score.unknown_share if is_unknown else b"",
            _SEGMENTS % score.segments if score.segments > 1 else b"",
            to_json(record.topic),
            record.partition,
            record.offset,
            to_json(record.timestamp_ms),
            at.json,
        )

    def dead_letter(self, letter: DeadLetter) -> Outgoing:
        """Encodes a dead letter: the input byte for byte, plus headers that say why.

        What is too large to be written stays behind: the value, whose size and digest the letter then
        carries, and where that is not enough key and headers too. The record itself is still where the
        letter's headers say, until the input topic's retention takes it.
        """
        record, why = letter.record, self._reason(letter)
        # 0, the time of writing: with old timestamps a broker's first retention check deleted 317 of 320 letters.
        whole = Outgoing(record, record.value, (*record.headers, *why.as_headers()), 0)
        if whole.size <= self._max_letter_bytes:
            return whole
        value = record.value
        if value is not None:
            digest = hashlib.sha256(value).hexdigest()
            why = why.model_copy(update={"value_bytes": str(len(value)), "value_sha256": digest})
            # Not None: a letter with a null value is that of a null record.
            value = b""
        pointer = Outgoing(record, value, (*record.headers, *why.as_headers()), 0)
        if pointer.size <= self._max_letter_bytes:
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
            model_version=self.model_version,
        )

    def _timestamp_ms(self, record: Record, at: Moment) -> int:
        stamp = record.timestamp_ms
        if self.timestamps == "now" or stamp is None:
            return 0
        # One that the broker refuses fails its whole batch, and -1 means "none" to it.
        behind_ms, ahead_ms = self._times_ms
        return stamp if stamp >= 0 and at.epoch_ms - behind_ms <= stamp < at.epoch_ms + ahead_ms else 0

    @cached_property
    def _times_ms(self) -> tuple[int, int]:
        return self.targets.output.oldest_ms, self.targets.output.newest_ms

    @cached_property
    def _max_output_bytes(self) -> int:
        return min(self.max_bytes, self.targets.output.max_record_bytes)

    @cached_property
    def _max_letter_bytes(self) -> int:
        return min(self.max_bytes, self.targets.dlq.max_record_bytes)


@cache
def _template(model: ModelIdentity, include_text: bool) -> tuple[bytes, tuple[bytes, ...]]:
    """The JSON of every `Result` of a model, with places for what differs, and the JSON of its labels."""
    names = tuple(map(to_json, model.labels))
    number = b"%%.%df" % decimals(len(names))
    reference = to_json({"name": model.name, "version": model.version})
    template = b"".join(
        (
            b'{"schema_version":%d,"id":%%b' % SCHEMA_VERSION,
            b',"text":%b' if include_text else b"",
            b',"label":%b,"score":' + number + b',"probabilities":{',
            # A label may hold a per cent sign, which the template would take for a place.
            b",".join(name.replace(b"%", b"%%") + b":" + number for name in names),
            b'},"uncertain":%b,"truncated":%b,"tokens":%d%b%b,"model":',
            reference.replace(b"%", b"%%"),
            b',"source":{"topic":%b,"partition":%d,"offset":%d,"timestamp":%b},"scored_at":%b}',
        )
    )
    return template, names


def _with_schema(headers: Headers) -> Headers:
    """The input's headers and ours behind them.

    A schema header of the input is removed: a reader that takes the first of two would see the wrong version.
    """
    if headers and any(name == SCHEMA_HEADER for name, _ in headers):
        headers = tuple(header for header in headers if header[0] != SCHEMA_HEADER)
    return (*headers, _SCHEMA)
