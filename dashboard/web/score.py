"""Try it: a text that a viewer typed, scored by a consumer's HTTP. The stream and its sums stay as they are."""

from __future__ import annotations

import time
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from dashboard.web.problems import Problem
from shared.messages import Result
from shared.messages.explanations import ExplainedResult

if TYPE_CHECKING:
    from pydantic import SecretStr

ANSWER_S: Final = 15.0
"""A consumer answers within its `http.timeout_s`, 10 s by default."""
MAX_BYTES: Final = 2**20
_OK: Final = 200
_BAD: Final = 400
_FAILED: Final = 500


R = TypeVar("R", bound=Result)


class _Details(BaseModel):
    detail: str = ""


def score(url: str, key: SecretStr | None, text: str) -> dict[str, Any]:
    """The result and the milliseconds it took; raises Problem. Blocks for up to ANSWER_S."""
    began = time.monotonic()
    result = _result(Result, url, "/v1/score", key, text)
    took_ms = round((time.monotonic() - began) * 1000, 1)
    return {"result": result.model_dump(mode="json", exclude={"text"}), "took_ms": took_ms}


def explain(url: str, key: SecretStr | None, text: str) -> dict[str, Any]:
    """Which words gave a text its label; raises Problem. Blocks for up to ANSWER_S."""
    result = _result(ExplainedResult, url, "/v1/explain", key, text)
    return result.explanation.model_dump(mode="json")


def _result(kind: type[R], url: str, path: str, key: SecretStr | None, text: str) -> R:
    status, body = _ask(url, path, key, to_json({"text": text}))
    if status != _OK:
        raise _refused(status, body)
    try:
        return kind.model_validate_json(body)
    except ValidationError:
        raise Problem(502, "no_result", "what answers at dashboard.score_url is no consumer's HTTP") from None


def _ask(url: str, path: str, key: SecretStr | None, body: bytes) -> tuple[int, bytes]:
    where = urlsplit(url)
    kind = HTTPSConnection if where.scheme == "https" else HTTPConnection
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["X-API-Key"] = key.get_secret_value()
    try:
        # A redirection is not followed: it could take the key elsewhere.
        with closing(kind(where.hostname or "", where.port, timeout=ANSWER_S)) as connection:
            connection.request("POST", f"{where.path.rstrip('/')}{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(MAX_BYTES)
    except (OSError, HTTPException) as error:
        raise Problem(
            502,
            "unreachable",
            f"no consumer answers at dashboard.score_url ({type(error).__name__}); is it running?",
        ) from None


def _refused(status: int, body: bytes) -> Problem:
    """What the consumer said, in its own words, which quote no text."""
    try:
        detail = _Details.model_validate(from_json(body)).detail[:500]
    except (ValueError, ValidationError):
        detail = ""
    detail = detail or f"the consumer answers {status}"
    return Problem(status if _BAD <= status < _FAILED and status not in {401, 403} else 502, "refused", detail)
