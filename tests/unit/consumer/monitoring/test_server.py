"""Who may read the metrics, and that the last counts of a process are read."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from consumer.metrics import READ
from consumer.monitoring.server import CONNECTIONS, LATE_S, MetricsServer
from consumer.monitoring.settings import MetricsSettings
from consumer.monitoring.values import Values
from shared.errors import SettingsError
from tests.support.fakes import FakeClock
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TOKEN = "0123456789abcdef"  # noqa: S105 - of no server but the test's


@pytest.fixture
def serve() -> Iterator[Callable[..., MetricsServer]]:
    """Starts servers on free ports of this machine."""
    started: list[MetricsServer] = []

    def start(
        values: Values | None = None, clock: Callable[[], float] | None = None, **given: Any
    ) -> MetricsServer:
        settings = MetricsSettings.model_validate({"port": free_port(), **given})
        started.append(MetricsServer(settings, values or Values(), *([clock] if clock else [])))
        return started[-1]

    yield start
    for one in started:
        one.close()


def scrape(server: MetricsServer, **headers: str) -> str:
    """The answer to a request."""
    url = f"http://127.0.0.1:{server.port}/metrics"
    with urlopen(Request(url, headers=headers), timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def test_metrics_are_served_on_loopback_only(serve: Callable[..., MetricsServer]) -> None:
    """Given a port alone, when served, then this machine reads metrics of the service and of the process."""
    server = serve()

    text = scrape(server)

    assert "sentiment_messages_total" in text
    assert "process_resident_memory_bytes" in text
    assert server._server.server_address[0] == "127.0.0.1"  # noqa: SLF001


def test_a_token_is_asked_for(serve: Callable[..., MetricsServer]) -> None:
    """Given a token, when it is missing, wrong or of another scheme, then the answer is 401 without a metric."""
    server = serve(token=TOKEN)
    for header in ("", f"Basic {TOKEN}", "Bearer wrong", f"Bearer {TOKEN}x", "Bearer \u00e9"):
        with pytest.raises(HTTPError) as refused:
            scrape(server, **({"Authorization": header} if header else {}))
        with closing(refused.value) as answer:
            assert answer.code == 401
            assert b"sentiment_" not in answer.read()
            assert answer.headers["WWW-Authenticate"] == "Bearer"

    assert "sentiment_messages_total" in scrape(server, Authorization=f"Bearer {TOKEN}")


def test_a_port_that_is_taken_is_named(serve: Callable[..., MetricsServer]) -> None:
    """Given two processes with one port, when the second starts, then the error says what to set."""
    taken = serve().port

    with pytest.raises(SettingsError, match=rf"127.0.0.1:{taken}: Address already in use; set --metrics-port"):
        serve(port=taken)


def test_a_host_that_is_none_is_named(serve: Callable[..., MetricsServer]) -> None:
    """Given a name that is no address of this machine, when started, then the error says what to set."""
    with pytest.raises(SettingsError, match="--metrics-host"):
        serve(host="256.256.256.256", token=TOKEN)


def test_more_connections_than_allowed_are_closed(serve: Callable[..., MetricsServer]) -> None:
    """Given clients that connect and say nothing, when all places are taken, then the next is closed unread.

    Once they have gone metrics are served again.
    """
    server = serve()
    idle = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(CONNECTIONS)]
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as late:
        assert late.recv(1) == b""
    for one in idle:
        one.close()

    while True:  # until the threads of the idle ones have ended; the test's own timeout is the limit
        try:
            assert "sentiment_messages_total" in scrape(server)
        except OSError:
            continue
        break


def test_the_final_scrape_is_awaited_when_it_is_due(serve: Callable[..., MetricsServer]) -> None:
    """Given scrapes every 2 s, when the process ends, then it waits for one more, which has the final counts."""
    clock, values = FakeClock(), Values()
    server = serve(values, clock)
    for now_s in (10.0, 12.0):
        clock.now_s = now_s
        scrape(server)
    values.add(READ, 7)
    clock.now_s = 13.0
    seen: list[str] = []
    later = threading.Timer(0.05, lambda: seen.append(scrape(server)))
    later.start()

    assert server.await_scrape(within_s=5.0)
    later.join()
    assert f"{READ.name} 7.0" in seen[0]


@pytest.mark.parametrize(
    ("scrapes", "within_s"), [((), 9.0), ((10.0,), 9.0), ((10.0, 25.0), 9.0), ((10.0, 11.0), 0.5)]
)
def test_nobody_is_waited_for_who_does_not_come_in_time(
    serve: Callable[..., MetricsServer], scrapes: tuple[float, ...], within_s: float
) -> None:
    """Given no interval, or a next scrape that is due too late, when the process ends, then it does at once."""
    clock = FakeClock()
    server = serve(None, clock)
    for clock.now_s in scrapes:
        scrape(server)

    assert not server.await_scrape(within_s)


def test_a_scraper_that_has_gone_is_waited_for_no_longer_than_its_interval(
    serve: Callable[..., MetricsServer],
) -> None:
    """Given scrapes that have stopped, when the process ends, then it does not wait for what is overdue."""
    clock = FakeClock()
    server = serve(None, clock)
    for clock.now_s in (10.0, 12.0):
        scrape(server)
    clock.now_s = 15.0 + LATE_S

    assert not server.await_scrape(within_s=9.0)
