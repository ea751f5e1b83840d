"""Answers that are not scores: problem details by RFC 9457, each with a constant `reason` for programs.

A problem never quotes what a client sent: it names the place, as the pointer `/3/text`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal

from fastapi.responses import Response
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

MEDIA_TYPE: Final = "application/problem+json"
NO_STORE: Final = {"Cache-Control": "no-store"}

Reason = Literal[
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "not_json_type",
    "body_too_slow",
    "body_too_large",
    "not_json",
    "invalid",
    "unscorable",
    "too_many_requests",
    "too_many_texts_waiting",
    "unforeseen",
    "starting",
    "isolating",
    "timeout",
    "scorer_failed",
    "stalled",
    "not_ready",
]
"""`docs/http.md` explains each."""


class Fault(BaseModel, frozen=True):
    """What is wrong at one place of a body."""

    pointer: str = Field(description="JSON Pointer (RFC 6901) into the body; empty for the body itself")
    detail: str


class ProblemDetails(BaseModel, frozen=True):
    """A problem by RFC 9457. `type` is left out, so it is `about:blank`: `title` is that of the status."""

    title: str
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="for people: what to do; never a text of the request")
    reason: Reason = Field(description="for programs: a constant name of the problem")
    errors: tuple[Fault, ...] = Field(default=(), description="at most 20 places of the body that are at fault")


MAX_ERRORS: Final = 20


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """Ends a request with problem details."""

    def __init__(
        self,
        status: int,
        reason: Reason,
        detail: str,
        *,
        errors: Sequence[Fault] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        more = f"; {len(errors) - MAX_ERRORS} more" if len(errors) > MAX_ERRORS else ""
        self.details = ProblemDetails(
            title=HTTPStatus(status).phrase,
            status=status,
            detail=detail + more,
            reason=reason,
            errors=tuple(errors[:MAX_ERRORS]),
        )
        self._retry_after_s = retry_after_s

    def response(self) -> Response:
        """The answer to the client."""
        headers = dict(NO_STORE)
        if self._retry_after_s is not None:
            headers["Retry-After"] = str(self._retry_after_s)
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "ApiKey"
        body = self.details.model_dump_json(exclude_defaults=True)
        return Response(body, self.status, headers, media_type=MEDIA_TYPE)
