"""The HTTP interface: `POST /v1/score`, the probes, and the OpenAPI document that describes both."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog
from fastapi import FastAPI, Request, Security
from fastapi.responses import Response
from fastapi.security import APIKeyHeader
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from consumer.events import RequestAnswered
from consumer.http import documentation
from consumer.http.messages import pointer, read_body
from consumer.http.problems import NO_STORE, Fault, Problem
from consumer.http.scoring import ClientLeft
from consumer.stream.encode import answer as meaning
from shared import __version__
from shared.http.listening import is_secret
from shared.inference.types import Unscorable
from shared.logs import unforeseen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consumer.events import Observer
    from consumer.http.messages import TextToScore
    from consumer.http.scoring import RequestScoring
    from consumer.http.state import ServiceState
    from consumer.settings import ConsumerSettings
    from shared.inference.types import Score

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
    """Answers `POST /v1/score`."""

    def __init__(self, settings: ConsumerSettings, scoring: RequestScoring, observer: Observer) -> None:
        self._settings = settings
        self._scoring = scoring
        self._observer = observer

    async def answer(self, request: Request) -> Response:
        """Reads, scores and answers one request; raises Problem."""
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
                scores = await self._scoring.score(
                    [one.text for one in texts], deadline_s=deadline_s, left=lambda: _left(request)
                )
                return Response(self._encoded(texts, scores, is_list=is_list), media_type=JSON)
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

    def _encoded(
        self, texts: Sequence[TextToScore], scores: Sequence[Score | Unscorable], *, is_list: bool
    ) -> bytes:
        """The results as JSON; raises Problem if any text has none, so that none is overlooked."""
        faults = [
            Fault(pointer=pointer(place, is_list=is_list), detail=score.reason)
            for place, score in enumerate(scores)
            if isinstance(score, Unscorable)
        ]
        if faults:
            detail = f"no score for {len(faults)} of {len(texts)} texts; send the request without them"
            raise Problem(422, "unscorable", detail, errors=faults)
        now = datetime.now(UTC)
        results = [
            self._result(one, one.identity(place), score, now)
            for place, (one, score) in enumerate(zip(texts, scores, strict=True))
            if not isinstance(score, Unscorable)
        ]
        return to_json(results if is_list else results[0])

    def _result(self, one: TextToScore, identity: str, score: Score, now: datetime) -> dict[str, Any]:
        result = meaning(
            score,
            identity=identity,
            source=None,
            at=now,
            uncertain_below=self._settings.uncertain_below,
            max_unknown_share=self._settings.max_unknown_share,
        )
        if self._settings.include_text:
            return result.model_copy(update={"text": one.text}).model_dump()
        return result.model_dump(exclude={"text"})


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
    app.add_api_route(
        "/v1/score",
        ScoreHandler(settings, scoring, observer).answer,
        methods=["POST"],
        dependencies=[Security(KEY)] if settings.http.api_key else [],  # describes it; `answer` asks for it
        **documentation.score(settings),
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
