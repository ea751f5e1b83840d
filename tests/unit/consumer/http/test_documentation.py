"""The OpenAPI document is committed, has valid examples, and says what the service does."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.http.documentation import committed
from consumer.http.messages import NOT_WHITE_SPACE, TextToScore
from consumer.http.problems import MEDIA_TYPE, ProblemDetails
from shared.messages import Result
from tests.unit.consumer.http.conftest import SCORE, HttpSide

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMITTED: Final = Path(__file__).parents[4] / "docs" / "schemas" / "openapi.json"
KEY: Final = "0123456789abcdef"
EXAMPLES: Final = 60
"""Requests for each path; `make hostile` sends more that no document describes."""


def test_the_committed_document_is_that_of_the_service() -> None:
    """Given docs/schemas/openapi.json, when it is generated, then nothing differs; else run `make reference`."""
    assert COMMITTED.read_text(encoding="utf-8") == committed()


def test_the_service_serves_its_document() -> None:
    """Given a service with a key, then /openapi.json is the committed document and needs no key."""
    response = HttpSide(api_key=KEY).client().get("/openapi.json")

    assert response.json() == json.loads(committed())


def test_the_examples_are_valid() -> None:
    """Given the examples of requests, results and problems, then the models take them."""
    post = json.loads(committed())["paths"][SCORE]["post"]
    for one in _examples(post["requestBody"]["content"]["application/json"]):
        TextToScore.model_validate(one)
    for one in _examples(post["responses"]["200"]["content"]["application/json"]):
        Result.model_validate_json(json.dumps(one))
    for status, response in post["responses"].items():
        if status != "200":
            example = response["content"][MEDIA_TYPE]["example"]
            assert ProblemDetails.model_validate(example).status == int(status)


def test_the_pattern_of_a_text_finds_what_is_not_white_space() -> None:
    """Given each character, then the document takes it alone where `whole_text` does: U+001E was refused."""
    characters = list(map(chr, range(sys.maxunicode + 1)))
    found = [one for one in characters if re.search(NOT_WHITE_SPACE, one)]
    assert found == [one for one in characters if not one.isspace()]


def _examples(content: dict[str, Any]) -> Iterator[Any]:
    for example in content["examples"].values():
        value = example["value"]
        yield from value if isinstance(value, list) else [value]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "mode"),
    [
        (SCORE, schemathesis.GenerationMode.POSITIVE),
        (SCORE, schemathesis.GenerationMode.NEGATIVE),
        # The probes take nothing, so nothing of them can be wrong.
        *((path, schemathesis.GenerationMode.POSITIVE) for path in ("/livez", "/readyz", "/startupz")),
    ],
)
def test_schemathesis_finds_nothing(path: str, mode: schemathesis.GenerationMode) -> None:
    """Given requests that the document allows, or forbids, then each answer is one that it describes."""
    side = HttpSide(api_key=KEY)
    side.begin()
    schema = schemathesis.openapi.from_asgi("/openapi.json", side.app())
    operation = schema[path]["POST" if path == SCORE else "GET"]

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def send(data: st.DataObject) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        case.call_and_validate(headers={"X-API-Key": KEY})

    send()
