"""Records of the dead-letter topic, read back: letters and receipts of replays.

Pure. `consumer.stream.encode` writes letters, and `consumer.dlq` lists and replays them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from shared.messages import REASON_BYTES, RECEIPT_KEY, DeadLetterHeaders, ReplayReceiptHeaders

if TYPE_CHECKING:
    from shared.messages import Headers

_FIRST_ADDED: Final = DeadLetterHeaders.model_fields["topic"].alias
_RECEIPT: Final = re.compile(re.escape(RECEIPT_KEY.encode()) + rb"([0-9]{1,10}):([0-9]{1,19})")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_INT32: Final = 2**31
_INT64: Final = 2**63
"""What a partition, and what an offset, a timestamp or a size is less than."""


class Place(NamedTuple):
    """Coordinates of a letter in the dead-letter topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """As the commands write and read it."""
        return f"{self.partition}:{self.offset}"


class Origin(NamedTuple):
    """Which input a letter is about; two letters with one origin are a repetition after a crash.

    The timestamp distinguishes inputs that had one place before and after a topic was created again.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None

    def __str__(self) -> str:
        """As result ids are written."""
        return f"{self.topic}-{self.partition}-{self.offset}"


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the service wrote on a letter: everything but the content."""

    place: Place
    written_ms: int
    origin: Origin
    stage: str
    error: str
    reason: str
    value_left_bytes: int | None
    """Size of a value that was too large to travel with the letter; None where the letter is whole."""
    keyless: bool = False
    """Whether the letter has no key, without which a compacted topic takes no record."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter with its content: key, value and headers are the input's."""

    envelope: Envelope
    key: bytes | None
    value: bytes | None
    headers: Headers
    added: Headers

    @property
    def size(self) -> int:
        """Bytes of key, value and the input's headers."""
        carried = sum(len(name.encode()) + len(value or b"") for name, value in self.headers)
        return len(self.key or b"") + len(self.value or b"") + carried


@dataclass(frozen=True, slots=True)
class Receipt:
    """Says that a letter was replayed."""

    letter: Place
    topic: str


def read_entry(
    place: Place, written_ms: int, key: bytes | None, value: bytes | None, headers: Headers
) -> Letter | Receipt | None:
    """Reads one record of the dead-letter topic; None where this service wrote no such thing.

    The service's headers follow the input's, so they begin at the last header of their first name, and an
    input that was itself a dead letter keeps its own. For the same reason an input that is dressed up as a
    receipt is still read as the letter it is.
    """
    begin = max((index for index, (name, _) in enumerate(headers) if name == _FIRST_ADDED), default=None)
    try:
        if begin is None:
            return _receipt(place, key, value, headers)
        added = headers[begin:]
        return Letter(_envelope(place, written_ms, added, keyless=key is None), key, value, headers[:begin], added)
    except ValueError:  # a name is missing, text is not UTF-8, or this service cannot have written it
        return None


def _envelope(place: Place, written_ms: int, added: Headers, *, keyless: bool) -> Envelope:
    why = DeadLetterHeaders.model_validate({name: (value or b"").decode() for name, value in added})
    stamp, left = why.original_timestamp, why.value_bytes
    return Envelope(
        place,
        written_ms,
        Origin(
            _topic(why.topic),
            _number(why.partition, 0, _INT32),
            _number(why.offset, 0, _INT64),
            None if stamp is None else _number(stamp, -_INT64, _INT64),
        ),
        _short(why.stage),
        _short(why.exception),
        _short(why.message),
        None if left is None else _number(left, 0, _INT64),
        keyless,
    )


def _topic(name: str) -> str:
    if not _TOPIC.fullmatch(name):
        raise ValueError("no topic can have this name")
    return name


def _number(text: str, least: int, end: int) -> int:
    number = int(text)
    # `int` also reads `+1`, `1_0` and other scripts' digits; a number above the bounds overflows in the producer.
    if str(number) != text or not least <= number < end:
        raise ValueError("not as this service writes a number, or beyond what Kafka counts")
    return number


def _short(text: str) -> str:
    if len(text.encode()) > REASON_BYTES:
        raise ValueError("longer than this service writes it")
    return text


def receipt_of(place: Place, topic: str) -> tuple[bytes, Headers]:
    """Key and headers of the receipt for a letter; its value is empty."""
    return f"{RECEIPT_KEY}{place}".encode(), ReplayReceiptHeaders(replayed_to=topic).as_headers()


def _receipt(place: Place, key: bytes | None, value: bytes | None, headers: Headers) -> Receipt | None:
    match = _RECEIPT.fullmatch(key or b"")
    if match is None or value != b"" or len(headers) != 1:
        return None
    ((name, topic),) = headers
    letter = Place(int(match[1]), int(match[2]))
    # A receipt is always behind its letter, in the same partition.
    if letter.partition != place.partition or letter.offset >= place.offset:
        return None
    read = ReplayReceiptHeaders.model_validate({name: (topic or b"").decode()})
    return Receipt(letter, _topic(read.replayed_to))
