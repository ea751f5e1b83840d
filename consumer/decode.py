"""Record to document, or to dead letter. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.records import DeadLetter, Document
from shared.errors import BadRecord
from shared.messages import InputFormat, parse_input

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.records import Record


def decode(record: Record, form: InputFormat) -> Document | DeadLetter:
    """Reads the text and the id of one record; whatever is wrong with it becomes the reason of a dead letter."""
    if record.headers_lost:
        reason = "the name of a header is not UTF-8, so the client cannot read the headers; they stay behind"
        return DeadLetter(record, "decode", BadRecord.__name__, reason)
    try:
        parsed = parse_input(record.value, form)
    except BadRecord as error:
        return DeadLetter(record, "decode", BadRecord.__name__, str(error))
    return Document(record, parsed.id or f"{record.topic}-{record.partition}-{record.offset}", parsed.text)


def split(records: Sequence[Record], form: InputFormat) -> tuple[list[Document], list[DeadLetter]]:
    """Separates what can be scored from what never will be; each list keeps the order of the records."""
    documents: list[Document] = []
    dead_letters: list[DeadLetter] = []
    for record in records:
        decoded = decode(record, form)
        if isinstance(decoded, Document):
            documents.append(decoded)
        else:
            dead_letters.append(decoded)
    return documents, dead_letters
