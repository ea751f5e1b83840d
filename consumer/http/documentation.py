"""What the OpenAPI document says of each path; `python -m consumer.http.documentation FILE` writes it."""

from __future__ import annotations

import json
import sys
import threading
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from fastapi.openapi.utils import get_openapi
from pydantic import SecretStr
from pydantic.json_schema import models_json_schema

from consumer.http.messages import TextToScore
from consumer.http.problems import MEDIA_TYPE, ProblemDetails, Reason
from consumer.http.settings import HttpSettings
from shared.messages import Result
from shared.messages.explanations import ExplainedResult

if TYPE_CHECKING:
    from fastapi import FastAPI
    from pydantic import BaseModel

    from consumer.settings import ConsumerSettings

DESCRIPTION: Final = (
    "Scores texts with the model that scores the stream, in the same batches. The stream goes first. "
    "Every answer but 200 is a problem by RFC 9457; its `reason` is a constant for programs."
)
RETRIES: Final = (429, 503)
"""Statuses with the header Retry-After."""
_REFERENCE: Final = "#/components/schemas/{model}"

_ONE: Final = {"id": "42", "text": "The new release is a joy to use."}
_RESULT: Final = {
    "schema_version": 1,
    "id": "42",
    "label": "positive",
    "score": 0.981204,
    "probabilities": {"negative": 0.004113, "neutral": 0.014683, "positive": 0.981204},
    "uncertain": False,
    "truncated": False,
    "tokens": 10,
    "model": {"name": "minilm", "version": "3f1c9a"},
    "source": None,
    "scored_at": "2026-11-26T16:00:00.000000Z",
}
_EXPLANATION: Final = {
    "method": "occlusion",
    "label": "positive",
    "log_odds": 3.9549,
    "words": [{"text": "a", "weight": 0.0312}, {"text": "joy", "weight": 4.1187}],
}
_PROBES: Final = {
    "livez": "Whether the process makes progress; if not, restart it",
    "readyz": "Whether the model is loaded, the group joined, and nobody has asked the process to stop",
    "startupz": "Whether the model is loaded",
}
_WITHOUT_RETRY: Final = ("stalled", "not_ready", "starting")
"""Reasons of the probes, which are asked again anyway."""
_PROBLEMS: Final[dict[int, tuple[Reason, str]]] = {
    401: ("unauthorized", "the API key is missing or wrong"),
    408: ("body_too_slow", "the body was not complete in time"),
    413: ("body_too_large", "the body has too many bytes"),
    415: ("not_json_type", "the body is not declared as JSON"),
    422: ("invalid", "the body is not JSON, or a text cannot be scored; `errors` says which"),
    429: ("too_many_texts_waiting", "too much is in hand; try again after Retry-After seconds"),
    500: ("unforeseen", "an unexpected error"),
    503: ("timeout", "the texts were not scored in time, or nothing can be scored now"),
}


def score(settings: ConsumerSettings) -> dict[str, Any]:
    """Arguments of `add_api_route` for `POST /v1/score`."""
    one, many = _ref(Result), {"type": "array", "items": _ref(Result), "minItems": 1}
    return {
        "summary": "Score one text or several",
        "description": "The body is one text, or a list; the answer is one result, or a list in the same order. "
        "All texts have a result, or none has.",
        "operation_id": "score",
        "response_model": None,
        "responses": _responses(
            settings, "a result for each text, as in the topic of results", {"anyOf": [one, many]}
        ),
        "openapi_extra": {"requestBody": _body(settings)},
    }


def explain(settings: ConsumerSettings) -> dict[str, Any]:
    """Arguments of `add_api_route` for `POST /v1/explain`."""
    return {
        "summary": "Score one text, and say which words gave it its label",
        "description": "The text is scored once more without each of its words: the weight of a word is what the "
        "log-odds of the label lose by that. In a long text neighbours share a weight, so that it takes 129 "
        "scores at most. They count like those of a list of texts.",
        "operation_id": "explain",
        "response_model": None,
        "responses": _responses(settings, "the result, with the weights of its words", _ref(ExplainedResult)),
        "openapi_extra": {"requestBody": _one_text()},
    }


def _responses(settings: ConsumerSettings, description: str, schema: dict[str, Any]) -> dict[int, dict[str, Any]]:
    statuses = [one for one in _PROBLEMS if settings.http.api_key or one != HTTPStatus.UNAUTHORIZED]
    found: dict[int, dict[str, Any]] = {
        200: {"description": description, "content": {"application/json": {"schema": schema}}}
    }
    return found | {status: _problem(status, *_PROBLEMS[status]) for status in statuses}


def probe(name: str, reason: Reason) -> dict[str, Any]:
    """Arguments of `add_api_route` for a probe that fails for a reason."""
    ok = {"type": "object", "required": ["status"], "properties": {"status": {"const": "ok"}}}
    content = {"application/json": {"schema": ok, "example": {"status": "ok"}}}
    return {
        "summary": _PROBES[name],
        "operation_id": name,
        "response_model": None,
        "responses": {200: {"description": "yes", "content": content}, 503: _problem(503, reason, "no")},
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of an application, with the models that its paths refer to."""
    found: dict[str, Any] = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    # Only here: FastAPI leaves out what is null, and a result has `source: null`.
    answer = found["paths"]["/v1/score"]["post"]["responses"]["200"]["content"]["application/json"]
    answer["examples"] = {"one": {"value": _RESULT}, "several": {"value": [_RESULT]}}
    answer = found["paths"]["/v1/explain"]["post"]["responses"]["200"]["content"]["application/json"]
    answer["example"] = _RESULT | {"explanation": _EXPLANATION}
    models: list[tuple[type[BaseModel], Literal["validation", "serialization"]]] = [
        (TextToScore, "validation"),
        (Result, "validation"),
        (ExplainedResult, "validation"),
        (ProblemDetails, "validation"),
    ]
    _, schemas = models_json_schema(models, ref_template=_REFERENCE)
    found.setdefault("components", {})["schemas"] = schemas["$defs"]
    return found


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


def _body(settings: ConsumerSettings) -> dict[str, Any]:
    many = {"type": "array", "items": _ref(TextToScore), "minItems": 1, "maxItems": settings.http.max_texts}
    examples = {"one": {"value": _ONE}, "several": {"value": [_ONE, {"text": "It crashes at every start."}]}}
    content = {"schema": {"anyOf": [_ref(TextToScore), many]}, "examples": examples}
    return {"required": True, "content": {"application/json": content}}


def _one_text() -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(TextToScore), "example": _ONE}}}


def _problem(status: int, reason: Reason, description: str) -> dict[str, Any]:
    example: dict[str, Any] = {"title": HTTPStatus(status).phrase, "status": status, "detail": description}
    example["reason"] = reason
    problem = {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": _ref(ProblemDetails), "example": example}},
    }
    if status in RETRIES and reason not in _WITHOUT_RETRY:
        seconds = {"schema": {"type": "integer", "minimum": 1}, "description": "seconds to wait"}
        problem["headers"] = {"Retry-After": seconds}
    return problem


def committed() -> str:
    """The document of a server with an API key and otherwise default settings, as it is in docs/schemas/."""
    from consumer.http.app import make_app  # noqa: PLC0415 - it needs this module
    from consumer.http.scoring import RequestScoring  # noqa: PLC0415
    from consumer.http.state import ServiceState  # noqa: PLC0415
    from consumer.settings import ConsumerSettings  # noqa: PLC0415

    settings = ConsumerSettings(http=HttpSettings(api_key=SecretStr("x" * 16)))
    state = ServiceState(threading.Event(), needs_group=True)
    app = make_app(settings, state, RequestScoring(settings.http, state), lambda _: None)
    return json.dumps(app.openapi(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(committed(), encoding="utf-8")
