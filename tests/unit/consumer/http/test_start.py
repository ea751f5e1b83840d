"""HTTP next to a run, or alone: what is imported, what is refused, and how `serve` ends."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import httpx2
import pytest

from consumer import service
from consumer.events import ModelLoaded
from consumer.http.probe import ask
from consumer.http.settings import HttpSettings
from consumer.http.start import http_beside, serve_http
from consumer.http.state import ServiceState
from consumer.monitoring.settings import MetricsSettings
from consumer.settings import ConsumerSettings
from consumer.signals import StopSignal
from shared.errors import ScorerError, SettingsError
from shared.inference.scheduler import Scheduler
from tests.support.fakes import TARGETS, FakeKafka, FakeOutbox, FakeScorer, FakeSource
from tests.support.processes import free_port
from tests.support.tiny import tiny_model
from tests.unit.consumer.http.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.events import Event


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


def test_serve_ends_when_it_is_asked_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given `serve`, when it is stopped, then it ends; when its scorer fails, then with that error."""
    monkeypatch.setattr("shared.inference.engines.select.load_scorer", lambda *_: FakeScorer())
    settings = ConsumerSettings(
        model=tiny_model(tmp_path / "model"), http=HttpSettings(port=free_port(), shutdown_delay_s=0)
    )
    events: list[Event] = []
    stop = StopSignal()
    stop.set()
    serve_http(settings, stop, events.append)
    assert any(isinstance(one, ModelLoaded) for one in events)

    monkeypatch.setattr(ServiceState, "check", _fails)
    with pytest.raises(ScorerError, match="the device is gone"):
        serve_http(settings, StopSignal(), events.append)


def test_serve_has_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given `serve` with a port for metrics, when a request is scored, then it counts, and no lag is shown."""
    monkeypatch.setattr("shared.inference.engines.select.load_scorer", lambda *_: FakeScorer())
    settings = ConsumerSettings(
        model=tiny_model(tmp_path / "model"),
        http=HttpSettings(port=free_port(), shutdown_delay_s=0),
        metrics=MetricsSettings(port=free_port()),
    )
    stop = StopSignal()
    serving = threading.Thread(target=serve_http, args=(settings, stop, lambda _: None))
    serving.start()
    try:
        until(lambda: ask(settings, "readyz") is None)
        with httpx2.Client(trust_env=False) as client:
            answer = client.post(f"http://127.0.0.1:{settings.http.port}/v1/score", json={"text": "fine"})
            found = client.get(f"http://127.0.0.1:{settings.metrics.port}/metrics").text
    finally:
        stop.set()
        serving.join()

    assert answer.status_code == 200
    assert 'sentiment_http_requests_total{reason="",status="200"} 1.0' in found
    assert "sentiment_model_info{" in found
    assert "sentiment_lag_records{" not in found


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
