"""Kafka messages to records of the window: by the result schema, but without its strictness.

A field that the page can do without may be missing or wrong, so that results of other producers are shown as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import AwareDatetime, BaseModel, Field, ValidationError
from pydantic_core import from_json

from dashboard.window.records import LetterSeen, Place, Scored
from shared.dlq.letters import Letter, Receipt, read_entry
from shared.dlq.letters import Place as LetterPlace
from shared.kafka.message import headers_of, place_of, timestamp_of
from shared.messages.results import ModelRef, Probability, SourceRef  # noqa: TC001 - pydantic needs them at run time
from shared.reasons import kind_of

if TYPE_CHECKING:
    from shared.kafka.message import KafkaMessage
NONE: Final = "(none)"
"""Group of a result without the named header or field."""
MAX_NAME_CHARS: Final = 200
"""Of a label, a model, a group or an id; longer ones are cut."""
MAX_LABELS: Final = 200
"""Probabilities of a result that are kept."""


class _Model(BaseModel):
    name: str = "unknown"
    version: str = "unknown"


class _Result(BaseModel):
    """The part of `shared.messages.Result` that the page needs."""

    id: str | int | None = None
    text: str | None = None
    label: str = Field(min_length=1)
    score: Probability
    probabilities: dict[str, Probability] = Field(default_factory=dict)
    uncertain: bool = False
    truncated: bool = False
    segments: int | None = Field(default=None, ge=1)
    model: ModelRef | _Model = _Model()
    source: SourceRef | None = None
    scored_at: AwareDatetime | None = None


def read_result(message: KafkaMessage, group_by: str = "") -> Scored | None:
    """A result; None for what is none, such as a null that was forwarded. `group_by` names a header or a field."""
    value = message.value()
    if not value:
        return None
    try:
        one = _Result.model_validate_json(value)
    except ValidationError:
        return None
    place = Place(*place_of(message))
    source = None if one.source is None else Place(one.source.topic, one.source.partition, one.source.offset)
    scored_ms = None if one.scored_at is None else round(one.scored_at.timestamp() * 1000)
    stamp = timestamp_of(message)
    if stamp is None:
        stamp = one.source.timestamp if one.source is not None else None
    return Scored(
        place=place,
        event_ms=next((ms for ms in (stamp, scored_ms) if ms is not None), 0),
        scored_ms=scored_ms,
        id=str(one.id if one.id is not None else "-".join(map(str, source or place)))[:MAX_NAME_CHARS],
        label=one.label[:MAX_NAME_CHARS],
        score=one.score,
        probabilities={name[:MAX_NAME_CHARS]: p for name, p in list(one.probabilities.items())[:MAX_LABELS]},
        uncertain=one.uncertain,
        truncated=one.truncated,
        segments=one.segments or 1,
        model_name=one.model.name[:MAX_NAME_CHARS],
        model_version=one.model.version[:MAX_NAME_CHARS],
        source=source,
        text=one.text,
        group=_group(message, value, group_by) if group_by else "",
    )


def read_letter(message: KafkaMessage) -> LetterSeen | Receipt | None:
    """A dead letter of this service, the receipt of a replay, or None for anything else."""
    topic, partition, offset = place_of(message)
    written_ms = timestamp_of(message) or 0
    where = LetterPlace(partition, offset)
    # The value is not looked at, so it need not be bytes.
    entry = read_entry(where, written_ms, message.key(), message.value(), headers_of(message) or ())
    if not isinstance(entry, Letter):
        return entry
    about = entry.envelope
    return LetterSeen(
        place=Place(topic, partition, offset),
        written_ms=written_ms,
        stage=about.stage[:MAX_NAME_CHARS],
        error=about.error[:MAX_NAME_CHARS],
        reason=kind_of(about.reason)[:MAX_NAME_CHARS],
        source=Place(about.origin.topic, about.origin.partition, about.origin.offset),
    )


def _group(message: KafkaMessage, value: Any, name: str) -> str:
    """The last header of this name, else the field of the value at this dotted path."""
    found = next((content for key, content in reversed(headers_of(message) or ()) if key == name), None)
    if found is not None:
        return found.decode(errors="replace")[:MAX_NAME_CHARS]
    tree = from_json(value)  # it was parsed before, so it is JSON
    for part in name.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    if tree is None or isinstance(tree, dict | list):
        return NONE
    return str(tree)[:MAX_NAME_CHARS]
