"""The application over a window, asked without a network."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from dashboard.settings import DashboardSettings
from dashboard.stream.status import Status
from dashboard.web.app import make_app
from dashboard.web.frames import Frames
from dashboard.window.window import Window

if TYPE_CHECKING:
    from starlette.types import ASGIApp


class Side:
    """A window and its application."""

    def __init__(self, **settings: Any) -> None:
        self.settings = DashboardSettings(**settings)
        self.window = Window()
        self.stop = threading.Event()
        self.status = Status()
        self.frames = Frames(self.window, self.status, {"version": "0"}, {})
        self.app: ASGIApp = make_app(self.settings, self.window, self.frames, self.stop)

    def client(self, host: str = "127.0.0.1") -> httpx2.AsyncClient:
        """A client that believes in this name."""
        return httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url=f"http://{host}")


@pytest.fixture
def anyio_backend() -> str:
    """asyncio, as in service."""
    return "asyncio"
