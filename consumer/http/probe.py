"""Asks the probes of a running process: `sentiment-consumer health`, for containers without curl."""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final

from consumer.http.settings import DEFAULT_PORT
from shared.http.listening import address_of

if TYPE_CHECKING:
    from consumer.settings import ConsumerSettings

TIMEOUT_S: Final = 5.0


def ask(settings: ConsumerSettings, probe: str) -> str | None:
    """Asks a probe, as `readyz`, of the process that these settings are of; returns why it fails, or None."""
    host, port = address_of(settings.http.host), settings.http.port or DEFAULT_PORT
    connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"/{probe}")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"/{probe} at {host} port {port} does not answer: {type(error).__name__}"
    finally:
        connection.close()
    return None if status == 200 else f"/{probe} at {host} port {port} answers {status}"  # noqa: PLR2004
