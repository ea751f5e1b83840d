"""A minimal client that shows what the proxy does to one connection, which a real client hides."""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from types import TracebackType

API_VERSIONS: Final = 18
FIND_COORDINATOR: Final = 10
OF_A_TRANSACTION: Final = b"\x01"


class Wire:
    """One connection to a node; every wait ends after `timeout_s` with a TimeoutError."""

    def __init__(self, address: str, timeout_s: float = 10.0) -> None:
        host, port = address.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout_s)
        self._asked = 0

    def __enter__(self) -> Self:
        """Nothing to do: it is connected already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the connection."""
        self._socket.close()

    def patience(self, timeout_s: float) -> None:
        """Sets the time limit of every wait from now on."""
        self._socket.settimeout(timeout_s)

    def ask(self, api_key: int = API_VERSIONS, version: int = 0, body: bytes = b"") -> int:
        """Sends a request; returns its correlation id."""
        self._asked += 1
        request = struct.pack(">hhih", api_key, version, self._asked, -1) + body
        self._socket.sendall(struct.pack(">i", len(request)) + request)
        return self._asked

    def answer(self) -> tuple[int, bytes]:
        """Returns the next response: its correlation id and the rest; raises ConnectionError at the end."""
        (size,) = struct.unpack(">i", self._read(4))
        response = self._read(size)
        (correlation_id,) = struct.unpack_from(">i", response)
        return int(correlation_id), response[4:]

    def coordinator(self, transactional_id: str) -> int:
        """Asks the broker which node coordinates the transactions of an id."""
        key = transactional_id.encode()
        self.ask(FIND_COORDINATOR, 1, struct.pack(">h", len(key)) + key + OF_A_TRANSACTION)
        response = self.answer()[1]
        _throttle_ms, error, message = struct.unpack_from(">ihh", response)
        if error:
            raise ConnectionError(f"error {error} instead of the coordinator of {transactional_id}")
        (node,) = struct.unpack_from(">i", response, 8 + max(message, 0))
        return int(node)

    def _read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise ConnectionError("closed by the other side")
            data += piece
        return data
