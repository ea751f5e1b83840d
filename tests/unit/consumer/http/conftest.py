"""The HTTP side over a fake model, within this process or on a port."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from fastapi.testclient import TestClient

from consumer.events import ModelLoaded, RequestAnswered
from consumer.http.app import make_app
from consumer.http.scoring import RequestScoring
from consumer.http.settings import HttpSettings
from consumer.http.state import ServiceState
from consumer.settings import ConsumerSettings
from shared.http.server import serving
from shared.inference.scheduler import Scheduler
from tests.support.fakes import FakeScorer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from consumer.events import Event

WAIT_S = 10.0
SCORE = "/v1/score"


class HttpSide:
    """One process's HTTP side; `begin` loads its model."""

    def __init__(self, **given: Any) -> None:
        self.settings = ConsumerSettings(http=HttpSettings(**given))
        self.stop = threading.Event()
        self.state = ServiceState(self.stop, needs_group=False)
        self.scoring = RequestScoring(self.settings.http, self.state)
        self.events: list[Event] = []

    def begin(self, scorer: FakeScorer | None = None, **given: Any) -> Scheduler:
        """Loads a model."""
        scorer = scorer or FakeScorer()
        self.state.scheduler = Scheduler(scorer, **given)
        self.state.observe(ModelLoaded(**scorer.describe()))
        return self.state.scheduler

    def app(self) -> FastAPI:
        """The application."""
        return make_app(self.settings, self.state, self.scoring, self.events.append)

    def client(self) -> TestClient:
        """A client of the application within this process."""
        return TestClient(self.app(), raise_server_exceptions=False)

    @contextmanager
    def listening(self) -> Iterator[httpx2.Client]:
        """The application on a port, as in service, and a client of it."""
        with (
            serving(self.settings.http, self.app(), self.stop, _must_not_end) as port,
            httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_S, trust_env=False) as client,
        ):
            yield client

    def answered(self) -> list[RequestAnswered]:
        """The events of its requests."""
        return [one for one in self.events if isinstance(one, RequestAnswered)]


def _must_not_end(code: int) -> None:
    pytest.fail(f"the thread ended with {code}")


@pytest.fixture
def side() -> HttpSide:
    """A model that answers, and default settings."""
    found = HttpSide()
    found.begin()
    return found


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """A gate that is open at the end, so that no thread waits at it."""
    found = threading.Event()
    yield found
    found.set()


def until(what: Callable[[], object]) -> None:
    """Waits until something holds; fails after WAIT_S."""
    pause = threading.Event()
    for _ in range(int(WAIT_S * 100)):
        if what():
            return
        pause.wait(0.01)
    pytest.fail("it does not come to hold")
