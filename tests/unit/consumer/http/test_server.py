"""The server on a port: probes under a stall and a stop, connections that do nothing, and a port that is taken."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

import httpx2
import pytest
from pydantic import ValidationError

from consumer.http.probe import ask
from consumer.http.settings import HttpSettings
from consumer.monitoring.monitor import Monitor
from consumer.monitoring.settings import MetricsSettings
from consumer.settings import ConsumerSettings
from consumer.signals import END_S, GRACE_S
from consumer.stall_watchdog import StallWatchdog
from shared.errors import SettingsError
from shared.http.connections import bounded
from shared.http.server import FINISH_S, serving
from tests.support.fakes import FakeScorer
from tests.support.processes import free_port
from tests.unit.consumer.http.conftest import SCORE, WAIT_S, HttpSide, until

if TYPE_CHECKING:
    from collections.abc import Iterator

STALL_S = 0.5


def port_of(client: httpx2.Client) -> int:
    """The port that the client's server listens on."""
    assert client.base_url.port is not None
    return client.base_url.port


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    """The metrics of this process, on a port."""
    found = Monitor(ConsumerSettings(metrics=MetricsSettings(port=free_port())))
    yield found
    found._server.close()  # noqa: SLF001 - a process has it to its end


def test_a_frozen_scorer_fails_livez_within_the_timeout(gate: threading.Event, monitor: Monitor) -> None:
    """Given a forward pass that never returns, then /livez fails after the timeout.

    Other paths answer, and so does the port of the metrics, with what happened until then.
    """
    side = HttpSide(timeout_s=0.2)
    scheduler = side.begin(FakeScorer(gates=[gate]), observer=monitor.observer)
    ended: list[int] = []
    with (
        side.listening() as client,
        StallWatchdog(STALL_S, work=scheduler.work, end=ended.append) as watchdog,
    ):
        side.state.is_stalled = lambda: watchdog.is_stalled
        assert client.get("/livez").status_code == 200
        watchdog.heartbeat()
        began_s = time.monotonic()
        assert client.post(SCORE, json={"text": "frozen"}).status_code == 503
        watchdog.heartbeat()
        while client.get("/livez").status_code == 200:
            watchdog.heartbeat()
            assert time.monotonic() - began_s < WAIT_S
        assert STALL_S <= time.monotonic() - began_s < 2 * STALL_S
        assert client.get("/livez").json()["reason"] == "stalled"
        metrics = httpx2.get(f"http://127.0.0.1:{monitor._server.port}/metrics", timeout=STALL_S, trust_env=False)  # noqa: SLF001
        assert 'sentiment_stage_seconds_count{stage="tokenise"} 1.0' in metrics.text
        assert 'sentiment_stage_seconds_count{stage="device"} 0.0' in metrics.text
        assert client.get("/readyz").status_code == 200
        until(lambda: ended)

    assert ended == [71]


def test_the_stop_fails_readyz_first_and_the_rest_later() -> None:
    """Given SIGTERM, then /readyz fails at once, requests are scored for the delay, and then no more are taken."""
    side = HttpSide(shutdown_delay_s=0.5)
    side.begin()
    with side.listening() as client:
        assert client.get("/readyz").status_code == 200
        side.stop.set()
        assert client.get("/readyz").status_code == 503
        assert client.get("/livez").status_code == 200
        assert client.post(SCORE, json={"text": "late"}).status_code == 200
        until(lambda: not is_open(port_of(client)))


def test_what_is_in_hand_at_the_end_is_answered(gate: threading.Event) -> None:
    """Given a request that waits for its score, when the server ends, then it is still answered."""
    side = HttpSide()
    scorer = FakeScorer(gates=[gate])
    side.begin(scorer)
    body = b'{"text": "a"}'
    head = f"POST {SCORE} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with serving(side.settings.http, side.app(), side.stop) as port:
        waiting = socket.create_connection(("127.0.0.1", port), WAIT_S)
        waiting.sendall(head.encode() + b"\r\n\r\n" + body)
        until(lambda: scorer.calls)
        threading.Timer(0.3, gate.set).start()

    with waiting:
        assert waiting.recv(4_096).startswith(b"HTTP/1.1 200 OK")
    assert not is_open(port)


def test_what_takes_too_long_at_the_end_is_given_up(
    gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a request that is not scored within FINISH_S of the end, then it does not keep the process."""
    monkeypatch.setattr("shared.http.server.FINISH_S", 0.1)
    side = HttpSide()
    scorer = FakeScorer(gates=[gate])
    side.begin(scorer)
    head = f"POST {SCORE} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n"
    with serving(side.settings.http, side.app(), side.stop) as port:
        waiting = socket.create_connection(("127.0.0.1", port), WAIT_S)
        waiting.sendall(head.encode() + b'{"text": "a"}')
        until(lambda: scorer.calls)
    with waiting:
        assert ends(waiting)

    assert [(one.status, one.reason) for one in side.answered()] == [(503, "stopping")]
    assert not is_open(port)


def test_the_longest_stop_is_within_the_grace() -> None:
    """Given the longest delay, then requests in hand are given up before the process is ended."""
    longest = GRACE_S - END_S - FINISH_S
    assert HttpSettings(shutdown_delay_s=longest).shutdown_delay_s == longest
    with pytest.raises(ValidationError):
        HttpSettings(shutdown_delay_s=longest + 0.1)


def test_a_connection_without_a_request_is_closed() -> None:
    """Given clients that send nothing, half a head, or a body without end, then each connection is closed."""
    side = HttpSide()
    side.begin()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.http.server.KEEP_ALIVE_S", 0.2)
        patch.setattr("shared.http.server.bounded", lambda most: bounded(most, request_s=0.2))
        with side.listening() as client:
            endless = b"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n"
            for sent in (b"", b"GET /livez HTT", b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\nGET ", endless):
                with socket.create_connection(("127.0.0.1", port_of(client)), WAIT_S) as idle:
                    idle.sendall(sent)
                    assert ends(idle)
            assert client.get("/livez").status_code == 200


def test_a_body_that_is_not_http_is_no_line_of_the_log(side: HttpSide, capsys: pytest.CaptureFixture[str]) -> None:
    """Given chunks that are none, then the answer is 400 and the log does not ask to report it."""
    head = b"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    with side.listening() as client, socket.create_connection(("127.0.0.1", port_of(client)), WAIT_S) as broken:
        broken.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        broken.sendall(b"hunter2\r\n")
        assert broken.recv(4_096).startswith(b"HTTP/1.1 400")
        assert client.get("/livez").status_code == 200

    assert "please report" not in "".join(capsys.readouterr())


def test_more_connections_than_the_limit_are_closed() -> None:
    """Given as many open connections as the limit, then one more is closed, and a free place is used again."""
    side = HttpSide(max_connections=2)
    side.begin()
    with side.listening() as client:
        port = port_of(client)
        first, second = (socket.create_connection(("127.0.0.1", port), WAIT_S) for _ in range(2))
        with first, second, socket.create_connection(("127.0.0.1", port), WAIT_S) as third:
            assert ends(third)
        until(lambda: client.get("/livez").status_code == 200)


def test_a_port_that_is_taken_is_named() -> None:
    """Given another process on the port, then the error says so before anything is loaded."""
    side = HttpSide()
    with side.listening() as client:
        settings = HttpSettings(port=port_of(client))
        taken = serving(settings, side.app(), side.stop)
        with (
            pytest.raises(SettingsError, match="another process listens there; choose another --http-port"),
            taken,
        ):
            pass


def test_health_asks_the_probe() -> None:
    """Given a running process, then `health` has nothing to say, and without one it says what does not answer."""
    side = HttpSide(shutdown_delay_s=0.3)
    side.begin()
    with side.listening() as client:
        settings = ConsumerSettings(http=HttpSettings(port=port_of(client)))
        assert ask(settings, "livez") is None
        side.stop.set()
        assert ask(settings, "readyz") == f"/readyz at 127.0.0.1 port {port_of(client)} answers 503"
    assert "does not answer: ConnectionRefusedError" in (ask(settings, "livez") or "")


def is_open(port: int) -> bool:
    """Whether anything listens on the port."""
    try:
        socket.create_connection(("127.0.0.1", port), WAIT_S).close()
    except OSError:
        return False
    return True


def ends(connection: socket.socket) -> bool:
    """Whether the other side closes the connection before WAIT_S are over."""
    try:
        while connection.recv(4_096):
            pass
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
    return True


def test_a_server_that_ends_before_anything_else_runs_has_had_its_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a stop before the start, when the server has ended already, then the port is known all the same."""
    start = threading.Thread.start

    def started_and_ended(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "http":
            thread.join(WAIT_S)

    monkeypatch.setattr(threading.Thread, "start", started_and_ended)
    stop, settings = threading.Event(), HttpSettings(port=free_port(), shutdown_delay_s=0)
    stop.set()

    async def nothing(*_: object) -> None:
        return

    with serving(settings, nothing, stop) as port:
        assert port == settings.port
