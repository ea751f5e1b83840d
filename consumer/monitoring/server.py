"""Serves the metrics over HTTP, with the application of Prometheus' client library, on a thread of its own."""

from __future__ import annotations

import math
import socket
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from shared.errors import SettingsError
from shared.http.listening import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from wsgiref.types import StartResponse, WSGIEnvironment

    from prometheus_client.registry import Collector

    from consumer.monitoring.settings import MetricsSettings

log = structlog.get_logger()

CONNECTIONS: Final = 16
"""Most requests at once; a connection beyond them is closed unread."""
REQUEST_S: Final = 10.0
"""How long a client may take to send its request, or to take the answer."""
POLL_S: Final = 0.1
"""How soon the server notices that it is closed."""
LATE_S: Final = 1.0
"""How much later than the last interval says the final scrape may begin."""


class MetricsServer:
    """Listens from the start; every path answers with the metrics."""

    def __init__(
        self, settings: MetricsSettings, collector: Collector, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises SettingsError where the address cannot be listened on."""
        registry = CollectorRegistry()
        registry.register(collector)
        ProcessCollector(registry=registry)
        self._metrics = make_wsgi_app(registry)
        self._token = settings.token
        self._clock = clock
        self._scraped: list[float] = []
        """When the last scrapes began, two at most."""
        self._ending_s = math.inf
        self._final = threading.Event()
        """Set once a scrape is sent that began after `_ending_s`."""
        self._server = _listen(settings.host, settings.port or 0, self._answer)
        self.port: Final = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), name="metrics", daemon=True).start()
        log.info("metrics_served", host=settings.host, port=self.port, token=self._token is not None)

    def await_scrape(self, within_s: float) -> bool:
        """Waits for one more scrape where it is due within `within_s`; returns whether it came.

        What was counted since the last scrape is lost with the process. When the next is due follows from the last
        two; without two nobody is waited for.
        """
        if not self._scraped[1:]:
            return False
        before, last = self._scraped
        self._ending_s = self._clock()
        due_s = 2 * last - before + LATE_S - self._ending_s
        return due_s <= within_s and self._final.wait(max(0.0, due_s))

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not is_secret(_bearer(environ.get("HTTP_AUTHORIZATION", "")), self._token):
            start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Type", "text/plain")])
            return [b"send the metrics.token of the service as Authorization: Bearer TOKEN\n"]
        began = self._clock()
        self._scraped = [*self._scraped[-1:], began]
        return _Sent(self._metrics(environ, start_response), lambda: self._sent(began))

    def _sent(self, began: float) -> None:
        if began >= self._ending_s:
            self._final.set()


class _Sent:
    """An answer that says when it was sent: a WSGI server calls `close` after the last byte."""

    def __init__(self, parts: Iterable[bytes], then: Callable[[], None]) -> None:
        self._parts = parts
        self.close = then

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._parts)


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_S

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        """Logs nothing: a request is nothing that happens to the stream."""


class _Server(ThreadingWSGIServer):
    def __init__(self, *given: Any, **named: Any) -> None:
        self._free = threading.BoundedSemaphore(CONNECTIONS)
        super().__init__(*given, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Instead of a traceback on standard error: mostly a client that left."""
        log.debug("metrics_request_failed", error=type(sys.exception()).__name__)


def _listen(host: str, port: int, app: Any) -> _Server:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        kind = type("_Server", (_Server,), {"address_family": family})
        return make_server(host, port, app, kind, _Handler)
    except OSError as error:
        raise SettingsError(
            f"metrics cannot be served on {host}:{port}: {error.strerror}; set --metrics-port to a free port, one "
            "for each process, and --metrics-host to an address of this machine"
        ) from None


def _bearer(header: str) -> bytes:
    """The token of an Authorization header; empty for another scheme."""
    scheme, _, given = header.partition(" ")
    return given.strip().encode("latin-1") if scheme.lower() == "bearer" else b""
