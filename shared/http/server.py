"""uvicorn on a thread of a process that does something else as well."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol

import structlog
import uvicorn
from h11 import LocalProtocolError

from shared.errors import SettingsError
from shared.http.connections import bounded
from shared.logs import EXIT_UNFORESEEN, end_process, say_error, unforeseen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

FINISH_S: Final = 3
"""Seconds that requests in hand have once no new ones are taken. With the longest `shutdown_delay_s` it is 8 s,
which leaves `signals.END_S` of `signals.GRACE_S`."""

KEEP_ALIVE_S: Final = 5
"""Seconds that a connection without a request stays open after an answer."""


class Listening(Protocol):
    """The settings of a server."""

    @property
    def host(self) -> str:
        """Address to listen on."""
        ...

    @property
    def port(self) -> int | None:
        """Port to listen on; None: any free one."""
        ...

    @property
    def max_connections(self) -> int:
        """Open connections; further ones are closed at once."""
        ...

    @property
    def shutdown_delay_s(self) -> float:
        """Seconds after `stop` during which requests are still taken."""
        ...


@contextmanager
def serving(
    settings: Listening, app: ASGIApp, stop: threading.Event, end: Callable[[int], object] = end_process
) -> Iterator[int]:
    """Serves an application within the block; yields the port. Raises SettingsError if it cannot listen.

    Once `stop` is set, requests are taken for `shutdown_delay_s` more. Then, or when the block ends without it,
    only those in hand are answered, within FINISH_S. A thread that fails ends the process.
    """
    listening = _listen(settings)
    # Before the thread starts: once `stop` is set, it closes the socket at its first tick.
    address: tuple[str, int] = listening.getsockname()[:2]
    server = _Server(settings, app, stop)
    thread = threading.Thread(target=_run, args=(server, listening, end), name="http", daemon=True)
    thread.start()
    log.info("http_listening", host=address[0], port=address[1])
    try:
        yield address[1]
    finally:
        # A block that ends by itself has nobody who is to be sent elsewhere first.
        if not stop.is_set():
            server.should_exit = True
        thread.join(settings.shutdown_delay_s + FINISH_S + 1)


class _Server(uvicorn.Server):
    """uvicorn that stops by an event. It handles no signals outside of the main thread."""

    def __init__(self, settings: Listening, app: ASGIApp, stop: threading.Event) -> None:
        logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # a client's nonsense is no line of the log
        super().__init__(
            uvicorn.Config(
                _contained(app),
                log_config=None,
                access_log=False,
                lifespan="off",
                loop="asyncio",
                http=bounded(settings.max_connections),
                ws="none",
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_S,
                timeout_graceful_shutdown=FINISH_S,
            )
        )
        self._stop = stop
        self._delay_s = settings.shutdown_delay_s
        self._stopping_s: float | None = None

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn every 0.1 s: whether to exit."""
        if self._stop.is_set():
            now_s = asyncio.get_running_loop().time()
            self._stopping_s = self._stopping_s or now_s
            if now_s - self._stopping_s >= self._delay_s:
                self.should_exit = True
        return await super().on_tick(counter)


def _run(server: uvicorn.Server, listening: socket.socket, end: Callable[[int], object]) -> None:
    try:
        server.run(sockets=[listening])
    except BaseException as error:  # noqa: BLE001 - a thread has nobody who catches it
        say_error(f"the HTTP server has ended: {unforeseen(error)}")
        end(EXIT_UNFORESEEN)


def _contained(app: ASGIApp) -> ASGIApp:
    """The application without its exceptions: each was answered and logged, and uvicorn would log its message."""

    async def contained(scope: Scope, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            # The rest of the body was not HTTP, and uvicorn has answered with 400 in the meantime.
            with suppress(LocalProtocolError):
                await send(message)

        try:
            await app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001
            log.debug("request_raised", error=type(error).__name__)

    return contained


def _listen(settings: Listening) -> socket.socket:
    """A socket at the address of the settings; raises SettingsError."""
    host, port = settings.host, settings.port or 0
    listening: socket.socket | None = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(settings.max_connections)
    except OSError as error:
        if listening is not None:
            listening.close()
        why = "another process listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise SettingsError(
            f"cannot listen on {host} port {port}: {why}; choose another --http-port or --http-host"
        ) from None
    return listening
