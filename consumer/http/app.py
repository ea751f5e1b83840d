"""The HTTP interface: `POST /v1/score`, the probes, and the OpenAPI document that describes both."""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import FastAPI, Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from consumer.events import RequestAnswered
from consumer.http import documentation
from consumer.http.answers import Answers
from consumer.http.messages import read_body
from consumer.http.problems import NO_STORE, Problem
from consumer.http.scoring import ClientLeft
from shared import __version__
from shared.http.listening import is_secret
from shared.logs import unforeseen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consumer.events import Observer
    from consumer.http.answers import Work
    from consumer.http.messages import TextToScore
    from consumer.http.scoring import RequestScoring
    from consumer.http.state import ServiceState
    from consumer.settings import ConsumerSettings

log = structlog.get_logger()

JSON: Final = "application/json"
CLIENT_LEFT: Final = 499
KEY_HEADER: Final = "X-API-Key"
KEY: Final = APIKeyHeader(name=KEY_HEADER, auto_error=False, description="`http.api_key`, where one is set")


OK: Final = b'{"status":"ok"}'
STALLED: Final = Problem(503, "stalled", "no progress for limits.stall_timeout_s: the process is about to end")
NOT_READY: Final = Problem(
    503, "not_ready", "the model is not loaded, the group is not joined, or the process is stopping"
)
NOT_STARTED: Final = Problem(503, "starting", "the model is not loaded yet")


class ScoreHandler:
    """Answers `POST /v1/score` and `POST /v1/explain`."""

    def __init__(self, settings: ConsumerSettings, scoring: RequestScoring, observer: Observer) -> None:
        self._settings = settings
        self._scoring = scoring
        self._answers = Answers(settings, scoring.normalised)
        self._observer = observer

    async def score(self, request: Request) -> Response:
        """Scores the texts of one request; raises Problem."""
        return await self._answer(request, self._answers.scored)

    async def explain(self, request: Request) -> Response:
        """Scores the text of one request and explains its label; raises Problem."""
        return await self._answer(request, self._answers.explained)

    async def _answer(self, request: Request, work: Work) -> Response:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        texts: list[TextToScore] = []
        status, reason = 200, ""
        try:
            self._authorise(request)
            with self._scoring.admitted():
                deadline_s = began_s + self._settings.http.timeout_s
                body = await self._read(request, deadline_s)
                texts, is_list = read_body(body, self._settings.http)
                score = partial(self._scoring.score, deadline_s=deadline_s, left=lambda: _left(request))
                return Response(await work(texts, score, is_list=is_list), media_type=JSON)
        except Problem as problem:
            status, reason = problem.status, problem.details.reason
            raise
        except (ClientLeft, ClientDisconnect):
            status, reason = CLIENT_LEFT, "client_left"
            return Response(status_code=CLIENT_LEFT)  # nobody reads it
        except asyncio.CancelledError:  # it takes longer than a stopping process waits
            status, reason = 503, "stopping"
            raise
        except Exception:
            status, reason = 500, "unforeseen"
            raise
        finally:
            self._observer(RequestAnswered(status, reason, len(texts), loop.time() - began_s))

    def _authorise(self, request: Request) -> None:
        if not is_secret(request.headers.get(KEY_HEADER, "").encode(), self._settings.http.api_key):
            raise Problem(401, "unauthorized", f"send the API key as the header {KEY_HEADER}")

    async def _read(self, request: Request, deadline_s: float) -> bytes:
        """The body; raises Problem for one that is too large, too slow or not declared as JSON."""
        limit = self._settings.http.max_body_bytes
        # A page of another origin may send text/plain without a preflight request, but not JSON.
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            raise Problem(415, "not_json_type", f"send the header Content-Type: {JSON}")
        length = request.headers.get("content-length", "")
        too_large = Problem(413, "body_too_large", f"the body has more than {limit} bytes")
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout_at(deadline_s):
                async for part in request.stream():
                    body += part
                    if len(body) > limit:
                        raise too_large
        except TimeoutError:
            detail = f"the body was not complete within {self._settings.http.timeout_s:g} s"
            raise Problem(408, "body_too_slow", detail) from None
        return bytes(body)


def make_app(
    settings: ConsumerSettings, state: ServiceState, scoring: RequestScoring, observer: Observer
) -> FastAPI:
    """The application; it answers before there is a model, with status 503."""
    app = FastAPI(
        title="Sentiment scores",
        version=__version__,
        description=documentation.DESCRIPTION,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    handler = ScoreHandler(settings, scoring, observer)
    # Describes it; the handler asks for it.
    asks_for_key: dict[str, Any] = {
        "methods": ["POST"],
        "dependencies": [Security(KEY)] if settings.http.api_key else [],
    }
    app.add_api_route(
        "/v1/score",
        handler.score,
        **asks_for_key,
        **documentation.score(settings),
    )
    app.add_api_route(
        "/v1/explain",
        handler.explain,
        **asks_for_key,
        **documentation.explain(settings),
    )
    for name, is_fine, problem in (
        ("livez", lambda: state.is_alive, STALLED),
        ("readyz", lambda: state.is_ready, NOT_READY),
        ("startupz", lambda: state.has_started, NOT_STARTED),
    ):
        app.add_api_route(
            f"/{name}",
            _probe(is_fine, problem),
            methods=["GET"],
            **documentation.probe(name, problem.details.reason),
        )
    document = documentation.document(app)
    app.openapi = lambda: document  # type: ignore[method-assign]
    app.add_exception_handler(Problem, _explained)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _failed)
    return app


def _probe(is_fine: Callable[[], bool], problem: Problem) -> Callable[[], Awaitable[Response]]:
    async def probe() -> Response:
        return Response(OK, media_type=JSON, headers=NO_STORE) if is_fine() else problem.response()

    return probe


async def _left(request: Request) -> None:
    """Returns once the client has left; call it after the body was read."""
    # Not `Request.is_disconnected`, which has to be asked again and again.
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _explained(_: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - registered for it
    return error.response()


async def _refused(_: Request, error: Exception) -> Response:
    """What Starlette refuses itself: a path or a method."""
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response = Problem(405, "method_not_allowed", "the path does not take this method").response()
        response.headers.update(error.headers or {})
        return response
    return Problem(404, "not_found", "there is no such path; /openapi.json describes all").response()


async def _failed(_: Request, error: Exception) -> Response:
    # Not the exception's message, which may quote a text.
    log.error("request_failed", error=unforeseen(error))
    return Problem(500, "unforeseen", "an unexpected error; the log of the service has a line about it").response()
