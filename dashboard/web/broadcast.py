"""Sends frames to viewers: at most two a second, whatever comes; a slow viewer gets the newest one only.

A frame is made once for all viewers with the same selection. All methods run on the server's event loop.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from dashboard.web.problems import Problem
from shared.logs import unforeseen

if TYPE_CHECKING:
    import threading
    from collections.abc import AsyncIterator

    from dashboard.views.selection import Selection
    from dashboard.web.frames import Frames
    from dashboard.window.window import Window

log = structlog.get_logger()

TICK_S: Final = 0.5
QUIET_TICKS: Final = 4
"""Ticks after which a frame is sent although nothing came: time goes on, and proxies close quiet streams."""


class _Viewer:
    """One open page, with room for one frame."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection
        self._frame: bytes | None = None
        self._there = asyncio.Event()
        self._gone = False

    def offer(self, frame: bytes) -> None:
        """Replaces a frame that was not taken yet."""
        self._frame = frame
        self._there.set()

    def end(self) -> None:
        self._gone = True
        self._there.set()

    async def taken(self) -> bytes | None:
        """The newest frame, once there is one; None at the end."""
        await self._there.wait()
        self._there.clear()
        frame, self._frame = self._frame, None
        return None if self._gone else frame


class Broadcast:
    """All viewers."""

    def __init__(self, frames: Frames, window: Window, limit: int, stop: threading.Event) -> None:
        self._frames = frames
        self._window = window
        self._limit = limit
        self._stop = stop
        self._viewers: set[_Viewer] = set()
        self._ticking: asyncio.Task[None] | None = None

    def join(self, selection: Selection) -> AsyncIterator[bytes]:
        """Frames of a selection until the viewer leaves or the process stops; raises Problem where it is full."""
        if len(self._viewers) >= self._limit:
            raise Problem(
                503, "full", f"{self._limit} pages are open (dashboard.viewers); close one", retry_after_s=10
            )
        viewer = _Viewer(selection)
        self._viewers.add(viewer)
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.get_running_loop().create_task(self._tick())
        return self._sent(viewer)

    async def _sent(self, viewer: _Viewer) -> AsyncIterator[bytes]:
        try:
            yield await asyncio.to_thread(self._frames.encoded, viewer.selection)
            while (frame := await viewer.taken()) is not None:
                yield frame
        finally:
            self._viewers.discard(viewer)

    async def _tick(self) -> None:
        """Runs while anybody looks; then, or after a failure, all pages that are open end, and they come again."""
        try:
            await self._offer_frames()
        except Exception as error:  # noqa: BLE001 - nobody awaits this task
            log.error("frames_failed", error=unforeseen(error))  # noqa: TRY400 - a traceback may quote a text
        finally:
            for viewer in self._viewers:
                viewer.end()

    async def _offer_frames(self) -> None:
        sent, quiet = -1, 0
        while self._viewers and not self._stop.is_set():
            await asyncio.sleep(TICK_S)
            version = self._window.version
            quiet += 1
            if version == sent and quiet < QUIET_TICKS:
                continue
            sent, quiet = version, 0
            for selection in {viewer.selection for viewer in self._viewers}:
                frame = await asyncio.to_thread(self._frames.encoded, selection)
                for viewer in self._viewers:
                    if viewer.selection == selection:
                        viewer.offer(frame)
