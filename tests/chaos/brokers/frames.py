"""The part of the Kafka protocol that is needed to find frames and the transactions that they belong to."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PRODUCE: Final = 0
FETCH: Final = 1
LIST_OFFSETS: Final = 2
INIT_PRODUCER_ID: Final = 22
ADD_PARTITIONS_TO_TXN: Final = 24
END_TXN: Final = 26

_FLEXIBLE_FROM: Final = {PRODUCE: 9, INIT_PRODUCER_ID: 2, ADD_PARTITIONS_TO_TXN: 3, END_TXN: 3}
"""The requests whose body begins with the transactional id, and the version from which that id is compact."""
_SIZE: Final = 4
_BEGINNING: Final = 512
"""How many bytes after the size are inspected; enough for a header with ids of some 200 characters each."""


class Frames:
    """Follows one direction of a connection; `inspect` sees the beginning of every frame.

    Only an incomplete beginning is kept back: the rest of a large frame streams through.
    """

    def __init__(self, inspect: Callable[[bytes], bool]) -> None:
        self._inspect = inspect
        self._begun = b""
        self._rest = 0

    def feed(self, data: bytes) -> bytes:
        """Returns what may be forwarded now; if `inspect` returns False, nothing from that frame on."""
        data = self._begun + data
        at = 0
        while at < len(data):
            if self._rest:
                step = min(self._rest, len(data) - at)
                self._rest -= step
                at += step
                continue
            size = int.from_bytes(data[at : at + _SIZE], "big")
            needed = _SIZE + min(size, _BEGINNING)
            if len(data) - at < needed:
                break
            if not self._inspect(data[at : at + needed]):
                self._begun = b""
                return data[:at]
            self._rest = _SIZE + size
        self._begun = data[at:]
        return data[:at]


@dataclass(frozen=True, slots=True, eq=False)  # compared by identity: correlation ids repeat
class Request:
    """A request that carries a transactional id."""

    api_key: int
    version: int
    correlation_id: int
    transactional_id: str
    committed: bool | None
    """Whether an EndTxn commits; None for any other request."""


def transactional_request(beginning: bytes) -> Request | None:
    """Parses a frame that carries a transactional id; None for any other, and for one cut off too early."""
    api_key, version, correlation_id = struct.unpack_from(">hhi", beginning, _SIZE)
    if api_key not in _FLEXIBLE_FROM:
        return None
    try:
        at, _client_id = _string(beginning, _SIZE + 8)
        if version >= _FLEXIBLE_FROM[api_key]:
            at = _after_tags(beginning, at)
            at, transactional_id = _compact_string(beginning, at)
        else:
            at, transactional_id = _string(beginning, at)
        # The producer's id and epoch come in between.
        committed = bool(beginning[at + 10]) if api_key == END_TXN else None
    except (IndexError, struct.error):
        return None
    if transactional_id is None:
        return None
    return Request(api_key, version, correlation_id, transactional_id, committed)


def api_key_of(beginning: bytes) -> int:
    """The API key of a request."""
    return int.from_bytes(beginning[_SIZE : _SIZE + 2], "big")


def correlation_of(beginning: bytes) -> int:
    """The correlation id of a response."""
    (correlation_id,) = struct.unpack_from(">i", beginning, _SIZE)
    return int(correlation_id)


def error_of(beginning: bytes, request: Request) -> int:
    """The error code of an EndTxn or InitProducerId response; 0 for others, whose code is deeper in the body."""
    if request.api_key not in {END_TXN, INIT_PRODUCER_ID}:
        return 0
    at = _SIZE + 4
    if request.version >= _FLEXIBLE_FROM[request.api_key]:
        at = _after_tags(beginning, at)
    (error,) = struct.unpack_from(">h", beginning, at + 4)  # after the throttle time
    return int(error)


def _string(data: bytes, at: int) -> tuple[int, str | None]:
    (length,) = struct.unpack_from(">h", data, at)
    return _text(data, at + 2, length)


def _compact_string(data: bytes, at: int) -> tuple[int, str | None]:
    at, length = _varint(data, at)
    return _text(data, at, length - 1)


def _text(data: bytes, at: int, length: int) -> tuple[int, str | None]:
    if length < 0:
        return at, None
    if at + length > len(data):
        raise IndexError(length)
    return at + length, data[at : at + length].decode()


def _after_tags(data: bytes, at: int) -> int:
    at, count = _varint(data, at)
    for _ in range(count):
        at, _tag = _varint(data, at)
        at, length = _varint(data, at)
        at += length
    return at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return at, value
