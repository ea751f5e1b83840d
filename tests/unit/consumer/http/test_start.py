"""HTTP next to a run, or alone: what is imported, what is refused, and how `serve` ends."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from consumer import service
from consumer.events import ModelLoaded
from consumer.http.settings import HttpSettings
from consumer.http.start import http_beside, serve_http
from consumer.http.state import ServiceState
from consumer.settings import ConsumerSettings, load
from shared.errors import ScorerError, SettingsError
from shared.inference.scheduler import Scheduler
from tests.support.fakes import TARGETS, FakeKafka, FakeOutbox, FakeScorer, FakeSource
from tests.support.tiny import tiny_model

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.events import Event

KEY = "0123456789abcdef"


@pytest.mark.slow
def test_without_a_port_nothing_of_it_is_imported() -> None:
    """Given the command line and the service, when they are imported, then FastAPI and uvicorn are not."""
    script = "import sys, consumer.__main__, consumer.service\n"
    script += "print([name for name in ('fastapi', 'starlette', 'uvicorn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an environment without FastAPI, when a port is set, then the extra is named."""
    monkeypatch.setattr("consumer.http.start.find_spec", lambda _: None)
    stop = threading.Event()
    settings = ConsumerSettings(http=HttpSettings(port=8080))
    with (
        pytest.raises(SettingsError, match=r"pip install 'sentiment-stream\[http\]'"),
        http_beside(settings, ServiceState(stop, needs_group=True), lambda _: None, stop),
    ):
        pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_a_loopback_address_needs_no_key(host: str) -> None:
    """Given an address that only this machine reaches, then a key is not demanded."""
    assert load({"http.host": host, "http.port": "8080"}).http.port == 8080


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "scores.example.com"])  # noqa: S104 - refused
def test_a_wider_address_needs_a_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an address that others reach, then nothing starts without a key, and the key is not shown."""
    with pytest.raises(SettingsError, match=r"set http\.api_key \(SENTIMENT_HTTP__API_KEY\)"):
        load({"http.host": host, "http.port": "8080"})
    monkeypatch.setenv("SENTIMENT_HTTP__API_KEY", KEY)
    assert KEY not in repr(load({"http.host": host, "http.port": "8080"}))


@pytest.mark.parametrize("key", ["short", "x" * 1_025, "with spaces in between", "\u00fcmlaute sind keine"])
def test_a_weak_key_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a key that no header can carry or that is soon guessed, then it is refused and not quoted."""
    monkeypatch.setenv("SENTIMENT_HTTP__API_KEY", key)
    with pytest.raises(SettingsError, match="16 to 1,024 printable") as raised:
        load({})
    assert key not in str(raised.value)


def test_serve_ends_when_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given `serve`, when it is stopped, then it ends; when its scorer fails, then with that error."""
    monkeypatch.setattr("shared.inference.engines.select.load_scorer", lambda *_: FakeScorer())
    settings = ConsumerSettings(
        model=tiny_model(tmp_path / "model"), http=HttpSettings(port=_free_port(), shutdown_delay_s=0)
    )
    events: list[Event] = []
    stop = threading.Event()
    stop.set()
    serve_http(settings, stop, events.append)
    assert any(isinstance(one, ModelLoaded) for one in events)

    monkeypatch.setattr(ServiceState, "check", _fails)
    with pytest.raises(ScorerError, match="the device is gone"):
        serve_http(settings, threading.Event(), events.append)


def test_the_run_wires_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a scorer that failed at a request, then the loop ends with its error, and the probes know the loop."""
    kafka = FakeKafka()
    source = FakeSource(kafka)
    monkeypatch.setattr(service, "KafkaSource", lambda *_: source)
    monkeypatch.setattr(service, "Sender", lambda *_, **__: None)
    monkeypatch.setattr(service, "AtLeastOnceOutbox", lambda *_: FakeOutbox(kafka, source))
    monkeypatch.setattr("gc.freeze", lambda: None)
    stop = threading.Event()
    state = ServiceState(stop, needs_group=True)
    state.fail(ScorerError("the device is gone"))
    before = (state.is_stalled, state.is_isolating)
    with pytest.raises(ScorerError, match="the device is gone"):
        service.consume(
            ConsumerSettings(delivery="at-least-once"),
            partitions={},
            scoring=Scheduler(FakeScorer()),
            model_version="1",
            stop=stop,
            targets=TARGETS,
            state=state,
        )

    assert before != (state.is_stalled, state.is_isolating)
    assert (state.is_stalled(), state.is_isolating()) == (False, False)


def _fails(_: ServiceState) -> None:
    raise ScorerError("the device is gone")


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
        return number
