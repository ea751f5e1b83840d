"""The application: the page's files, its frames, downloads and the try-it field."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any, Final

import structlog
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException

from dashboard.views import csv
from dashboard.views.sample import sample
from dashboard.views.selection import Selection
from dashboard.web.broadcast import Broadcast
from dashboard.web.files import page_files
from dashboard.web.guard import Guard
from dashboard.web.labels import Given, Labels
from dashboard.web.limits import RateLimit
from dashboard.web.problems import Problem
from dashboard.web.score import explain, score
from shared.logs import unforeseen

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pydantic import SecretStr
    from starlette.types import ASGIApp

    from dashboard.settings import DashboardSettings
    from dashboard.web.frames import Frames
    from dashboard.window.window import Window

log = structlog.get_logger()

MAX_TRY_CHARS: Final = 5_000
MAX_BODY_BYTES: Final = 64 * 1_024
NO_STORE: Final = {"Cache-Control": "no-store"}
Chosen = Annotated[Selection, Query()]


class TryIt(BaseModel):
    """A text to score."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    text: str = Field(min_length=1, max_length=MAX_TRY_CHARS)


def make_app(
    settings: DashboardSettings,
    window: Window,
    frames: Frames,
    stop: threading.Event,
    labels: Labels | None = None,
) -> ASGIApp:
    """The application behind its guard; without `labels` none can be given."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    _add_views(app, window, frames, Broadcast(frames, window, settings.viewers, stop))
    _add_actions(app, settings, labels)
    _add_files(app)
    app.add_exception_handler(Problem, _explained)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ValidationError, _invalid)
    app.add_exception_handler(Exception, _failed)
    return Guard(app, settings)


def _add_views(app: FastAPI, window: Window, frames: Frames, broadcast: Broadcast) -> None:
    """What the page reads."""

    @app.get("/api/stream")
    async def stream(chosen: Chosen) -> Response:
        headers = {**NO_STORE, "X-Accel-Buffering": "no"}
        return StreamingResponse(broadcast.join(chosen), headers=headers, media_type="text/event-stream")

    @app.get("/api/page")
    async def page(chosen: Chosen) -> Response:
        return _json(to_json(await asyncio.to_thread(frames.page, chosen)))

    @app.get("/api/series.csv")
    async def series_csv(chosen: Chosen) -> Response:
        return _csv("sentiment-series.csv", csv.series(await asyncio.to_thread(frames.page, chosen)))

    @app.get("/api/sample.csv")
    async def sample_csv(chosen: Chosen) -> Response:
        with window.open() as contents:
            rows = sample(contents.recent, chosen, shown=len(contents.recent))
        return _csv("sentiment-sample.csv", csv.sample(rows))


def _add_actions(app: FastAPI, settings: DashboardSettings, labels: Labels | None) -> None:
    """What a viewer sends."""
    tries, given_labels = RateLimit(settings.tries_per_minute), RateLimit(settings.labels_per_minute)

    async def tried(request: Request, ask: Callable[[str, SecretStr | None, str], dict[str, Any]]) -> Response:
        if settings.score_url is None:
            raise Problem(404, "not_connected", "start the dashboard with --score-url to score texts")
        given = TryIt.model_validate_json(await _body(request))
        tries.take()
        return _json(to_json(await asyncio.to_thread(ask, settings.score_url, settings.score_key, given.text)))

    @app.post("/api/score")
    async def try_it(request: Request) -> Response:
        return await tried(request, score)

    @app.post("/api/explain")
    async def why(request: Request) -> Response:
        return await tried(request, explain)

    @app.post("/api/label")
    async def label(request: Request) -> Response:
        if labels is None:
            raise Problem(404, "not_connected", "start the dashboard with --labels-topic to give labels")
        given = Given.model_validate_json(await _body(request))
        given_labels.take()
        await asyncio.to_thread(labels.save, given)
        return _json(b'{"saved":true}')


def _add_files(app: FastAPI) -> None:
    """The page itself."""
    pages = page_files()

    @app.get("/{path:path}")
    async def file(request: Request, path: str) -> Response:
        found = pages.get(f"/{path}")
        if found is None:
            raise Problem(404, "not_found", "there is no such page")
        headers = {"Cache-Control": "no-cache", "ETag": found.tag}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, headers=headers, media_type=found.media_type)


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise Problem(413, "body_too_large", f"the body has more than {MAX_BODY_BYTES} bytes")
    return bytes(body)


def _json(body: bytes) -> Response:
    return Response(body, headers=NO_STORE, media_type="application/json")


def _csv(name: str, text: str) -> Response:
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.encode("utf-8", "replace"), headers=headers, media_type="text/csv; charset=utf-8")


async def _explained(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for it
    return error.response()


async def _refused(_: Request, error: Exception) -> Response:
    status: Any = getattr(error, "status_code", 404)
    return Problem(status, "not_found", "there is no such page, or it does not take this method").response()


async def _invalid(_: Request, __: Exception) -> Response:
    # Not the error itself, which may quote a text.
    return Problem(422, "invalid", "the request makes no sense: see docs/dashboard.md").response()


async def _failed(_: Request, error: Exception) -> Response:
    log.error("request_failed", error=unforeseen(error))
    return Problem(
        500, "unforeseen", "an unexpected error; the log of the dashboard has a line about it"
    ).response()
