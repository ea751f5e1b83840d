"""Hostile requests over a real connection: `python -m tests.chaos.hostile.requests --examples 10000`.

Bodies are mutated values, and heads are broken on purpose. Every answer is one that the OpenAPI document has,
or 400 of uvicorn for what is not HTTP, and quotes nothing. Afterwards the service scores as before.
"""

from __future__ import annotations

import argparse
import json
import random
import select
import socket
import threading
import time
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consumer.events import ModelLoaded
from consumer.http.app import make_app
from consumer.http.problems import ProblemDetails
from consumer.http.scoring import RequestScoring
from consumer.http.settings import HttpSettings
from consumer.http.state import ServiceState
from consumer.settings import ConsumerSettings
from shared.http.server import serving
from shared.inference.scheduler import Scheduler
from shared.messages import Result
from tests.chaos.hostile.inputs import MARKER, mutated
from tests.support.fakes import FakeScorer

if TYPE_CHECKING:
    from collections.abc import Iterator

ALLOWED: Final = frozenset({200, 400, 401, 404, 405, 408, 413, 415, 422, 429, 503})
"""503 only with the reason `timeout`: the model answers, but a body that ends too early waits for TIMEOUT_S."""
TIMEOUT_S: Final = 0.2
HALF_CLOSE_S: Final = 0.4
"""After that long without an answer to a head that ends too early the client sends no more."""
REQUEST_S: Final = 5.0
BODY_BYTES: Final = 65_536
HEADS: Final = (
    b"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    b"POST /v1/score HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: a\r\ncontent-type: APPLICATION/JSON;a=b\r\nContent-Length: %d\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n",
    b"GET /v1/score?a=%%ff HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n",
    b"PUT /livez HTTP/1.1\r\nHost: a\r\nX-API-Key: \xff\xfe\r\nContent-Length: %d\r\n\r\n",
)
OFTEN: Final = (10, 2, 2, 1, 1, 1)
PIECES: Final = (
    b"\r\n",
    b"\0",
    b"\xff",
    b":",
    b" ",
    b"%",
    b"Transfer-Encoding: chunked\r\n",
    b"-1",
    b"9" * 30,
    b"//..",
)


@contextmanager
def service() -> Iterator[int]:
    """A service over a fake model; yields its port."""
    settings = ConsumerSettings(http=HttpSettings(max_body_bytes=BODY_BYTES, max_texts=64, timeout_s=TIMEOUT_S))
    stop = threading.Event()
    state = ServiceState(stop, needs_group=False)
    state.scheduler = Scheduler(FakeScorer())
    state.observe(ModelLoaded("oracle", "1", "fake", "none"))
    app = make_app(settings, state, RequestScoring(settings.http, state), lambda _: None)
    with serving(settings.http, app, stop) as port:
        yield port
    assert state.scheduler.close(REQUEST_S)


def request(chance: random.Random) -> bytes:
    """One request: a head, perhaps broken, and a mutated body, perhaps in a list."""
    body = mutated(chance)
    if chance.random() < 0.3:
        body = b"[" + b",".join([body] * chance.randrange(1, 70)) + b"]"
    head = chance.choices(HEADS, OFTEN)[0] % (
        len(body) if chance.random() < 0.9 else chance.randrange(2 * len(body) + 1)
    )
    if chance.random() < 0.2:
        place = chance.randrange(len(head))
        head = head[:place] + chance.choice(PIECES) + head[place + chance.randrange(4) :]
    return head + body


def check_request(port: int, sent: bytes) -> int:
    """Sends a request and returns the status of its answer, or 0 where the connection just ends."""
    with socket.create_connection(("127.0.0.1", port), REQUEST_S) as connection:
        connection.sendall(sent)
        if not select.select([connection], [], [], HALF_CLOSE_S)[0]:
            connection.shutdown(socket.SHUT_WR)
        response = HTTPResponse(connection)
        try:
            response.begin()
            body = response.read()
        except (HTTPException, ConnectionError):
            return 0
    assert response.status in ALLOWED, f"{response.status} to {sent[:200]!r}"
    if response.status == 200:
        tree = json.loads(body)
        for one in tree if isinstance(tree, list) else [tree]:
            if "schema_version" in one:
                Result.model_validate_json(json.dumps(one))
    else:
        assert MARKER.encode() not in body, f"the answer quotes what was sent: {body!r}"
        if response.headers.get_content_type() == "application/problem+json":
            problem = ProblemDetails.model_validate_json(body)
            assert (problem.status, problem.reason == "timeout") == (response.status, response.status == 503)
    return response.status


def try_all(examples: int, seed: int) -> dict[str, Any]:
    """Sends requests one after the other; returns the figures."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    statuses: Counter[int] = Counter()
    longest_s = 0.0
    with service() as port:
        for _ in range(examples):
            sent = request(chance)
            began_s = time.monotonic()
            statuses[check_request(port, sent)] += 1
            longest_s = max(longest_s, time.monotonic() - began_s)
        assert check_request(port, HEADS[0] % 13 + b'{"text": "a"}') == 200, "it no longer scores"
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "seed": seed,
        "examples": examples,
        "failures": 0,
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "longest_s": round(longest_s, 3),
    }


def main() -> None:
    """Tries, and writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    text = json.dumps(try_all(arguments.examples, arguments.seed), indent=2) + "\n"
    print(text, end="")
    if arguments.output is not None:
        arguments.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
