"""Starts the HTTP side: next to the stream, or alone. Imports FastAPI only where there is a port."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

import structlog

from consumer.events import ModelLoaded, to_all
from consumer.http.settings import DEFAULT_PORT
from consumer.http.state import ServiceState
from consumer.log_events import log_event
from consumer.monitoring.start import start_monitor
from consumer.stall_watchdog import StallWatchdog
from shared import __version__
from shared.errors import SettingsError
from shared.inference.device import gpu_uuid
from shared.inference.scheduler import Scheduler
from shared.model_folder.artifact import open_artifact
from shared.settings import effective

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from consumer.events import Observer
    from consumer.monitoring.monitor import Monitor
    from consumer.settings import ConsumerSettings
    from consumer.signals import StopSignal
    from shared.model_folder.artifact import Artifact

log = structlog.get_logger()

HEARTBEAT_S: Final = 0.1


@contextmanager
def http_beside(
    settings: ConsumerSettings, state: ServiceState, observer: Observer, stop: threading.Event
) -> Iterator[None]:
    """Serves HTTP within the block if a port is set; raises SettingsError if it cannot."""
    if settings.http.port is None:
        yield
        return
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise SettingsError("--http-port needs FastAPI and uvicorn: pip install 'sentiment-stream[http]'")
    from consumer.http.app import make_app  # noqa: PLC0415 - FastAPI takes long, and not every run has it
    from consumer.http.scoring import RequestScoring  # noqa: PLC0415
    from shared.http.server import serving  # noqa: PLC0415

    app = make_app(settings, state, RequestScoring(settings.http, state), observer)
    with serving(settings.http, app, stop):
        yield


def start_scoring(
    settings: ConsumerSettings,
    artifact: Artifact,
    state: ServiceState,
    observer: Observer,
    monitor: Monitor | None,
) -> Scheduler:
    """Loads the model and tells all who want to know that it answers."""
    from shared.inference.engines.select import load_scorer  # noqa: PLC0415 - takes seconds; HTTP answers before

    scorer = load_scorer(artifact, settings.device, settings.precision)
    scoring = state.scheduler = Scheduler(
        scorer,
        window=settings.limits.batch_records,
        batch_tokens=settings.limits.batch_tokens,
        cache=settings.cache,
        low_priority_share=settings.http.stream_share,
        observer=observer,
    )
    observer(ModelLoaded(**scorer.describe()))
    if monitor is not None:
        monitor.watch_gpu(gpu_uuid(settings.device))
    return scoring


def serve_http(settings: ConsumerSettings, stop: StopSignal, observer: Observer = log_event) -> None:
    """Scores over HTTP without Kafka until `stop` is set; raises SentimentError for what ends it early."""
    if settings.http.port is None:
        settings = settings.model_copy(update={"http": settings.http.model_copy(update={"port": DEFAULT_PORT})})
    log.info("starting", version=__version__, **effective(settings))
    monitor = start_monitor(settings)
    state = ServiceState(stop, needs_group=False)
    observer = to_all(observer, *(part.observer for part in (monitor,) if part), state.observe)
    artifact = open_artifact(settings.model_folder)
    with http_beside(settings, state, observer, stop):
        scoring = start_scoring(settings, artifact, state, observer, monitor)
        with StallWatchdog(settings.limits.stall_timeout_s, work=scoring.work) as watchdog:
            state.is_stalled = lambda: watchdog.is_stalled
            while not stop.wait(HEARTBEAT_S):
                watchdog.heartbeat()
                state.check()
        if monitor is not None:
            monitor.close(stop.left_s)
    scoring.close(timeout_s=1.0)
    log.info("stopped")
