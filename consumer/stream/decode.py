"""Record to document, deletion or dead letter. Pure."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from consumer.stream.records import DeadLetter, Deletion, Document
from shared.errors import BadRecord, NullRecord
from shared.formats import InputFormat, parse_input
from shared.formats.auto import look_at
from shared.messages import SCHEMA_HEADER, is_result
from shared.reasons import Reason, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consumer.stream.records import Record

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


def decode(record: Record, form: InputFormat) -> Document | Deletion | DeadLetter:
    """Reads the text and the id of one record; whatever is wrong with it becomes the reason of a dead letter."""
    if record.headers_lost:
        reason = "the name of a header is not UTF-8, so the client cannot read the headers; they stay behind"
        return DeadLetter(record, Stage.DECODE, Reason.BAD_RECORD, reason)
    if record.headers and _already_scored(record, form):
        reason = "it is a result of this service, so scoring it could go round in a loop; correct the input topics"
        return DeadLetter(record, Stage.DECODE, Reason.ALREADY_SCORED, reason)
    try:
        parsed = parse_input(record.value, form)
    except NullRecord as null:  # before BadRecord, its base class
        return Deletion(record, str(null))
    except BadRecord as error:
        return DeadLetter(record, Stage.DECODE, Reason.BAD_RECORD, str(error))
    identity = parsed.id or f"{record.topic}-{record.partition}-{record.offset}"
    return Document(record, identity, parsed.text, parsed.id_unusable)


def _already_scored(record: Record, form: InputFormat) -> bool:
    """Whether a result has come back as an input.

    The header alone is not enough: programs between two topics copy headers to what they make of a result.
    """
    if not any(name == SCHEMA_HEADER for name, _ in record.headers):
        return False
    # A value above the limit is not even parsed for this; `parse_input` rejects it for its size.
    return record.value is not None and len(record.value) <= form.max_bytes and is_result(record.value)


def looks(records: Sequence[Record], form: InputFormat) -> Mapping[str, int]:
    """Counts what the values look like, where `--format auto` has to look; empty otherwise."""
    if form.kind != "auto":
        return _NOTHING
    values = (record.value for record in records)
    return Counter(look_at(value).name for value in values if value is not None and len(value) <= form.max_bytes)


def split(records: Sequence[Record], form: InputFormat) -> tuple[list[Document], list[DeadLetter], list[Deletion]]:
    """Separates what can be scored, what never will be and what has no text; each in the order of the records."""
    documents: list[Document] = []
    dead_letters: list[DeadLetter] = []
    deletions: list[Deletion] = []
    for record in records:
        decoded = decode(record, form)
        if isinstance(decoded, Document):
            documents.append(decoded)
        elif isinstance(decoded, Deletion):
            deletions.append(decoded)
        else:
            dead_letters.append(decoded)
    return documents, dead_letters, deletions
