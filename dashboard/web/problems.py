"""Answers that are no page: problem details by RFC 9457, with what to do, and never a text that was sent."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from fastapi.responses import Response
from pydantic_core import to_json

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the name of RFC 9457
    """Ends a request with problem details. `reason` is a constant name for programs."""

    def __init__(self, status: int, reason: str, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
        self._retry_after_s = retry_after_s

    def response(self) -> Response:
        """The answer to the client."""
        body = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "reason": self.reason,
        }
        headers = {"Cache-Control": "no-store"}
        if self._retry_after_s is not None:
            headers["Retry-After"] = str(self._retry_after_s)
        return Response(to_json(body), self.status, headers, media_type=MEDIA_TYPE)
